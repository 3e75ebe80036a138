"""Runs the application of a simulated board for a while of its own time, then takes the power."""

import asyncio
import gc
import sys


async def run_for(app, board, seconds):
    """Let the station run for so long on its own time, then take the power away."""
    if hasattr(gc, "freeze"):  # CPython: the station tidies often, the tests' own heap is large
        gc.freeze()
    station = asyncio.create_task(app.run())
    end_us = board.timing.now_us + seconds * 1000000
    while board.timing.now_us < end_us:
        await board.timing.sleep_ms(1000)
    station.cancel()
    for task in app.supervisor.tasks:
        if task.handle:
            task.handle.cancel()
    for _ in range(5):
        await asyncio.sleep(0)


def fresh_loop():
    """After a reset in the middle of a run: what was left in the loop must not run on."""
    if sys.implementation.name != "cpython":  # which makes a loop for each run
        asyncio.new_event_loop()
