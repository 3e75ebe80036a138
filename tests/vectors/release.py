"""Pin the vectors of a release: `python tests/vectors/release.py` adds those that are not pinned.

`released.txt` has a line for each test: file, id, and the first 16 hexadecimal digits of the
SHA-256 of its line in the file. Lines are only ever added: what a released version sealed or
refused must stay so for ever.
"""

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINS = HERE / "released.txt"


def current():
    """(file, id) -> digest of every vector as it is now; each stands on a line of its own."""
    found = {}
    for path in sorted(HERE.glob("*_v*.json")):
        lines = path.read_text(encoding="utf-8").split('"tests": [', 1)[1].splitlines()
        for line in (one.strip().rstrip(",") for one in lines):
            if line.startswith("{"):
                digest = hashlib.sha256(line.encode()).hexdigest()[:16]
                found[path.name, json.loads(line)["id"]] = digest
    return found


def pinned(text):
    """The same of the text of `released.txt`."""
    rows = (line.split() for line in text.splitlines())
    return {(name, case): digest for name, case, digest in rows}


def main():
    """Add what is new; a pin that no longer holds is never written over."""
    known = pinned(PINS.read_text(encoding="utf-8")) if PINS.exists() else {}
    both = current() | known
    rows = [f"{name} {case} {digest}" for (name, case), digest in sorted(both.items())]
    PINS.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
