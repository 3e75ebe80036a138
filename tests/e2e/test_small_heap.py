"""The agent, compiled and loaded into the heap as on stock MicroPython, in little memory.

The VM here is of 64 bits: pointers, and with them most of the heap, take twice what they take on a
board, where a shipping image keeps the code in flash besides.
"""

from pathlib import Path

import pytest
from support.small_heap import run


@pytest.mark.parametrize(
    ("heap", "batches"), [("256k", 40), pytest.param("256k", 500, marks=pytest.mark.long)]
)
def test_samples_seals_and_drains_a_backlog_over_tls(
    tmp_path: Path, heap: str, batches: int
) -> None:
    found = run(tmp_path, heap, batches)
    print(f"heap {heap}: {found}")
    assert found["piled"] == batches
    assert found["waiting"] == 0
    assert found["held"] == batches
    assert found["peak_alive_bytes"] < 280_000
