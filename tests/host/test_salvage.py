"""Batches out of flash dumps: what the device's journal wrote, read without the device's code."""

import json
from pathlib import Path
from typing import Any

import pytest
from meterseal.cli.main import main
from meterseal.errors import EnvironmentProblem
from meterseal.onsite.flash_dump import SECTOR_LEN, rings
from meterseal.onsite.salvage import salvage
from support.sealing_station import Station


def dump_of(station: Station) -> bytes:
    """What esptool would read from the partition."""
    return bytes(station.flash.image)


def sealed(batches: int, max_readings: int = 5, sectors: int = 32, **more: Any) -> Station:
    """A station that sealed so many batches and sent them."""
    station = Station(sectors, max_readings, **more).boot()
    for _ in range(batches):
        station.read(max_readings)
        station.seal()
    return station


def all_of(station: Station) -> list[bytes]:
    """Every batch that left, in order."""
    return [data for _, data in sorted(station.left.items(), key=lambda item: item[0][1])]


@pytest.mark.parametrize(("batches", "max_readings"), [(1, 1), (20, 5), (12, 60), (9, 240)])
def test_every_batch_byte_for_byte(batches: int, max_readings: int) -> None:
    station = sealed(batches, max_readings)
    found = salvage(dump_of(station))
    assert [raw for _, raw in found.batches] == all_of(station)
    assert len(found.batches) == batches and not found.damaged and not found.missing


def test_the_journal_somewhere_in_the_whole_flash() -> None:
    station = sealed(10)
    dump = b"\xff" * 7 * SECTOR_LEN + dump_of(station) + b"\x00" * 3 * SECTOR_LEN
    assert [raw for _, raw in salvage(dump).batches] == all_of(station)


def test_after_power_cuts_and_a_second_chain() -> None:
    station = sealed(6)
    station.boot()
    station.sealer.restart_chain()
    for _ in range(4):
        station.read(5)
        station.seal()
    found = salvage(dump_of(station))
    assert {raw for _, raw in found.batches} == set(station.left.values())
    assert [number for number, _ in found.batches] == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]


def test_a_ring_that_was_overwritten_gives_what_is_left() -> None:
    station = sealed(170, 40, sectors=16)
    found = salvage(dump_of(station))
    kept = [number for number, _ in found.batches]
    assert kept[-1] == 170 and len(kept) < 170
    assert kept == list(range(kept[0], 171))
    known = {number: data for (_, number), data in station.left.items()}
    assert all(known[number] == raw for number, raw in found.batches)


@pytest.mark.parametrize("at", [2, 19])
def test_a_sector_whose_header_is_damaged(at: int) -> None:
    station = sealed(40, 60)
    dump = bytearray(dump_of(station))
    (ring,) = rings(bytes(dump))
    epoch = sorted(ring.sectors)[1]
    dump[(ring.base + epoch % ring.count) * SECTOR_LEN + at] ^= 0x40
    assert [raw for _, raw in salvage(bytes(dump)).batches] == all_of(station)


def test_damage_is_named_and_never_comes_out_as_a_batch() -> None:
    station = sealed(40, 60)
    whole = dump_of(station)
    right = set(station.left.values())
    (ring,) = rings(whole)
    begin = (ring.base + min(ring.sectors) % ring.count) * SECTOR_LEN
    named = 0
    for at in range(begin + 200, begin + 4 * SECTOR_LEN, 397):
        dump = bytearray(whole)
        dump[at] ^= 0x10
        found = salvage(bytes(dump))
        assert {raw for _, raw in found.batches} <= right
        lost = len(found.damaged) + len(found.missing)
        assert len(found.batches) + lost in (40, 40 - 1)  # the newest record may go unnoticed
        named += lost > 0
    assert named > 20


@pytest.mark.parametrize("dump", [b"", b"\xff" * SECTOR_LEN * 4, bytes(SECTOR_LEN), b"MJ\x01\x02"])
def test_a_dump_without_journal(dump: bytes) -> None:
    with pytest.raises(EnvironmentProblem) as refusal:
        salvage(dump)
    assert refusal.value.code == "salvage-journal"


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    station = sealed(5)
    dump, out = tmp_path / "dump.bin", tmp_path / "batches.cborseq"
    dump.write_bytes(dump_of(station))
    with pytest.raises(SystemExit) as leaving:
        main(["salvage", str(dump), "--out", str(out), "--json"])
    assert leaving.value.code == 0
    assert json.loads(capsys.readouterr().out)["batches"] == [1, 2, 3, 4, 5]
    assert out.read_bytes() == b"".join(all_of(station))
    with pytest.raises(SystemExit) as leaving:
        main(["salvage", str(tmp_path / "none")])
    assert leaving.value.code == 3
