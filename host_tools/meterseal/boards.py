"""Board definitions below `boards/`, and whether the files of one agree with the chip.

Pins and partitions of a board stand in its `board.json` (under `meterseal`) and `partitions.csv`.
`check_board` names every contradiction; a test runs it over all boards.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meterseal.boards_room import least_bytes
from meterseal.errors import ConfigurationError
from meterseal.resources import boards_dir

SECTOR: Final = 4096
_APP_ALIGN: Final = 0x10000
_TABLE_END: Final = 0x9000
"""Bootloader and partition table end here (table at 0x8000, ESP-IDF's default)."""
_FILES: Final = (
    *("board.json", "board.md", "manifest.py", "mpconfigboard.cmake", "mpconfigboard.h"),
    *("partitions.csv", "sdkconfig.board"),
)
_CONFIG_PINS: Final = ("tx_pin", "rx_pin", "de_pin")


@dataclass(frozen=True)
class Chip:
    """Which GPIO there are and what some of them are taken for (data sheets, section "Pins")."""

    gpio: frozenset[int]
    strapping: frozenset[int]
    flash: frozenset[int]
    console: frozenset[int]
    boot_button: int
    input_only: frozenset[int] = frozenset()
    octal_psram: frozenset[int] = frozenset()


def _pins(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(pin for first, last in ranges for pin in range(first, last + 1))


CHIPS: Final = {
    # ESP32 Series Datasheet, sections 2.2 and 3.1
    "esp32": Chip(
        gpio=_pins((0, 19), (21, 23), (25, 27), (32, 39)),
        strapping=frozenset({0, 2, 5, 12, 15}),
        flash=_pins((6, 11)),
        console=frozenset({1, 3}),
        boot_button=0,
        input_only=_pins((34, 39)),
    ),
    # ESP32-S3 Series Datasheet, sections 2.3 and 3; USB Serial/JTAG is a console too
    "esp32s3": Chip(
        gpio=_pins((0, 21), (26, 48)),
        strapping=frozenset({0, 3, 45, 46}),
        flash=_pins((26, 32)),
        console=frozenset({19, 20, 43, 44}),
        boot_button=0,
        octal_psram=_pins((33, 37)),
    ),
    # ESP32-C3 Series Datasheet, sections 2.2 and 3
    "esp32c3": Chip(
        gpio=_pins((0, 21)),
        strapping=frozenset({2, 8, 9}),
        flash=_pins((11, 17)),
        console=frozenset({18, 19, 20, 21}),
        boot_button=9,
    ),
}
_OUTPUTS: Final = ("rs485_tx", "rs485_de", "sda", "scl", "led")


@dataclass(frozen=True)
class Partition:
    """A line of `partitions.csv`; offset and size in bytes."""

    name: str
    kind: str
    subtype: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size


def board_names() -> list[str]:
    """Names of the boards that have a partition table."""
    return sorted(path.parent.name for path in boards_dir().glob("*/partitions.csv"))


def load_board(name: str) -> dict[str, Any]:
    """`meterseal` of a board's `board.json`, with `mcu`. ConfigurationError `board-unknown`."""
    path = boards_dir() / name / "board.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found["meterseal"], "mcu": found["mcu"]}
    except (OSError, ValueError, KeyError) as problem:
        raise ConfigurationError(
            "board-unknown",
            f"expected the description of a board in {path}: {problem}",
            f"Known boards: {', '.join(board_names())}.",
        ) from problem


def load_partitions(path: Path) -> list[Partition]:
    """The partition table of a board, in the form of ESP-IDF, every offset given."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    rows = ([cell.strip() for cell in row] for row in csv.reader(lines))
    return [Partition(r[0], r[1], r[2], int(r[3], 0), int(r[4], 0)) for r in rows if r]


def check_board(name: str) -> list[str]:
    """What does not agree, in words; empty if everything does."""
    directory = boards_dir() / name
    missing = [f"{file} is missing" for file in _FILES if not (directory / file).is_file()]
    if missing:
        return missing
    board = load_board(name)
    partitions = load_partitions(directory / "partitions.csv")
    return [
        *check_pins(board),
        *check_partitions(board, partitions),
        *_check_texts(name, board, directory),
    ]


def check_pins(board: dict[str, Any]) -> list[str]:
    """Every pin exists, is free, and can do what it is for."""
    chip = CHIPS[board["mcu"]]
    taken = {**board["fixed_pins"], **board["pins"]}
    found = [
        f"{key}: GPIO {pin} does not exist" for key, pin in taken.items() if pin not in chip.gpio
    ]
    for key, pin in board["pins"].items():
        found += [f"{key}: GPIO {pin} {why}" for why in _objections(chip, board, key, pin)]
    if len(set(taken.values())) != len(taken):
        found.append("a GPIO is used twice")
    return found


def _objections(chip: Chip, board: dict[str, Any], key: str, pin: int) -> Iterator[str]:
    for names, why in (
        (chip.strapping, "decides how the chip starts"),
        (chip.flash, "belongs to the flash"),
        (chip.console, "belongs to the console"),
        ((chip.boot_button,), "is the BOOT button, which asks for safe mode"),
        (chip.octal_psram if board["psram"] == "octal" else (), "belongs to the PSRAM"),
        (chip.input_only if key in _OUTPUTS else (), "is an input only"),
    ):
        if pin in names:
            yield why


def check_partitions(board: dict[str, Any], partitions: list[Partition]) -> list[str]:
    """They fit, do not overlap, are aligned, and are those that the firmware looks for."""
    found = []
    end, last = _TABLE_END, "the partition table"
    for one in sorted(partitions, key=lambda partition: partition.offset):
        if one.offset < end:
            found.append(f"{one.name} overlaps {last}")
        align = _APP_ALIGN if one.kind == "app" else SECTOR
        if one.offset % align or one.size % align or one.size <= 0:
            found.append(f"{one.name} is not aligned to {align} bytes")
        end, last = one.end, one.name
    if end > board["flash_bytes"]:
        found.append(f"{last} ends behind the flash of {board['flash_bytes']} bytes")
    return found + _check_roles(board, {one.name: one for one in partitions})


def _check_roles(board: dict[str, Any], named: dict[str, Partition]) -> list[str]:
    found = [f"there is no {name}" for name in ("nvs", "vfs", "journal") if name not in named]
    if found:
        return found
    if named["journal"].size != board["journal_bytes"]:
        found.append("journal_bytes is not the size of the partition journal")
    if named["nvs"].size < least_bytes():
        found.append(f"nvs is too small: {least_bytes()} bytes for key, copies and update state")
    apps = sorted(one.subtype for one in named.values() if one.kind == "app")
    if apps != (["ota_0", "ota_1"] if board["ota"] else ["factory"]):
        found.append(f"ota is {board['ota']}, the app partitions are {', '.join(apps)}")
    if board["ota"] and ("otadata" not in named or named["ota_0"].size != named["ota_1"].size):
        found.append("an update needs otadata and two app partitions of one size")
    return found


def _check_texts(name: str, board: dict[str, Any], directory: Path) -> Iterator[str]:
    """What people read, and what the configuration gets, is what the other files say."""
    config, pins = board["config"], board["pins"]
    bus = [config["buses"][0][key] for key in _CONFIG_PINS]
    clock = [config["clock"][key] for key in ("sda_pin", "scl_pin")]
    wanted = [pins[key] for key in ("rs485_tx", "rs485_rx", "rs485_de", "sda", "scl")]
    if bus + clock != wanted:
        yield "config does not name the pins of pins"
    element = board["secure_element"]
    if element["chip"] != "atecc608" or not 0x08 <= element["address"] <= 0x77:
        yield "secure_element is none that the firmware knows"
    page = (directory / "board.md").read_text(encoding="utf-8")
    for key, pin in pins.items():
        if f"| GPIO {pin} |" not in page or f"`{key}`" not in page:
            yield f"board.md does not say that {key} is GPIO {pin}"
    days = f"{board['journal_bytes']:,} bytes: {board['journal_days']} days"
    chip = "An ATECC608 is" if element["fitted"] else "An ATECC608 may"
    for text in (days, chip, "**yes**" if board["ota"] else "**no**", f"boards/{name}"):
        if text not in page:
            yield f"board.md does not say {text!r}"
    if board["built"] == ("Not built" in page):
        yield "board.md and board.json disagree on whether it was built"
    if (
        f"mpconfigboard_{board['mcu']}_common"
        not in (directory / "mpconfigboard.cmake").read_text()
    ):
        yield "mpconfigboard.cmake is for another chip"
