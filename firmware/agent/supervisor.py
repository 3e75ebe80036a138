"""Runs every task, starts again what raised or fell silent, and feeds the watchdog.

| state    | event                            | next                                        |
|----------|----------------------------------|---------------------------------------------|
| waiting  | its pause is over                | running                                     |
| running  | raised or returned               | waiting, with a pause that doubles          |
| running  | no check-in within its deadline  | ending (cancelled)                          |
| ending   | ended                            | waiting                                     |
| ending   | not ended within ten seconds     | reset: it cannot be stopped                 |
| running  | failed again beyond its limit    | reset: the last resort                      |

The watchdog is fed while every task is in one of these states within its time: whatever ends in a
reset here ends in one with a reason, before the watchdog bites without one. Must never run a task
twice at a time and never swallow a failure: each becomes an event (WIRE_FORMAT.md section 6, kind
9) and a line in the log.
"""

import asyncio
import gc

from . import log
from .constant import const

EVENT_TASK_RESTARTED = 9

_PAUSE_MIN_MS = const(1000)
_STABLE_MS = const(600000)  # a task that ran so long has recovered: its count starts anew
_TICK_MS = const(500)
_END_MS = const(10000)  # for a cancelled task; shorter than any watchdog
_REASON_LEN = const(48)
_MOST_STARVED = const(20)

WAITING, RUNNING, ENDING = "waiting", "running", "ending"


class Task:
    """One supervised task; `factory(check_in)` makes its coroutine."""

    def __init__(self, name, factory, deadline_ms, limit, pause_max_ms):
        self.name = name
        self.factory = factory
        self.deadline_ms = deadline_ms
        self.limit = limit
        self.pause_max_ms = pause_max_ms
        self.state = WAITING
        self.handle = None
        self.outcome = None
        self.failures = 0
        self.since_ms = 0  # start of the run, or of the ending
        self.seen_ms = 0
        self.resume_ms = 0


class Supervisor:
    """`mono_ms()`, `feed()`, `on_event(kind, detail)`, `reset(reason)`, `sleep_ms`: injected."""

    def __init__(self, mono_ms, feed, on_event, reset, sleep_ms):
        self._mono_ms = mono_ms
        self._feed = feed
        self._on_event = on_event
        self._reset = reset
        self._sleep_ms = sleep_ms
        self.tasks = []
        self._starved = 0  # steps in a row that found no memory

    def add(self, name, factory, deadline_ms, limit=8, pause_max_ms=60000):
        """Supervise `factory(check_in)`; it calls `check_in()` more often than `deadline_ms`."""
        self.tasks.append(Task(name, factory, deadline_ms, limit, pause_max_ms))

    async def run(self):
        """The only loop; never returns."""
        while True:
            try:
                self.step()
                self._starved = 0
            except MemoryError:  # each step goes on where the last one stopped
                gc.collect()
                self._starved += 1
                if self._starved > _MOST_STARVED:
                    self._reset("supervisor: no memory")
            await self._sleep_ms(_TICK_MS)

    def step(self):
        """Look after every task once, then feed the watchdog: none is beyond help."""
        now = self._mono_ms()
        for task in self.tasks:
            self._look_after(task, now)
        self._feed()

    def _look_after(self, task, now):
        if task.state == WAITING:
            if now >= task.resume_ms:
                self._start(task, now)
        elif task.outcome is not None:
            self._ended(task, now)
        elif task.state == ENDING:
            if now - task.since_ms > _END_MS:
                self._reset("task %s cannot be stopped" % task.name)
        elif now - task.seen_ms > task.deadline_ms:
            self._overdue(task, now)

    def _start(self, task, now):
        task.outcome = None
        task.since_ms = task.seen_ms = now
        task.handle = asyncio.create_task(self._guard(task))
        task.state = RUNNING  # only now: without memory the next step tries again

    async def _guard(self, task):
        """Keeps what the task raised, so that the loop never loses it."""

        def check_in():
            task.seen_ms = self._mono_ms()

        try:
            await task.factory(check_in)
            outcome = "returned"
        except asyncio.CancelledError:
            outcome = "silent for %d ms" % task.deadline_ms
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes an event
            outcome = reason_of(error)
        task.outcome = outcome

    def _ended(self, task, now):
        if now - task.since_ms >= _STABLE_MS and task.state == RUNNING:
            task.failures = 0
        task.failures += 1
        log.error("supervisor", "task", name=task.name, reason=task.outcome, n=task.failures)
        self._on_event(EVENT_TASK_RESTARTED, [task.name, task.outcome])
        if task.failures > task.limit:
            self._reset("task %s: %s" % (task.name, task.outcome))
        task.state = WAITING
        task.handle = None
        task.resume_ms = now + pause_ms(task.failures, task.pause_max_ms)

    def _overdue(self, task, now):
        task.state = ENDING
        task.since_ms = now
        task.handle.cancel()


def pause_ms(failures, most_ms):
    """Pause before the start that follows the `failures`-th failure in a row."""
    return min(_PAUSE_MIN_MS << min(failures - 1, 20), most_ms)


def reason_of(error):
    """Short text of an exception for an event: its code if it has one, else type and text."""
    code = getattr(error, "code", None)
    text = code if isinstance(code, str) else "%s: %s" % (type(error).__name__, error)
    return text[:_REASON_LEN]
