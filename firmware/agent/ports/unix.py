"""A PC as a board: serial line over a pty or tty, flash and state in files, the system's clock.

Runs on the unix port of MicroPython and, for tests, on CPython. A write is in the hands of the
operating system when it returns, so that `kill -9` loses nothing. Must never be mistaken for a
real board: keys made here carry the class `sim`.

Opening a pty makes it the controlling terminal of a session leader that has none: start the
station in the session of whoever starts it, or closing the other end of the pty ends it.
"""

import os
import sys
import time

from ..constant import const
from ..errors import ConfigError
from .unix_storage import FileFlash, FileStore, PcFiles

try:
    import virtual_board  # see boards/UNIX_SIM/vm.py: "/" is its flash, the PC is `files`
except ImportError:
    virtual_board = None

_FLASH_BLOCKS = const(512)  # 2 MiB, the journal of a board with 8 MB of flash
_PARITY = {None: "N", 0: "E", 1: "O"}
_SPEED = {1200: 9, 2400: 11, 4800: 12, 9600: 13, 19200: 14, 38400: 15}  # Linux, termios.h
_CS7 = const(32)
_CS8 = const(48)
_CSTOPB = const(64)
_CREAD = const(128)
_PARENB = const(256)
_PARODD = const(512)
_CLOCAL = const(2048)
_VTIME = const(5)
_VMIN = const(6)


class Uart:
    """The part of machine.UART that the Modbus client uses, over a serial device or pty."""

    def __init__(self, path, files=PcFiles, **settings):
        import termios

        self._termios = termios
        self._file = files.open(path, "r+b")
        self._poll = _poll(self._file)
        self.init(**settings)

    def init(self, baudrate=9600, bits=8, parity=None, stop=1):
        """Raw mode, reads never block. `parity`: None, 0 even, 1 odd, as machine.UART has it."""
        attributes = self._termios.tcgetattr(self._file.fileno())
        control = _CREAD | _CLOCAL | (_CS8 if bits == 8 else _CS7)
        if parity is not None:
            control |= _PARENB | (_PARODD if parity else 0)
        if stop == 2:
            control |= _CSTOPB
        speed = _speed(self._termios, baudrate)
        attributes[0] = attributes[1] = attributes[3] = 0
        attributes[2] = control | (speed if sys.platform == "linux" else 0)
        attributes[4] = attributes[5] = speed
        attributes[6][_VMIN] = attributes[6][_VTIME] = 0
        try:
            self._termios.tcsetattr(self._file.fileno(), self._termios.TCSANOW, attributes)
        except (OSError, getattr(self._termios, "error", OSError)):
            # A pseudo-terminal has no parity bit, and glibc refuses to pretend.
            attributes[2] &= ~(_PARENB | _PARODD)
            self._termios.tcsetattr(self._file.fileno(), self._termios.TCSANOW, attributes)

    def any(self):
        """1 if at least one byte can be read, else 0."""
        return 1 if self._poll.poll(0) else 0

    def read(self, n):
        """At most `n` bytes that are there already, or None."""
        return self._file.read(n) or None

    def write(self, data):
        """Write all of `data`; a Modbus frame always fits the system's buffer."""
        return self._file.write(data)

    def flush(self):
        """Nothing to do: there is no driver to turn round."""

    def close(self):
        """Give the device back."""
        self._file.close()


def _poll(file):
    import select

    poll = select.poll()
    poll.register(file, select.POLLIN)
    return poll


def _speed(termios, baudrate):
    named = getattr(termios, "B%d" % baudrate, None)
    return _SPEED.get(baudrate, baudrate) if named is None else named


class SystemClock:
    """The operating system's clock as the board's internal RTC; it is not ours to set."""

    source = 1
    error_ms = 1000

    def read(self):
        """Unix time in milliseconds, or None if never set."""
        return time.time_ns() // 1000000

    def keep(self, t_unix_ms):
        """There is no clock beside the system's."""

    def set_system(self, t_unix_ms, genuine):
        """The system looks after its own clock."""


