"""The most that the whole agent keeps alive in the heap of the 64-bit VM, loaded as .mpy.

Samples, seals, piles up a backlog and drains it over TLS; see tests/support/small_heap.py. About
half of it on a board of 32 bits, and less where the code is frozen.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from support.small_heap import run  # noqa: E402

HEAP = "256k"
BATCHES = 60


def figures() -> dict[str, float]:
    """Bytes alive after a collection: the most of the run, and of code alone."""
    with tempfile.TemporaryDirectory() as place:
        found = run(Path(place), HEAP, BATCHES)
    return {
        "agent_peak_heap_bytes": found["peak_alive_bytes"],
        "agent_code_bytes": found["code_bytes"],
    }


if __name__ == "__main__":
    print(figures())
