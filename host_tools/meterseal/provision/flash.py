"""MicroPython onto the chip by esptool, with the partition table of the board."""

import hashlib
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from meterseal.boards import Partition, load_board, load_partitions
from meterseal.provision import on_board
from meterseal.provision.errors import ProvisionError
from meterseal.resources import boards_dir

if TYPE_CHECKING:
    from meterseal.provision.order import Order
    from meterseal.provision.steps import Session

TABLE_AT: Final = 0x8000
IMAGE_AT: Final = {"esp32": "0x1000", "esp32s3": "0x0", "esp32c3": "0x0"}
"""Where an image of micropython.org begins: where the chip looks for its boot loader."""
_TABLE_LEN: Final = 0xC00
# ESP-IDF Programming Guide, "Partition Tables"; esp_flash_partitions.h
_ENTRY: Final = struct.Struct("<2sBBLL16sL")
_TYPES: Final = {"app": 0, "data": 1}
_SUBTYPES: Final = {
    "app": {"factory": 0, "ota_0": 0x10, "ota_1": 0x11},
    "data": {"ota": 0, "phy": 1, "nvs": 2, "coredump": 3, "nvs_keys": 4, "fat": 0x81},
}


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
    """Flash the image; its SHA-256. ProvisionError `image-missing`, `image-flash`."""
    if order.image is None:
        raise ProvisionError(
            "image-missing",
            "expected MicroPython 1.28 or newer and a partition named journal on the board, found "
            "them missing, and no image was named",
            "Name a .bin with --image, and the --board.",
        )
    chip = chip_of(order)
    esptool("--chip", chip, "image-info", str(order.image))
    places = [IMAGE_AT[chip], str(order.image)]
    if order.board:
        table = order.out / "partition-table.bin"
        order.out.mkdir(parents=True, exist_ok=True)
        table.write_bytes(partition_table(order.board))
    esptool("--chip", chip, "--port", order.port, "write-flash", *places)
    if order.board:
        place = [f"{TABLE_AT:#x}", str(table)]
        esptool("--chip", chip, "--port", order.port, "write-flash", *place)
    return hashlib.sha256(order.image.read_bytes()).hexdigest()


def chip_of(order: "Order") -> str:
    """The chip that was named, else the board's. Raises ProvisionError `image-chip`.

    It decides where the image goes, so it is never guessed.
    """
    chip: str = order.chip
    if chip == "auto" and order.board:
        chip = load_board(order.board)["mcu"]
    if chip not in IMAGE_AT:
        raise ProvisionError(
            "image-chip",
            f"expected a chip out of {', '.join(IMAGE_AT)}, found {chip}",
            "Name --board or --chip.",
        )
    return chip


def esptool(*arguments: str) -> str:
    """What esptool says. Raises ProvisionError `image-flash`."""
    command = [sys.executable, "-m", "esptool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise ProvisionError(
            "image-flash",
            f"expected esptool to succeed, found: {' '.join(said)}",
            "Hold the BOOT button while the board starts, check image and --chip.",
        )
    return done.stdout


def partition_table(board: str) -> bytes:
    """The table of a board as the boot loader reads it, with its MD5."""
    return table_bytes(load_partitions(boards_dir() / board / "partitions.csv"))


def table_bytes(partitions: list[Partition]) -> bytes:
    """Entries, MD5 of them, rest erased: 0xC00 bytes."""
    entries = b"".join(_entry(one) for one in partitions)
    checked = b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
    return (entries + checked).ljust(_TABLE_LEN, b"\xff")


def _entry(one: Partition) -> bytes:
    subtype = _SUBTYPES[one.kind].get(one.subtype)
    number = int(one.subtype, 0) if subtype is None else subtype
    place = (one.offset, one.size, one.name.encode())
    return _ENTRY.pack(b"\xaa\x50", _TYPES[one.kind], number, *place, 0)
