"""The partition table as the boot loader reads it.

Layout: ESP-IDF Programming Guide, "Partition Tables"; esp_flash_partitions.h.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import Final

from meterseal.boards import Partition, load_partitions
from meterseal.resources import boards_dir

TABLE_AT: Final = 0x8000
TABLE_LEN: Final = 0xC00
_ENTRY: Final = struct.Struct("<2sBBLL16sL")
_ENTRY_MAGIC: Final = b"\xaa\x50"
_TYPES: Final = {"app": 0, "data": 1}
_SUBTYPES: Final = {
    "app": {"factory": 0, "ota_0": 0x10, "ota_1": 0x11},
    "data": {"ota": 0, "phy": 1, "nvs": 2, "coredump": 3, "nvs_keys": 4, "fat": 0x81},
}


def partitions_of(board: str) -> list[Partition]:
    """Partitions of a board."""
    return load_partitions(boards_dir() / board / "partitions.csv")


def partition_table(board: str) -> bytes:
    """The table of a board as the boot loader reads it, with its MD5."""
    return table_bytes(partitions_of(board))


def table_bytes(partitions: list[Partition]) -> bytes:
    """Entries, MD5 of them, rest erased: 0xC00 bytes."""
    entries = b"".join(_entry(one) for one in partitions)
    checked = b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
    return (entries + checked).ljust(TABLE_LEN, b"\xff")


def _entry(one: Partition) -> bytes:
    subtype = _SUBTYPES[one.kind].get(one.subtype)
    number = int(one.subtype, 0) if subtype is None else subtype
    place = (one.offset, one.size, one.name.encode())
    return _ENTRY.pack(_ENTRY_MAGIC, _TYPES[one.kind], number, *place, 0)


def data_places(table: bytes) -> Iterator[tuple[str, int]]:
    """(name, offset) of the data partitions in a table as it lies on the flash; none if it is no
    table. Calibration of the radio (`phy`) is left out: it comes with the image.
    """
    for at in range(0, len(table) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, subtype, offset, _, name, _ = _ENTRY.unpack_from(table, at)
        if magic != _ENTRY_MAGIC:
            return
        if kind == _TYPES["data"] and subtype != _SUBTYPES["data"]["phy"]:
            yield name.rstrip(b"\0").decode(errors="replace"), offset
