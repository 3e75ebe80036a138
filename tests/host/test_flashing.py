"""The real esptool at a loader that speaks its protocol: what is flashed, and what is refused."""

from pathlib import Path

import pytest
from fakes.rom_loader import RomLoader
from meterseal.boards import Partition, load_partitions
from meterseal.provision.errors import ProvisionError
from meterseal.provision.flash import write
from meterseal.provision.flash_image import IMAGE_AT, check_image
from meterseal.provision.order import Order
from meterseal.provision.partition_table import TABLE_AT, TABLE_LEN, partition_table, table_bytes
from meterseal.resources import boards_dir
from support.images import CHIPS, application

MB = 1 << 20
STOCK_NVS_AT = 0x9000


def whole_image(chip: str, app_at: int = 0x10000) -> bytearray:
    """Boot loader, somebody else's table, application: as micropython.org gives them."""
    first = IMAGE_AT[chip]
    data = bytearray(b"\xff" * (app_at - first)) + application(chip)
    loader = application(chip)
    data[: len(loader)] = loader
    data[TABLE_AT - first : TABLE_AT - first + 32] = bytes(32)
    return data


def app_at(board: str) -> int:
    """Where the board's table has the application."""
    parts = load_partitions(boards_dir() / board / "partitions.csv")
    return min(one.offset for one in parts if one.kind == "app")


def flashed(loader: RomLoader, folder: Path, data: bytes, board: str, erase: bool = False) -> str:
    """Flash an image at a loader."""
    image = folder / "image.bin"
    image.write_bytes(data)
    order = Order(loader.port, {"station_id": "x"}, folder, image=image, board=board, erase=erase)
    return write(order)


def refusal(loader: RomLoader, folder: Path, data: bytes, board: str, erase: bool = False) -> str:
    """Code with which an image is refused."""
    with pytest.raises(ProvisionError) as refused:
        flashed(loader, folder, data, board, erase)
    return refused.value.code


@pytest.mark.parametrize("board", ["ESP32_GENERIC", "ESP32_GENERIC_S3"])
def test_image_and_table_are_one_write_and_read_back(board: str, tmp_path: Path) -> None:
    chip = CHIPS[board]
    data = whole_image(chip, app_at(board))
    with RomLoader(chip, 8 * MB) as loader:
        flashed(loader, tmp_path, data, board)
    first = IMAGE_AT[chip]
    assert loader.writes == 1
    assert loader.flash[TABLE_AT : TABLE_AT + TABLE_LEN] == partition_table(board)
    start = app_at(board)
    assert loader.flash[start : first + len(data)] == data[start - first :]
    assert loader.flash[first + 3] >> 4 == 3  # the header says the 8 MB of this chip


def test_what_is_on_the_flash_goes_by_consent_alone(tmp_path: Path) -> None:
    board, data = "ESP32_GENERIC", bytes(whole_image("esp32", app_at("ESP32_GENERIC")))
    parts = load_partitions(boards_dir() / board / "partitions.csv")
    (journal,) = [one for one in parts if one.name == "journal"]
    stock = Partition("nvs", "data", "nvs", STOCK_NVS_AT, 0x6000)
    with RomLoader() as loader:  # one of micropython.org, whose NVS is elsewhere
        loader.flash[TABLE_AT : TABLE_AT + TABLE_LEN] = table_bytes([stock])
        for place in (STOCK_NVS_AT, journal.offset):
            loader.flash[place] = 0
            assert refusal(loader, tmp_path, data, board) == "flash-data"
            loader.flash[place] = 0xFF
        assert loader.writes == 0
        loader.flash[journal.offset + 100_000] = 0
        flashed(loader, tmp_path, data, board, erase=True)
    for one in parts:
        if one.kind == "data":
            held = loader.flash[one.offset : one.offset + one.size]
            assert held == b"\xff" * one.size


def test_another_chip_or_too_little_flash(tmp_path: Path) -> None:
    data = bytes(whole_image("esp32s3", app_at("ESP32_GENERIC_S3")))
    with RomLoader("esp32", 8 * MB) as loader:
        assert refusal(loader, tmp_path, data, "ESP32_GENERIC_S3") == "image-chip"
        assert refusal(loader, tmp_path, data, "ESP32_GENERIC") in ("image-chip", "image-layout")
    data = bytes(whole_image("esp32", app_at("ESP32_GENERIC")))
    with RomLoader("esp32", 1 * MB) as loader:
        assert refusal(loader, tmp_path, data, "ESP32_GENERIC") == "flash-size"
        assert loader.writes == 0


def test_a_flash_that_does_not_keep_what_is_written(tmp_path: Path) -> None:
    with RomLoader() as loader:
        data = bytes(whole_image("esp32", app_at("ESP32_GENERIC")))
        loader.bad_cell = app_at("ESP32_GENERIC") + 100
        assert refusal(loader, tmp_path, data, "ESP32_GENERIC") == "image-flash"


@pytest.mark.parametrize("where", ["boot loader", "application"])
def test_a_damaged_image_is_refused(where: str) -> None:
    """esptool's own word for it is `invalid`, with exit code 0."""
    start = 0 if where == "boot loader" else app_at("ESP32_GENERIC") - IMAGE_AT["esp32"]
    data = whole_image("esp32", app_at("ESP32_GENERIC"))
    check_image(bytes(data), "esp32", "ESP32_GENERIC")
    data[start + 200] ^= 1
    with pytest.raises(ProvisionError) as refused:
        check_image(bytes(data), "esp32", "ESP32_GENERIC")
    assert refused.value.code == "image-damaged" and where in refused.value.text


def test_images_for_something_else() -> None:
    for data, code in (
        (whole_image("esp32")[:20000], "image-layout"),
        (whole_image("esp32") + bytes(4 * MB), "image-layout"),
        (bytes(0xF000) + whole_image("esp32s3", 0x10000)[0x10000:], "image-damaged"),
        (whole_image("esp32s3", 0xF000), "image-chip"),
    ):
        with pytest.raises(ProvisionError) as refused:
            check_image(bytes(data), "esp32", "ESP32_GENERIC")
        assert refused.value.code == code
