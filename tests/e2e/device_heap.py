"""Runs in the MicroPython VM with a small heap: sample, seal, pile up a backlog, drain it by TLS.

Usage, where the agent is: micropython -X heapsize=SIZE -c "import device_heap;
device_heap.measure(STATION_DIR, BATCHES)". It is compiled to .mpy like the agent.

Starts the station as main.py does. Prints one JSON line: bytes of code and data, the most that was
alive, batches piled up and left over.
"""

import asyncio
import gc
import json

from main import start


def alive():
    """Bytes of the heap in use."""
    gc.collect()
    return gc.mem_alloc()


def power_on(station_dir):
    """(application, bytes of code, bytes of data)."""
    empty = alive()
    from agent.ports import unix

    code = []
    app = start(unix.Board(station_dir), lambda: code.append(alive() - empty))
    app.clock.on_set = app.recorder.clock_set
    app.clock.start()
    return app, code[0], alive() - empty - code[0]


async def pile_up(app, batches):
    """So many batches of one reading, none of them sent; the most that was alive."""
    most = 0
    for number in range(batches):
        await app.meters.poll_once()
        app.sealer.seal_once()
        app.journal.idle()
        if number % 50 == 0:
            most = max(most, alive())
    return most


async def drain(app):
    """Send until nothing waits, at most a hundred calls; the most that was alive."""
    most = 0
    for _ in range(100):
        await app.uplink._call()
        most = max(most, alive())
        if not app.journal.waiting:
            break
    return most


async def run(station_dir, batches):
    """Pile up, drain, say what it took."""
    app, code_bytes, data_bytes = power_on(station_dir)
    most = await pile_up(app, batches)
    piled = app.journal.waiting
    most = max(most, await drain(app))
    found = {"code_bytes": code_bytes, "data_bytes": data_bytes, "peak_alive_bytes": most}
    found.update({"piled": piled, "waiting": app.journal.waiting})
    print(json.dumps(found))


def measure(station_dir, batches):
    """Everything."""
    asyncio.run(run(station_dir, batches))
