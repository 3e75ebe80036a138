"""What a worker does beside answering: each task is watched, and started again when it ends."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple

PAUSE_S: Final = 2.0
_LOG: Final = logging.getLogger(__name__)
Say = Callable[[str], None]


class Job(NamedTuple):
    """A task of a name; `run` gets a function that says in a few words how it fares."""

    name: str
    run: Callable[[Say], Coroutine[Any, Any, None]]


class Background:
    """Jobs that run for ever. `states`: what each said last, for /readyz."""

    def __init__(self, *jobs: Job) -> None:
        self.states: dict[str, str] = {job.name: "starting" for job in jobs}
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all of them, in the running event loop."""
        self._tasks = [asyncio.create_task(self._watch(job)) for job in self._jobs]

    async def stop(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, job: Job) -> None:
        """An exception ends one run, never the job; neither does a run that simply returns."""
        say = partial(self.states.__setitem__, job.name)
        while True:
            say("running")
            try:
                await job.run(say)
                say("ended; it is started again")
            except Exception as problem:  # noqa: BLE001 - whatever it is, the job goes on
                say(f"failed, it is started again: {problem!r}")
                _LOG.exception("task %s failed", job.name)
            await asyncio.sleep(PAUSE_S)