class Watchdog:
    """A watchdog without a timer: it ends the process when it is fed too late."""

    def __init__(self, timeout_ms):
        self._timeout_ms = timeout_ms
        self._fed_ms = ticks.ticks_ms()

    def feed(self):
        """Feed it; too late ends the process like the reset of a board would."""
        now = ticks.ticks_ms()
        if ticks.ticks_diff(now, self._fed_ms) > self._timeout_ms:
            print("watchdog: not fed for %d ms" % ticks.ticks_diff(now, self._fed_ms))
            sys.exit(3)
        self._fed_ms = now


if hasattr(time, "ticks_ms"):
    ticks = time
else:
    from .unix_cpython import ticks


def read_file(directory):
    """A function that reads whole files of `directory`."""

    def read(name):
        with open("%s/%s" % (directory, name), "rb") as file:
            return file.read()

    return read


def tls_context(ca_der):
    """A client context that requires a certificate of this authority for the host's name."""
    if sys.implementation.name == "cpython":
        import ssl

        return ssl.create_default_context(cadata=ca_der)
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(ca_der)
    return context


class Board:
    """What the application needs of a board, on this PC; `directory` stands for it."""

    key_class = 0  # sim
    reset_cause = 0
    link = None  # a PC is always on its network
    console = None  # asked for with METERSEAL_CONSOLE: the terminal may be somebody's

    def __init__(self, directory):
        self.read_file = read_file(directory)
        self._files = virtual_board.files if virtual_board else PcFiles
        self._home = virtual_board.home if virtual_board else directory
        self.store = FileStore(self._home + "/state", self._files)
        self.rtc = SystemClock()
        self.ticks = ticks
        self.random = self.key_entropy = os.urandom
        self.tls_context = tls_context
        self.flash = self.watchdog = None
        if os.getenv("METERSEAL_CONSOLE"):
            from agent.console import Stdin

            self.console = Stdin()

    def safe_mode(self):
        """Whether a technician keeps the station from starting: the file `safe_mode` is there."""
        return self._exists("safe_mode")

    def attended(self):
        """Somebody broke in; no watchdog of a PC bites by itself."""

    def equip(self, config):
        """Take into use what the configuration decides, the watchdog apart."""
        self.flash = FileFlash(self._home + "/flash.bin", _FLASH_BLOCKS, self._files)

    def configure(self, config):
        """Take into use what the configuration decides."""
        self.equip(config)
        self.watchdog = Watchdog(config["watchdog_s"] * 1000)

    def open_uart(self, bus):
        """(UART, driver-enable pin) of an RTU bus; adapters of a PC switch by themselves."""
        try:
            return Uart(bus["device"], self._files), None
        except OSError as error:
            raise ConfigError(
                "bus-device",
                "expected a serial device in buses[].device, found %r: %s; is the adapter there?"
                % (bus["device"], error),
                key="buses.device",
            )

    def contact(self, pin):
        """The cabinet's door: open while the file `cabinet_open` is there."""
        return lambda: self._exists("cabinet_open")

    def contactor(self, pin):
        """A contactor: closed while the file `contactor_<pin>` is there."""
        return lambda: self._exists("contactor_%d" % pin)

    def light(self, pin):
        """A light that is the file `light`, one character a change."""

        def switch(on):
            with self._files.open(self._home + "/light", "a") as file:
                file.write("1" if on else "0")

        return switch

    def health(self):
        """Figures for the health map of a batch: none here."""
        return {}

    def reset(self, reason):
        """End the process, as a reset ends a run; whoever started it starts it again."""
        if virtual_board:
            virtual_board.reset()
        sys.exit(3)

    def _exists(self, name):
        try:
            return bool(self._files.stat("%s/%s" % (self._home, name)))
        except OSError:
            return False
