"""The most that the whole agent keeps alive in the heap of the 64-bit VM, loaded as .mpy.

Samples, seals batches of sixty readings, piles up a backlog and drains it over TLS, under its
supervisor; looked at inside gathering, encoding, signing and sending. About
half of it on a board of 32 bits, and less where the code is frozen.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from support.small_heap import run  # noqa: E402

HEAP = "256k"
BATCHES = 10  # of sixty readings


def figures() -> dict[str, float]:
    """Bytes alive after a collection: the most of the run, and of code and data alone."""
    with tempfile.TemporaryDirectory() as place:
        found = run(Path(place), HEAP, BATCHES)
    return {
        "agent_peak_heap_bytes": found["peak_alive_bytes"],
        "agent_code_bytes": found["code_bytes"],
        "agent_data_bytes": found["data_bytes"],
    }


if __name__ == "__main__":
    print(figures())
