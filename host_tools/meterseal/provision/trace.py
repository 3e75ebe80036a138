"""A board's trace with the names of the source: the board knows the short ones, see names."""

import re
from pathlib import Path
from typing import Final

from meterseal.provision.errors import ProvisionError
from meterseal.provision.image import dotted, read_sources
from meterseal.provision.names import names_of
from meterseal.resources import firmware_dir

_FRAME: Final = re.compile(r'(File "(?P<module>[\w.]+)", line \d+, in )(?P<name>_\w+)')


def readable(text: str, source: Path | None = None) -> tuple[str, int]:
    """(the trace with long names, how many were put in).

    `source`: firmware of the board's version, default: this package's. Raises ProvisionError
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
    long = _long_names(texts, names_of(texts))
    put_in = 0

    def named(found: re.Match[str]) -> str:
        nonlocal put_in
        name = long.get((found["module"], found["name"]))
        put_in += name is not None
        return found[1] + (name or found["name"])

    return _FRAME.sub(named, text), put_in


def _long_names(texts: dict[str, str], short: dict[str, str]) -> dict[tuple[str, str], str]:
    """(module, short name) -> name of the function in the source."""
    return {
        (dotted(path), short[name]): name
        for path, text in texts.items()
        for name in re.findall(r"\bdef (\w+)", text)
        if name in short
    }
