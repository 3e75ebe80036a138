"""Whether a version on trial is kept: it must read, journal and seal, and be heard or be alone.

| what was seen since the boot                              | verdict               |
|-----------------------------------------------------------|-----------------------|
| two batches sealed, one of them acknowledged               | keep                  |
| two batches sealed, no network at all for `offline_keep_s` | keep; settings: back  |
| neither, and `trial_s` are over                           | go back               |
| a task failed three times                                 | go back               |

Memory must last: what is free after the second batch must not be far below what was free after
the first. Settings may be what cuts the station off: unheard they are never kept. Looks only, and
changes nothing. Must never keep what it has not seen work.
"""

import gc

from .constant import const

KEEP, GO_BACK, WAIT = "keep", "go back", "wait"
_MOST_FAILURES = const(3)
_LEAST_FREE = const(6144)
_LEAK_SHARE = const(4)  # a quarter of what was free
_PATIENT = ("uplink", "network", "console")  # what depends on others may fail


class Trial:
    """Watches `app` since its start; `settings`: the section `update` of the configuration."""

    def __init__(self, app, settings):
        self._app = app
        self._settings = settings
        self._first = app.meters.next_sequence
        self._number = app.sealer.number
        self._free = []  # after each of the first batches of this boot
        self._seen = 0

    def look(self):
        """Take a sample of the memory when a batch was sealed."""
        sealed = self._app.sealer.number - self._number
        if sealed != self._seen:
            self._seen = sealed
            gc.collect()
            free = gc.mem_free() if hasattr(gc, "mem_free") else 1 << 30
            self._free = self._free[:1] + [free]

    def works(self):
        """Whether this boot read meters, journaled and sealed twice without losing memory."""
        app = self._app
        reads = any(row[0] for row in app.meters.health())
        written = app.meters.next_sequence > self._first and not app.recorder.dropped
        return reads and written and self._seen >= 2 and self._memory_lasts()

    def _memory_lasts(self):
        first, last = self._free[0], self._free[-1]
        return last >= _LEAST_FREE and last >= first - first // _LEAK_SHARE

    def acknowledged(self):
        """Whether the collector holds a batch that this version sealed."""
        return self._app.journal.acknowledged > self._number

    def verdict(self, offline_s, settings):
        """KEEP, GO_BACK or WAIT; `offline_s`: how long it has worked without network."""
        failed = [t for t in self._app.supervisor.tasks if t.failures >= _MOST_FAILURES]
        if [task for task in failed if task.name not in _PATIENT]:
            return GO_BACK
        if self.works():
            if self.acknowledged():
                return KEEP
            if offline_s >= self._settings["offline_keep_s"]:
                return GO_BACK if settings else KEEP
            if not self.reached():
                return WAIT
        over = self._app.clock.mono_ms() > self._settings["trial_s"] * 1000
        return GO_BACK if over else WAIT

    def reached(self):
        """Whether anything of a network was seen: then only an acknowledgement counts."""
        return bool(self._app.uplink and self._app.uplink.reached)
