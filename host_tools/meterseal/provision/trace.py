"""A board's trace with the names of the source: the board knows the short ones, see names."""

import re
from pathlib import Path
from typing import Final

from meterseal.provision.errors import ProvisionError
from meterseal.provision.image import dotted, read_sources
from meterseal.provision.names import names_of, words_of
from meterseal.resources import firmware_dir

_FRAME: Final = re.compile(r'(File "([\w.]+)", line \d+, in )(_\w+)')
_MISSING: Final = re.compile(r"('(\w+)' object has no attribute ')(_\w+)")


def readable(text: str, source: Path | None = None) -> tuple[str, int]:
    """(the trace with long names, how many were put in).

    Translated are the functions of its lines, and the attribute that an object is said not to
    have. `source`: firmware of the board's version, default: this package's. Raises ProvisionError
    `trace-source`.
    """
    root = source or firmware_dir()
    texts = read_sources(root)
    if not texts:
        raise ProvisionError(
            "trace-source",
            f"expected the firmware's modules in {root}, found none",
            "Give the directory that holds main.py and agent/.",
        )
    long = _long_names(texts)
    put_in = 0

    def named(found: re.Match[str]) -> str:
        nonlocal put_in
        name = long.get((found[2], found[3]))
        put_in += name is not None
        return found[1] + (name or found[3])

    return _MISSING.sub(named, _FRAME.sub(named, text)), put_in


def _long_names(texts: dict[str, str]) -> dict[tuple[str, str], str]:
    """(module or class, short name) -> name in the source, where there is but one."""
    short = names_of(texts)
    found: dict[tuple[str, str], set[str]] = {}
    for path, text in texts.items():
        classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
        for owner in [dotted(path), *(short.get(one, one) for one in classes)]:
            for name in short.keys() & words_of(text):
                found.setdefault((owner, short[name]), set()).add(name)
    return {place: names.pop() for place, names in found.items() if len(names) == 1}
