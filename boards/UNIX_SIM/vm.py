"""What a virtual board does between reset and prompt: `micropython -i vm.py FIRMWARE HOME MODE`.

Mounts a simulated flash (LittleFS, rules of NOR flash) at "/" in place of the PC's files, brings a
`machine` module with identity, reset and RTC, runs boot.py and, in mode `run`, main.py, as an
ESP32 does. The supervisor (meterseal.sim.board) looks for the marks. The PC's files stay
reachable for the port alone, through `virtual_board`: partitions, state store, serial lines.
"""

import os
import sys
import time

import vfs

_BLOCKS = 256  # 1 MiB for files
_MARK = "\0mseal:%s\0"


class RTC:
    """Keeps its distance from the system's clock in the board's directory."""

    def datetime(self, given=None):
        """Read the clock, or set it: (year, month, day, weekday, hour, minute, second, us)."""
        if given is None:
            t = time.gmtime(int(time.time()) + self._offset_s())
            return (t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0)
        t_s = time.mktime((given[0], given[1], given[2]) + tuple(given[4:7]) + (0, 0))
        with virtual_board.files.open(virtual_board.home + "/rtc", "w") as file:
            file.write(str(t_s - int(time.time())))

    def _offset_s(self):
        try:
            with virtual_board.files.open(virtual_board.home + "/rtc", "r") as file:
                return int(file.read())
        except OSError:
            return 0


class Machine:
    """The `machine` module: what there is of it."""

    PWRON_RESET, HARD_RESET, SOFT_RESET = 1, 2, 5
    RTC = RTC

    def unique_id(self):
        """Six bytes that stay the same."""
        return virtual_board.unique_id

    def reset(self):
        """As if the reset line were pulled: nothing runs after this."""
        mark("reset")

    def soft_reset(self):
        """Leave the interpreter and start it anew."""
        mark("soft")

    def freq(self):
        """Of no meaning here."""
        return 240000000


class VirtualBoard:
    """What the port finds of the PC: `files` opens absolute paths, `home` is the directory."""

    def __init__(self, home):
        self.files = vfs.VfsPosix()  # with a root its rename fails: both paths share one buffer
        self.home = home
        self.unique_id = self._identity(home + "/unique_id")
        self.reset = lambda: mark("reset")

    def _identity(self, path):
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            made = b"\x02" + os.urandom(5)  # a locally administered address
            with open(path, "wb") as file:
                file.write(made)
            return made


def mark(text):
    """Tell the supervisor; it ends this process, so that nothing follows a reset."""
    sys.stdout.write(_MARK % text)
    while text in ("reset", "soft"):
        time.sleep(1)


def mount(firmware, home):
    """The simulated flash at "/"; formatted if there is nothing on it."""
    sys.path[:] = [firmware]
    from agent.ports.unix_storage import FileFlash

    flash = FileFlash(home + "/vfs.bin", _BLOCKS)
    for name in [name for name in sys.modules if name.startswith("agent")]:
        del sys.modules[name]  # the board runs what is on its own flash
    try:
        files = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        files = vfs.VfsLfs2(flash)
    vfs.umount("/")
    vfs.mount(files, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]


def run(name):
    """Run a file of the board if it is there; its errors are told, an exit is a soft reset."""
    try:
        with open(name) as file:
            code = compile(file.read(), name, "exec")
    except OSError:
        return
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit:
        mark("soft")
    except KeyboardInterrupt as error:
        sys.print_exception(error)
    except Exception as error:  # noqa: BLE001 - told, as at any prompt
        sys.print_exception(error)


firmware, home, mode = sys.argv[1:4]
virtual_board = VirtualBoard(home)
mount(firmware, home)
sys.modules["virtual_board"], sys.modules["machine"] = virtual_board, Machine()
sys.argv[:] = ["/main.py"]
mark("up")
run("boot.py")
if mode == "run":
    run("main.py")
mark("end")
