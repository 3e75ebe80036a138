"""Images for the flash: whether one is whole and for this chip, and with the board's table in it.

An image of micropython.org holds boot loader, partition table and application, as they lie on the
flash from the place on where the chip looks for its boot loader.
"""

import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meterseal.boards import Partition
from meterseal.provision.errors import ProvisionError
from meterseal.provision.esptool import esptool
from meterseal.provision.partition_table import (
    TABLE_AT,
    TABLE_LEN,
    partition_table,
    partitions_of,
)

IMAGE_AT: Final = {"esp32": 0x1000, "esp32s3": 0x0, "esp32c3": 0x0}
"""Where the chip looks for its boot loader (ESP-IDF Programming Guide, "Bootloader")."""
_CHIP_IDS: Final = {"esp32": 0, "esp32s3": 9, "esp32c3": 5}
# esp_app_format.h: magic, segments, ..., chip id at byte 12
_MAGIC: Final = 0xE9
_CHIP_ID_AT: Final = 12
_GOOD: Final = re.compile(r"^(Checksum|Validation hash): .*\((\w+)", re.MULTILINE)


def first_app(board: str) -> Partition:
    """The partition that the boot loader starts when nothing was updated."""
    return next(
        one
        for one in partitions_of(board)
        if one.kind == "app" and one.subtype in ("factory", "ota_0")
    )


def check_image(data: bytes, chip: str, board: str) -> None:
    """Boot loader and application are whole and for this chip, the application where the board's
    table has it. Raises ProvisionError `image-chip`, `image-damaged`, `image-layout`.
    """
    app = first_app(board)
    start = app.offset - IMAGE_AT[chip]
    if len(data) <= start or data[start] != _MAGIC:
        raise ProvisionError(
            "image-layout",
            f"expected boot loader, table and an application at {app.offset:#x}, as {board} has "
            "it, found no application there",
            "Name the whole image (firmware.bin) that was built for this board.",
        )
    if IMAGE_AT[chip] + len(data) > app.offset + app.size:
        raise ProvisionError(
            "image-layout",
            f"expected an application of at most {app.size} bytes, found a larger one",
            "Name the image that was built for this board.",
        )
    _check_part(data[: TABLE_AT - IMAGE_AT[chip]], chip, "the boot loader")
    _check_part(data[start:], chip, "the application")


def _check_part(data: bytes, chip: str, what: str) -> None:
    found = struct.unpack_from("<H", data, _CHIP_ID_AT)[0] if len(data) > 24 else None
    if not data or data[0] != _MAGIC:
        raise _damaged(what, "something that is no image")
    if found != _CHIP_IDS[chip]:
        names = [name for name, number in _CHIP_IDS.items() if number == found]
        raise ProvisionError(
            "image-chip",
            f"expected {what} for {chip}, found one for {names[0] if names else 'another chip'}",
            "Name the image for this chip.",
        )
    with _file(data) as path:
        said = dict(_GOOD.findall(esptool("--chip", chip, "image-info", str(path))))
    if said != {"Checksum": "valid", "Validation hash": "valid"}:
        raise _damaged(what, ", ".join(f"{name} {word}" for name, word in said.items()) or "none")


def _damaged(what: str, found: str) -> ProvisionError:
    return ProvisionError(
        "image-damaged",
        f"expected {what} with a valid check sum and hash, found {found}",
        "Download or build the image again.",
    )


def with_table(data: bytes, chip: str, board: str) -> bytes:
    """The image with the board's partition table in place of its own."""
    at = TABLE_AT - IMAGE_AT[chip]
    return data[:at] + partition_table(board) + data[at + TABLE_LEN :]


@contextmanager
def _file(data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.bin"
        path.write_bytes(data)
        yield path
