"""A board at its cable, by mpremote's serial transport: ask, compare files, write, restart.

Files are compared on the board: it is told their hashes and says which differ, so that nothing of
what it holds comes back, secrets least of all.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem
from meterseal.onsite.cable import BAUD, Cable, SerialLine, open_line
from meterseal.provision.errors import ProvisionError

_READ_S: Final = 10.0
_PAUSE_S: Final = 0.2
_CHUNK: Final = 1024
_CALL_S: Final = 60.0
_REOPEN_S: Final = 20.0
_SILENCE_S: Final = 10.0
_MARK: Final = "@P "

_WRAP: Final = """
import sys as _sys
_path = _sys.path[:]
if {bare}:
    _sys.path[:] = [".frozen"]
def _step():
{body}
try:
    _found = _step()
except Exception as _e:
    _found = {{"refused": [getattr(_e, "code", type(_e).__name__), getattr(_e, "text", str(_e))]}}
import json as _json
print({mark!r} + _json.dumps(_found))
_sys.path[:] = _path
"""
_DIFFERING: Final = """
    import hashlib, binascii
    found = []
    for name, expected in {files!r}:
        digest = hashlib.sha256()
        try:
            with open("/" + name, "rb") as file:
                part = file.read(512)
                while part:
                    digest.update(part)
                    part = file.read(512)
        except OSError:
            found.append(name)
            continue
        if binascii.hexlify(digest.digest()).decode() != expected:
            found.append(name)
    return found
"""


class BoardLink:
    """A board in its raw REPL; its main.py does not run meanwhile. A context manager."""

    def __init__(self, port: str) -> None:
        """Raises EnvironmentProblem `port-missing`; ProvisionError `board-silent`."""
        from mpremote.transport import TransportError  # type: ignore[import-untyped]
        from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

        self.port = port
        self._lost = (TransportError, OSError)
        try:
            self._transport = SerialTransport(port, BAUD, timeout=_READ_S)
        except self._lost as problem:
            raise port_missing(port, "none that can be opened") from problem
        with redirect_stdout(StringIO()):  # mpremote prints what it did not expect
            self._guarded(lambda: self._transport.enter_raw_repl(soft_reset=True))

    def __enter__(self) -> "BoardLink":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the port go; the board stays as it is."""
        try:
            self._transport.close()
        except self._lost:
            return

    def call(self, body: str, timeout_s: float = _CALL_S, bare: bool = False) -> Any:
        """Run the indented body of a function on the board; what it returns, by JSON.

        `bare`: with what is built in alone, since files of the board may shadow it. Raises
        ProvisionError `board-silent`, or with the board's code.
        """
        code = _WRAP.format(body=body.rstrip(), mark=_MARK, bare=bare)
        output, error = self._guarded(lambda: self._transport.exec_raw(code, timeout_s))
        for line in output.decode(errors="replace").splitlines():
            if line.startswith(_MARK):
                return _answer(json.loads(line.removeprefix(_MARK)))
        raise self._silent(f"{output!r} {error!r}")

    def differing(self, files: dict[str, bytes]) -> list[str]:
        """Names of files that are missing on the board or hold something else."""
        hashes = [(name, hashlib.sha256(data).hexdigest()) for name, data in files.items()]
        found: list[str] = []
        for at in range(0, len(hashes), 20):
            found += self.call(_DIFFERING.format(files=hashes[at : at + 20]), bare=True)
        return found

    def write(self, name: str, data: bytes) -> None:
        """Put a file in place: whole under its name, or under another one."""
        folder = name.rpartition("/")[0]
        self.call(_MAKE_FOLDERS.format(parts=folder.split("/") if folder else []))
        self._guarded(lambda: self._transport.fs_writefile(f"/{name}.new", data, _CHUNK))
        self.call(f"    import os\n    os.rename({'/' + name + '.new'!r}, {'/' + name!r})")

    def reset(self) -> None:
        """Reset, so that main.py runs if there is one. The port is still held.

        What the board refuses before its console answers would be lost to a port opened anew.
        """
        try:
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
            time.sleep(_PAUSE_S)
        except self._lost as problem:
            raise self._silent(str(problem)) from problem

    def restart(self) -> Cable:
        """Reset; the console of the station, from its first line."""
        self.reset()
        line = self._guarded(lambda: SerialLine(self._transport.serial))
        return Cable(_Kept(self.port, line), _SILENCE_S)

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except self._lost as problem:
            raise self._silent(str(problem)) from problem

    def _silent(self, found: str) -> ProvisionError:
        return ProvisionError(
            "board-silent",
            f"expected the board at {self.port} to answer, found {found[:300]}",
            "Check cable and power, then give the same command again: it goes on from here.",
        )


_MAKE_FOLDERS: Final = """
    import os
    path = ""
    for part in {parts!r}:
        path += "/" + part
        try:
            os.mkdir(path)
        except OSError as error:
            if error.args[0] != 17:
                raise
"""


def port_missing(port: str, found: str) -> EnvironmentProblem:
    """Nothing to talk to."""
    return EnvironmentProblem(
        "port-missing",
        f"expected a board at {port}, found {found}: plug the cable in and name its port",
    )


def find_port(port: str) -> str:
    """The port itself, if it is there, or for `auto` the only one with a board.

    Raises EnvironmentProblem `port-missing`. The port is not opened: that may reset a board.
    """
    from serial.tools import list_ports  # type: ignore[import-untyped]

    found = list_ports.comports()
    if port == "auto":
        boards = [str(one.device) for one in found if one.vid is not None]
        if len(boards) != 1:
            raise port_missing("one serial port", ", ".join(boards) or "none")
        return boards[0]
    known = port.upper() in (str(one.device).upper() for one in found)
    if not (known or "://" in port or Path(port).exists()):
        raise port_missing(port, "no such port")
    return port


def _answer(found: Any) -> Any:
    if isinstance(found, dict) and "refused" in found:
        code, text = found["refused"]
        raise ProvisionError(str(code), f"the board refused: {text}", "")
    return found


class _Kept:
    """The line of a board that restarts; those with a USB port of their own take it away."""

    def __init__(self, port: str, line: SerialLine) -> None:
        self._port, self._line = port, line

    def write(self, data: bytes) -> object:
        try:
            return self._line.write(data)
        except OSError:
            self._line = _opened_again(self._port, self._line)
            return self._line.write(data)

    def read(self, size: int) -> bytes:
        try:
            return self._line.read(size)
        except OSError:
            self._line = _opened_again(self._port, self._line)
            return b""


def _opened_again(port: str, gone: SerialLine) -> SerialLine:
    with suppress(OSError):
        gone.close()
    end = time.monotonic() + _REOPEN_S
    while True:
        try:
            return open_line(port)
        except EnvironmentProblem:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE_S)
