"""Child processes of the demonstration: ready when they say so in JSON, ended by their id."""

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from meterseal.errors import EnvironmentProblem


class Child:
    """A child process whose lines on stdout are collected; its stderr goes to a log file."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self._log_path = log
        self._lines: queue.Queue[str | None] = queue.Queue()
        with log.open("ab") as log_file:
            self._process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
            )
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, timeout_s: float) -> str:
        """The next line on stdout; raises EnvironmentProblem `demo-child` on silence or end."""
        try:
            found = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            found = None
        if found is None:
            raise EnvironmentProblem(
                "demo-child",
                f"{self.name} was expected to say something within {timeout_s:g} s and did not",
                f"See {self._log_path}.",
            )
        return found

    def ready(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """The JSON line with which the child says that it is ready."""
        found = json.loads(self.line(timeout_s))
        if not isinstance(found, dict):
            raise EnvironmentProblem(
                "demo-child", f"{self.name}: a JSON object was expected", "See the log."
            )
        return found

    def drain(self) -> list[str]:
        """All lines that came since the last call, without waiting."""
        lines = []
        while not self._lines.empty():
            line = self._lines.get_nowait()
            if line is None:
                self._lines.put(None)
                break
            lines.append(line)
        return lines

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: no last words, as when the power goes."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask to end, then insist."""
        if not self.running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def meterseal(*arguments: str) -> list[str]:
    """Command line of a `meterseal` verb run by this interpreter."""
    return [sys.executable, "-m", "meterseal", *arguments]
