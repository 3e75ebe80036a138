"""What is flashed and what is proven: partition tables, images, the proof of possession."""

import hashlib
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from agent import keystore_create
from agent.keystore import Keystore
from agent.possession import prove
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.boards import board_names, load_partitions
from meterseal.errors import Error
from meterseal.provision.errors import ProvisionError
from meterseal.provision.esptool import esptool
from meterseal.provision.flash import chip_of
from meterseal.provision.order import Order, complete
from meterseal.provision.partition_table import TABLE_AT, partition_table
from meterseal.registry.proof import check_proof
from meterseal.resources import boards_dir
from meterseal.trust_keys import public_bytes
from support.images import CHIPS, application


@pytest.mark.parametrize("board", board_names())
def test_the_partition_table_says_what_the_board_says(board: str) -> None:
    """Layout: ESP-IDF's esp_flash_partitions.h; read back here with nothing of the writer."""
    table = partition_table(board)
    wanted = load_partitions(boards_dir() / board / "partitions.csv")
    assert len(table) == 0xC00
    for number, one in enumerate(wanted):
        entry = table[32 * number : 32 * number + 32]
        magic, _, _, offset, size, name, flags = struct.unpack("<HBBII16sI", entry)
        assert (magic, offset, size, flags) == (0x50AA, one.offset, one.size, 0)
        assert name.rstrip(b"\0").decode() == one.name
    end = 32 * len(wanted)
    assert table[end : end + 16] == b"\xeb\xeb" + b"\xff" * 14
    assert table[end + 16 : end + 32] == hashlib.md5(table[:end]).digest()
    assert any(one.name == "journal" for one in wanted)


@pytest.mark.parametrize("board", sorted(CHIPS))
def test_esptool_merges_the_table_where_the_boot_loader_looks(board: str, tmp_path: Path) -> None:
    table, merged = tmp_path / "table.bin", tmp_path / "merged.bin"
    table.write_bytes(partition_table(board))
    place = [f"{TABLE_AT:#x}", str(table)]
    esptool("--chip", CHIPS[board], "merge-bin", "-o", str(merged), *place)
    assert merged.read_bytes()[TABLE_AT : TABLE_AT + 0xC00] == table.read_bytes()


@pytest.mark.parametrize("board", sorted(CHIPS))
def test_an_image_with_the_table_of_the_board(board: str, tmp_path: Path) -> None:
    """An application made by esptool's own library, merged as the flash will hold it."""
    chip = CHIPS[board]
    app, whole = tmp_path / "app.bin", tmp_path / "whole.bin"
    app.write_bytes(application(chip))
    order = Order("", {"station_id": "x"}, tmp_path, image=app, board=board)
    assert chip_of(order) == chip
    assert "validation hash" in esptool("--chip", chip, "image-info", str(app)).lower()
    table = tmp_path / "table.bin"
    table.write_bytes(partition_table(board))
    (first,) = [one for one in load_partitions(boards_dir() / board / "partitions.csv")
                if one.kind == "app" and one.subtype in ("factory", "ota_0")]  # fmt: skip
    places = [f"{TABLE_AT:#x}", str(table), f"{first.offset:#x}", str(app)]
    esptool("--chip", chip, "merge-bin", "-o", str(whole), *places)
    data = whole.read_bytes()
    assert data[first.offset :].startswith(app.read_bytes())
    damaged = bytearray(app.read_bytes())
    damaged[200] ^= 1
    app.write_bytes(damaged)
    assert "invalid" in esptool("--chip", chip, "image-info", str(app)).lower()


def test_the_chip_is_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError) as refused:
        chip_of(Order("", {"station_id": "x"}, tmp_path))
    assert refused.value.code == "image-chip"


@pytest.mark.parametrize("place", [{"wifi_password": "s"}, {"network": {"wifi_password": "s"}}])
def test_secrets_have_a_file_of_their_own(place: dict[str, object]) -> None:
    with pytest.raises(ProvisionError) as refused:
        complete({"station_id": "x", "meters": [], **place})
    assert refused.value.code == "secret-in-config"


def test_an_image_that_is_none_is_refused_by_esptool(tmp_path: Path) -> None:
    image = tmp_path / "image.bin"
    image.write_bytes(b"not an image" * 100)
    with pytest.raises(ProvisionError) as refused:
        esptool("--chip", "esp32", "image-info", str(image))
    assert refused.value.code == "image-flash"


def test_a_proof_counts_for_its_nonce_key_and_class_alone() -> None:
    store: dict[str, bytes] = {}
    board = SimpleNamespace(
        store=SimpleNamespace(get=store.get, set=store.__setitem__), key_entropy=os.urandom
    )
    keystore_create.create(board.store, os.urandom, os.urandom(32), 0)
    nonce, other = os.urandom(32), public_bytes(ec.generate_private_key(ec.SECP256R1()))
    proof, public = prove(board, nonce), Keystore.load(board.store).signer().public_65
    check_proof(proof, nonce, public, "sim")
    for wrong in (
        (os.urandom(32), public, "sim"),
        (nonce, other, "sim"),
        (nonce, public, "software"),
    ):
        with pytest.raises(Error) as refused:
            check_proof(proof, *wrong)
        assert refused.value.code == "possession-proof"


def test_a_proof_that_is_none_is_refused() -> None:
    public = public_bytes(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Error) as refused:
        check_proof(b"\xd2\x84", bytes(32), public, "sim")
    assert refused.value.code == "possession-proof"
