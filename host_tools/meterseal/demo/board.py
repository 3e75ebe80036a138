"""The station of the demonstration: a virtual board that was put into service like a real one."""

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from meterseal.demo.processes import Child, meterseal
from meterseal.errors import EnvironmentProblem


class Board:
    """A virtual board in a directory. Its power is the process; its console is read here."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.port = folder.with_suffix(".port")
        self._log = log
        self._lines: queue.Queue[str] = queue.Queue()
        command = ["station", "board", str(folder), "--link", str(self.port), "--json"]
        self._child = Child("board", meterseal(*command), log)
        self._child.ready()

    def provision(self, out: Path, config: Path, ca: Path, timeout_s: float) -> dict[str, Any]:
        """Put it into service with the command that a technician gives; what that says.

        Raises EnvironmentProblem `demo-provision`.
        """
        command = meterseal("provision", str(self.port), "--config", str(config), "--json")
        command += ["--ca", str(ca), "--out", str(out), "--by", "demonstration", "--offline"]
        with self._log.open("ab") as log:
            try:
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=log, timeout=timeout_s, check=False
                )
                found_text = f"exit code {done.returncode}" if done.returncode else ""
            except subprocess.TimeoutExpired:
                found_text = f"no end within {timeout_s:.0f} s"
        if found_text:
            raise EnvironmentProblem(
                "demo-provision",
                f"expected the board in service, found {found_text}",
                f"See {self._log}.",
            )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def listen(self) -> None:
        """Collect the lines of the console from now on; nobody else may have the port then."""
        descriptor = os.open(self.port, os.O_RDONLY | os.O_NOCTTY)
        threading.Thread(target=self._collect, args=(descriptor,), daemon=True).start()

    def _collect(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb", 0) as console, self._log.open("ab", 0) as log:
            rest = b""
            while data := _some(console.fileno()):
                log.write(data)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._lines.put(line.decode(errors="replace").rstrip("\r"))

    def drain(self) -> list[str]:
        """All lines that came since the last call, without waiting."""
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get_nowait())
        return lines

    def stop(self) -> None:
        """Power off: the interpreter is killed where it stands (SIGKILL), the flash stays."""
        self._child.stop()


def _some(descriptor: int) -> bytes:
    """Bytes that came; none when the board is gone."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
