"""MicroPython onto the chip by esptool, with the partition table of the board, in one write."""

import hashlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from meterseal.boards import load_board
from meterseal.provision import on_board
from meterseal.provision.errors import ProvisionError
from meterseal.provision.esptool import esptool
from meterseal.provision.flash_image import IMAGE_AT, check_image, with_table
from meterseal.provision.partition_table import (
    TABLE_AT,
    TABLE_LEN,
    data_places,
    partition_table,
    partitions_of,
)

if TYPE_CHECKING:
    from meterseal.provision.order import Order
    from meterseal.provision.steps import Session

_SECTOR: Final = 4096
_CHIP_SAID: Final = re.compile(r"^Connected to (\S+) on", re.MULTILINE)
_SIZE_SAID: Final = re.compile(r"Detected flash size:\s+(\d+)MB")


def ask(session: "Session") -> dict[str, Any]:
    """What the board is; empty if no MicroPython answers and there is an image to flash."""
    try:
        found: dict[str, Any] = session.link.call(on_board.ABOUT, bare=True)
    except ProvisionError as problem:
        if problem.code != "board-silent" or session.order.image is None:
            raise
        return {}
    return found


def write(order: "Order") -> str:
    """Flash the image that was named, read it back; its SHA-256.

    Raises ProvisionError `image-missing`, `image-chip`, `image-damaged`, `image-layout`,
    `flash-size`, `flash-data`, `image-flash`.
    """
    image, chip = _image_of(order), chip_of(order)
    data = image.read_bytes()
    check_image(data, chip, order.board)
    check_chip(order, chip)
    if not order.erase:
        check_blank(order, chip)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.bin"
        whole.write_bytes(with_table(data, chip, order.board))
        place = ["--flash-size", "detect", f"{IMAGE_AT[chip]:#x}", str(whole)]
        erase = ["--erase-all"] if order.erase else []
        _on_board(order, chip, "write-flash", *erase, *place)
        _on_board(order, chip, "verify-flash", *place)
    return hashlib.sha256(data).hexdigest()


def _image_of(order: "Order") -> Path:
    if order.image is None or not order.board:
        raise ProvisionError(
            "image-missing",
            "expected MicroPython 1.28 or newer and a partition named journal on the board, found "
            "them missing, and no image or no board was named",
            "Name a .bin with --image, and the --board.",
        )
    return order.image


def chip_of(order: "Order") -> str:
    """The board's chip. Raises ProvisionError `image-chip` if another one was named."""
    chip: str = load_board(order.board)["mcu"] if order.board else order.chip
    if chip not in IMAGE_AT or order.chip not in ("auto", chip):
        raise ProvisionError(
            "image-chip",
            f"expected a chip out of {', '.join(IMAGE_AT)}, that of --board, found {order.chip}",
            "Name --board, and leave --chip out.",
        )
    return chip


def check_chip(order: "Order", chip: str) -> None:
    """The chip at the port is the board's and has the flash of its table.

    Raises ProvisionError `image-chip`, `flash-size`.
    """
    said = esptool("--port", order.port, "flash-id")
    named = _CHIP_SAID.search(said)
    found = named[1].lower().replace("-", "") if named else "none that is known"
    if found != chip:
        raise ProvisionError(
            "image-chip",
            f"expected {chip}, as {order.board} has it, found {found} at {order.port}",
            "Name the board that is connected.",
        )
    size = _SIZE_SAID.search(said)
    held = int(size[1]) << 20 if size else 0
    end = max(one.offset + one.size for one in partitions_of(order.board))
    if held < end:
        raise ProvisionError(
            "flash-size",
            f"expected at least {end >> 20} MB of flash, as {order.board} has it, found "
            f"{held >> 20} MB",
            "Name the board that is connected.",
        )


def check_blank(order: "Order", chip: str) -> None:
    """Nothing is lost by flashing. Raises ProvisionError `flash-data`.

    The beginning of each partition tells, of the table that is on the flash and of the new one:
    whatever is stored is stored there first.
    """
    held = data_places(_sector(order, chip, TABLE_AT)[:TABLE_LEN])
    places = dict((at, name) for name, at in data_places(partition_table(order.board)))
    for at, name in sorted((places | {at: name for name, at in held}).items()):
        if _sector(order, chip, at).strip(b"\xff"):
            raise ProvisionError(
                "flash-data",
                f"expected a blank partition {name}, found something at {at:#x}: perhaps a key "
                "and readings",
                "Take batches out first (`meterseal inspect --pull`, or a dump and `meterseal "
                "salvage`), then give --erase.",
            )


def _sector(order: "Order", chip: str, at: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sector.bin"
        _on_board(order, chip, "read-flash", f"{at:#x}", str(_SECTOR), str(path))
        return path.read_bytes()


def _on_board(order: "Order", chip: str, *command: str) -> str:
    return esptool("--chip", chip, "--port", order.port, *command)
