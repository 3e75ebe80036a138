"""Several worker processes on one port, each with its own event loop, connections and keys.

The system spreads connections over the workers (SO_REUSEPORT). The supervisor holds the port,
starts a worker again when it dies, and takes all of them down with itself, however it ends: each
worker watches a pipe that closes when the supervisor is gone.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final, NamedTuple

from meterseal.collector.serve import Settings, listen, serve_on
from meterseal.errors import EnvironmentProblem

RESTART_PAUSE_S: Final = 1.0
START_TIMEOUT_S: Final = 120.0
_SPAWN: Final = multiprocessing.get_context("spawn")
_LOG: Final = logging.getLogger(__name__)


class _Worker(NamedTuple):
    process: SpawnProcess
    pipe: Connection


class Supervisor:
    """Runs `settings.workers` workers until SIGINT or SIGTERM."""

    def __init__(self, settings: Settings, reserved: socket.socket) -> None:
        self._settings = settings._replace(port=reserved.getsockname()[1])
        self._stopping = False
        self._workers: list[_Worker] = []

    def run(self, ready: Callable[[], None]) -> None:
        """Serve; `ready` is called once every worker accepts connections.

        Raises EnvironmentProblem `collector-worker` if one cannot start.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            self._workers = [self._start() for _ in range(self._settings.workers)]
            for worker in self._workers:
                self._expect_ready(worker)
            ready()
            while not self._stopping:
                self._watch()
        finally:
            self._end()

    def _start(self) -> _Worker:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(self._settings, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _expect_ready(self, worker: _Worker) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while not self._stopping:
            if worker.pipe.poll(0.5):
                try:
                    worker.pipe.recv()
                    return
                except EOFError:
                    break
            if not worker.process.is_alive() or time.monotonic() > until:
                break
        if not self._stopping:
            raise EnvironmentProblem(
                "collector-worker",
                "expected a worker to start, found that it ended",
                "What it wrote above says why.",
            )

    def _watch(self) -> None:
        """Start again what died, not faster than once in RESTART_PAUSE_S."""
        wait([worker.process.sentinel for worker in self._workers], timeout=0.5)
        dead = [worker for worker in self._workers if not worker.process.is_alive()]
        if not dead or self._stopping:
            return
        time.sleep(RESTART_PAUSE_S)
        for worker in dead:
            _LOG.error("worker %s ended with %s", worker.process.pid, worker.process.exitcode)
            worker.pipe.close()
            self._workers[self._workers.index(worker)] = self._start()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join()


def serve_with_workers(settings: Settings, ready: Callable[[str], None]) -> None:
    """As `serve.serve`, with several processes. Errors: as there, and `collector-worker`."""
    reserved = _reserve(settings.host, settings.port)
    address = f"https://{settings.host}:{reserved.getsockname()[1]}"
    Supervisor(settings, reserved).run(lambda: ready(address))


def _reserve(host: str, port: int) -> socket.socket:
    """A socket that holds the port but never listens, so that no connection comes to it."""
    listen(host, port).close()  # refuses a port that somebody else serves
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((host, port))
    return reserved


def _work(settings: Settings, supervisor: Connection) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C goes to everybody; one decides
    threading.Thread(target=_follow, args=(supervisor,), daemon=True).start()
    listener = listen(settings.host, settings.port, shared=True)
    serve_on(settings, listener, lambda: supervisor.send("ready"))


def _follow(supervisor: Connection) -> None:
    """End as soon as the supervisor is gone: nothing is lost that was acknowledged."""
    try:
        supervisor.recv()
    except (EOFError, OSError):
        os._exit(1)
