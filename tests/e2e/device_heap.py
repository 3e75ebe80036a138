"""Runs in the MicroPython VM with a small heap: `main`, with its supervisor, on fast-forward.

Usage, where the agent is: micropython -X heapsize=SIZE -c "import device_heap;
device_heap.measure(STATION_DIR, BATCHES)". It is compiled to .mpy like the agent.

The station is the configured one but for the pauses between its polls, which are cut short. It
piles up so many batches while nobody answers, says `piled`, and drains them once a collector is
there. In every tenth batch and request the heap is collected at the deepest places of gathering,
encoding, signing and sending, and what is alive there is noted. Prints one JSON line.
"""

import asyncio
import gc
import json
import sys

import main

_PAUSE_MS = 2
_EVERY = 10


class Heap:
    """The most that was alive, by what the station was doing."""

    def __init__(self):
        gc.collect()
        self.empty = gc.mem_alloc()
        self.size = self.empty + gc.mem_free()
        self.code = self.whole = 0
        self.most = {}
        self.due = lambda: True

    def code_is_there(self):
        """Called by main.start: the code is loaded and nothing is made yet."""
        gc.collect()
        self.code = gc.mem_alloc() - self.empty

    def note(self, phase):
        """What is alive now, garbage apart."""
        if self.due():
            gc.collect()
            self.most[phase] = max(self.most.get(phase, 0), gc.mem_alloc())

    def watch(self, owner, name, phase):
        """Note what is alive whenever this function is called."""
        function = getattr(owner, name)

        def noted(*arguments, **named):
            self.note(phase)
            return function(*arguments, **named)

        setattr(owner, name, noted)


class Watched:
    """The application as main.py has made it; `run` ends when the backlog is gone."""

    def __init__(self, app, heap, batches):
        self.app = app
        self.heap = heap
        self.batches = batches
        self.failures = []
        gc.collect()
        heap.whole = gc.mem_alloc() - heap.empty
        app.meters.interval_ms = _PAUSE_MS
        self._watch()

    def _watch(self):
        app, heap = self.app, self.heap
        heap.due = lambda: app.sealer.number % _EVERY == 0
        heap.watch(app.journal, "append", "poll")
        heap.watch(app.journal, "mark", "gather")
        heap.watch(app, "others", "encode")
        self._watch_inside(app.sealer, "_encoded", "batch_groups", "encode_column", "encode")
        self._watch_inside(app.signer, "_sign", "p256", "add_points", "sign")
        heap.watch(app.journal, "seal", "commit")
        heap.watch(app.uplink._connection, "_write", "send")
        heap.watch(app.uplink, "_apply", "answer")
        told = app.supervisor._on_event

        def failed(kind, detail):
            self.failures.append(detail)
            told(kind, detail)

        app.supervisor._on_event = failed

    def _watch_inside(self, owner, name, module, function, phase):
        """Watch a function of a module that is loaded at each call of `owner.name`."""
        called = getattr(owner, name)

        def calling(*arguments):
            loaded = getattr(__import__("agent." + module), module)
            if not hasattr(loaded, "watched"):
                loaded.watched = True
                self.heap.watch(loaded, function, phase)
            return called(*arguments)

        setattr(owner, name, calling)

    async def run(self):
        """Pile up, say so, drain; what it took."""
        station = asyncio.create_task(self.app.run())
        journal = self.app.journal
        while journal.waiting < self.batches and not station.done():
            await asyncio.sleep(0.1)
        piled = journal.waiting
        self.app.meters.interval_ms = 60000
        print("piled")
        while journal.waiting and not station.done():
            await asyncio.sleep(0.1)
        self.tell(piled)

    def tell(self, piled):
        """One JSON line."""
        app, heap = self.app, self.heap
        found = {
            "heap_bytes": heap.size,
            "empty_bytes": heap.empty,
            "code_bytes": heap.code,
            "data_bytes": heap.whole - heap.code,
            "most_alive_bytes": heap.most,
            "peak_alive_bytes": max(heap.most.values()),
            "readings": app.meters.next_sequence - 1,
            "batches": app.sealer.number,
            "piled": piled,
            "waiting": app.journal.waiting,
            "failures": self.failures,
        }
        print(json.dumps(found))


def measure(station_dir, batches):
    """Everything, through `main`."""
    heap = Heap()
    start = main.start

    def watched(board, loaded=None):
        return Watched(start(board, heap.code_is_there), heap, batches)

    main.start = watched
    sys.exit(main.main([station_dir]))
