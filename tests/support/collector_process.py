"""The collector as a user starts it: a process of its own, behind TLS."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from meterseal.pki import client_context, write_server_files

START = "from meterseal.cli import collect; import typer; a = typer.Typer(); " + (
    "collect.register(a); a()"
)


class CollectorProcess:
    """A collector on a free port of 127.0.0.1. `directory` keeps data, certificate and log.

    `before`: Python that it runs first.
    """

    def __init__(self, directory, trust: bytes, workers=1, database="", more=(), before=""):
        self._start = before + START
        self.directory = Path(directory)
        self.data = self.directory / "data"
        if not (self.directory / "ca.pem").exists():
            write_server_files(self.directory, ["127.0.0.1"])
        (self.directory / "trust.json").write_bytes(trust)
        self.tls = client_context(self.directory / "ca.pem")
        self._arguments = [
            *("--data", self.data, "--cert", self.directory / "server.pem"),
            *("--key", self.directory / "server.key", "--trust", self.directory / "trust.json"),
            *("--workers", str(workers), "--json", "--port", "0", *more),
            *(("--database", database) if database else ()),
        ]
        self.process = None
        self.url = ""

    def start(self):
        """Start it and wait for its ready line; its group can be killed as one."""
        with open(self.directory / "collector.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self._start, "collect", *map(str, self._arguments)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        line = self.process.stdout.readline()
        assert line, (self.directory / "collector.log").read_text()
        self.ready = json.loads(line)
        self.url = self.ready["url"]
        return self

    def pids(self):
        """Process ids of the collector and its workers (Linux)."""
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in task.read_text().split()]
        return found

    def kill(self):
        """Kill -9 of everything at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """End it in order; its exit code."""
        self.process.terminate()
        return self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
