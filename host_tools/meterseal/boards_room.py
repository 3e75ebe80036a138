"""How much room the state store of a board needs: from what it may hold, in entries of NVS.

ESP-IDF keeps a blob as an index entry and chunks, each a header and entries of 32 bytes; writes a
new one before the old one goes, and keeps one page free ("NVS internals" of its guide).
"""

from typing import Final

_PAGE: Final = 4096
_PAGE_ENTRIES: Final = 126
_ENTRY: Final = 32
_CHUNK: Final = 4000
_NAMESPACES: Final = 4
"""Entries of namespaces, with those of the radio's own data."""
_RADIO: Final = 60
"""Entries of the radio's calibration and settings, generously."""

BLOBS: Final = {
    "config.json": 6144,
    "secrets.json": 256,
    "ca.der": 2048,
    "ca2.der": 2048,
    **{f"profile {number}": 6144 for number in (1, 2, 3)},
    "checked": 4000,
    "reserve": 2048,
    "lost": 1024,
    "sessions": 1024,
    "keystore": 256,
    "element": 75,
    "provisioning": 32,
    "pseudonym_key": 32,
    "rollover": 256,
    "owners": 272,
    **{name: 256 for name in ("upd_code", "upd_set", "upd_img")},
    **{name: 96 for name in ("boots", "reset_reason", "software", "clock_floor")},
}
"""What the store of a station with three kinds of meters may hold, bytes at most; the copies of
files as in firmware/agent/files.py."""


def entries(length: int) -> int:
    """Entries that a blob of so many bytes takes."""
    return 1 + max(1, -(-length // _CHUNK)) + -(-length // _ENTRY)


def needed() -> int:
    """Entries for all of it, and for the largest one once more while it is replaced."""
    sizes = [entries(length) for length in BLOBS.values()]
    return sum(sizes) + max(sizes) + _NAMESPACES + _RADIO


def least_bytes() -> int:
    """The smallest partition that holds it."""
    return (-(-needed() // _PAGE_ENTRIES) + 1) * _PAGE
