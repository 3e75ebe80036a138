"""Writes the table of configuration keys into README.md, from the device's own table.

Usage: python tests/readme_config.py [--check]
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "firmware"))

from agent import config  # noqa: E402 - the path comes first

BEGIN = "<!-- configuration: written by `python tests/readme_config.py` -->"
END = "<!-- configuration: end -->"


def section() -> str:
    """The table between its markers."""
    rows = ["| key | default | permitted | what it is |", "|---|---|---|---|"]
    rows += [
        f"| `{key}` | {default} | {permitted} | {what} |"
        for key, _, default, permitted, what in config.table()
    ]
    return "\n".join([BEGIN, *rows, END])


def main(arguments: list[str]) -> int:
    """Write the section, or only compare (1 if it differs)."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    wanted = head + section() + rest.partition(END)[2]
    if "--check" in arguments:
        return int(wanted != text)
    path.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
