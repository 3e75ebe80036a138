"""The agent, compiled and loaded into the heap as on stock MicroPython, in little memory.

The VM here is of 64 bits: pointers, and with them most of the heap, take twice what they take on a
board, where a shipping image keeps the code in flash besides. Batches are those of the defaults,
the supervisor runs, the figures are taken inside gathering, encoding, signing and sending.
"""

from pathlib import Path

import pytest
from support.small_heap import run

# A reading takes some 60 ms even on fast-forward: many batches are of few readings.
RUNS = [("256k", 5, 60), pytest.param("256k", 500, 6, marks=pytest.mark.long)]


@pytest.mark.parametrize(("heap", "batches", "readings"), RUNS)
def test_samples_seals_and_drains_a_backlog_over_tls(
    tmp_path: Path, heap: str, batches: int, readings: int
) -> None:
    found = run(tmp_path, heap, batches, batch_readings=readings)
    print(f"heap {heap}: {found}")
    assert not found["failures"], "a task had to be restarted"
    assert found["piled"] >= batches
    assert found["readings"] >= readings * batches
    assert found["batches"] <= found["readings"] // readings, "smaller batches than configured"
    assert found["waiting"] == 0
    assert found["held"] >= batches
    # Room for a frame of the bus and the garbage between two collections.
    assert found["peak_alive_bytes"] < found["heap_bytes"] - 4_000
