"""Every board's files agree with one another, with the chip, and with the journal's own code."""

import hashlib
import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from agent import atecc608, checked, files, keystore, update_slots
from agent.config import check
from agent.config_fields import FIELDS
from agent.errors import JournalFull
from agent.journal import Journal
from agent.ports.chip import safe_pin
from fakes.nor_flash import NorFlash
from meterseal.boards import (
    CHIPS,
    board_names,
    check_board,
    check_partitions,
    check_pins,
    load_board,
    load_partitions,
)
from meterseal.boards_room import BLOBS, entries, least_bytes, needed
from meterseal.resources import boards_dir, profiles_dir

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "4q_float_sdm120.cbor"
BOARDS = [
    "ESP32_GENERIC",
    "ESP32_GENERIC_C3",
    "ESP32_GENERIC_S3",
    "INDUSTRIAL_S3",
    "OLIMEX_ESP32_POE",
]


def table(name: str):
    return load_partitions(boards_dir() / name / "partitions.csv")


def test_the_boards_are_these() -> None:
    assert board_names() == sorted(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_the_files_of_a_board_agree(name: str) -> None:
    assert check_board(name) == []


@pytest.mark.parametrize("name", BOARDS)
def test_the_firmware_takes_its_configuration(name: str) -> None:
    config = {"schema": 1, "station_id": "x", "meters": [{"profile": "p"}]}
    checked = check(config | load_board(name)["config"], FIELDS, "")
    assert checked["buses"][0]["tx_pin"] == load_board(name)["pins"]["rs485_tx"]


def days_offline(journal_bytes: int) -> int:
    """Whole days until the journal refuses another hourly batch of the corpus, by its own code."""
    journal = Journal(NorFlash(journal_bytes // 4096), {"policy": "stop"})
    journal.mount()
    batch = CORPUS.read_bytes()
    number = 0
    try:
        while True:
            digest = hashlib.sha256(number.to_bytes(4, "big")).digest()
            last = number * 60 + 59
            journal.seal(number + 1, b"c" * 16, digest, batch, 0, last, last - 59)
            number += 1
            while journal.idle():
                pass
    except JournalFull:
        return number // 24


@pytest.mark.parametrize("size", sorted({load_board(name)["journal_bytes"] for name in BOARDS}))
def test_the_days_are_those_of_the_journal(size: int) -> None:
    days = days_offline(size)
    print(
        f"journal of {size} bytes: {days} days of hourly batches of {CORPUS.stat().st_size} bytes"
    )
    stated = {
        load_board(n)["journal_days"] for n in BOARDS if load_board(n)["journal_bytes"] == size
    }
    assert stated == {days}


@pytest.mark.parametrize(
    ("name", "key", "pin", "words"),
    [
        ("ESP32_GENERIC", "led", 24, "does not exist"),
        ("ESP32_GENERIC", "led", 12, "decides how the chip starts"),
        ("ESP32_GENERIC", "led", 9, "belongs to the flash"),
        ("ESP32_GENERIC", "rs485_tx", 36, "is an input only"),
        ("ESP32_GENERIC", "led", 1, "belongs to the console"),
        ("ESP32_GENERIC", "led", 21, "used twice"),
        ("OLIMEX_ESP32_POE", "led", 19, "used twice"),
        ("ESP32_GENERIC_C3", "led", 9, "decides how the chip starts"),
        ("ESP32_GENERIC_C3", "contactor", 9, "asks for safe mode"),
        ("ESP32_GENERIC_S3", "contactor", 0, "asks for safe mode"),
        ("INDUSTRIAL_S3", "led", 35, "belongs to the PSRAM"),
    ],
)
def test_a_wrong_pin_is_named(name: str, key: str, pin: int, words: str) -> None:
    board = load_board(name)
    board["pins"][key] = pin
    assert any(words in problem for problem in check_pins(board))


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("journal", {"offset": 0x310800}, "journal is not aligned"),
        ("journal", {"offset": 0x300000}, "journal overlaps vfs"),
        ("journal", {"offset": 0x320000}, "ends behind the flash"),
        ("journal", {"size": 0x80000}, "journal_bytes"),
        ("factory", {"offset": 0x11000}, "factory is not aligned"),
        ("factory", {"subtype": "ota_0"}, "the app partitions"),
        ("vfs", {"name": "files"}, "there is no vfs"),
        ("nvs", {"size": 0x6000}, "nvs is too small"),
    ],
)
def test_a_wrong_partition_is_named(part: str, change: dict[str, object], words: str) -> None:
    wrong = [replace(p, **change) if p.name == part else p for p in table("ESP32_GENERIC")]
    found = check_partitions(load_board("ESP32_GENERIC"), wrong)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize("name", BOARDS)
def test_the_button_of_safe_mode_is_where_the_port_looks(name: str) -> None:
    """MICROPY_HW_MCU_NAME is what the port finds at the end of sys.implementation._machine."""
    text = (boards_dir() / name / "mpconfigboard.h").read_text()
    board, mcu = re.findall(r'_NAME "([^"]+)"', text)
    assert safe_pin(f"{board} with {mcu}") == CHIPS[load_board(name)["mcu"]].boot_button


def test_the_room_of_the_store_is_reckoned_with_what_the_firmware_keeps() -> None:
    """Each blob that the firmware can keep is as long as it is reckoned here, or shorter."""
    kept = {
        "checked": checked.MOST_BYTES,
        "config.json": files._MOST_BYTES,
        "keystore": struct.calcsize(keystore._LAYOUT) + 4,
        "upd_code": struct.calcsize(update_slots._LAYOUT),
        "owners": 13 + 2 * 65 + 8 * 8,
        "element": atecc608._RECORD_LEN,
        "reserve": 2048,
    }
    assert all(length <= BLOBS[name] for name, length in kept.items())
    largest = max(path.stat().st_size for path in profiles_dir().glob("*.json"))
    assert largest <= BLOBS["profile 1"]
    assert [entries(length) for length in (0, 32, 4000, 4001)] == [2, 3, 127, 129]
    print(f"state store: {needed()} entries, at least {least_bytes()} bytes of NVS")
    assert least_bytes() <= 0x10000
