"""Verified readings as CSV, Parquet, SenML and CBOR: traceable, exact, nothing refused."""

import csv
import json
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from meterseal.cli.main import main
from meterseal.resources import profiles_dir
from support.fast_station import READINGS, FastStation, hour_of_readings, trust_of

from tests.host.test_audit_tampering import HourlyStation

HOURS = 4
Export = Callable[..., Path]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HourlyStation]:
    """Some hours of a station with an Eastron SDM120."""
    folder = tmp_path_factory.mktemp("export")
    station = HourlyStation()
    (folder / "all.cborseq").write_bytes(b"".join(station.seals(HOURS)))
    (folder / "trust.json").write_bytes(trust_of([station]))
    return folder, station


@pytest.fixture
def export(archive: tuple[Path, HourlyStation], tmp_path: Path) -> Export:
    def run(form: str, *paths: Path, code: int = 0) -> Path:
        out = tmp_path / f"readings.{form}"
        files = [str(one) for one in paths] or [str(archive[0] / "all.cborseq")]
        trust = str(archive[0] / "trust.json")
        with pytest.raises(SystemExit) as left:
            main(["export", form, *files, "--trust", trust, "--out", str(out)])
        assert (left.value.code or 0) == code
        return out

    return run


def test_csv(export: Export, archive: tuple[Path, HourlyStation]) -> None:
    rows = list(csv.DictReader(export("csv").open()))
    quantities = {row["quantity"] for row in rows}
    assert quantities == {"energy_import_wh", "power_w", "voltage_l1_v", "current_l1_a"}
    assert len(rows) == HOURS * READINGS * len(quantities)
    assert [int(row["sequence"]) for row in rows if row["quantity"] == "power_w"] == list(
        range(1, HOURS * READINGS + 1)
    )
    for row in rows:
        (number,) = struct.unpack(">f", bytes.fromhex(row["words"]))
        factor = 1000 if row["quantity"] == "energy_import_wh" else 1
        assert abs(Decimal(number) * factor - Decimal(row["value"])) <= Decimal("0.0005")
        assert row["device"] == archive[1].kid.hex() and row["status"] == "ok"
        assert row["time_utc"].endswith("Z") and int(row["time_error_ms"]) >= 0
    assert rows[-1]["batch_hash"] == archive[1].head.hex()


def test_parquet_says_the_same(export: Export) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table = parquet.read_table(export("parquet"))
    rows = list(csv.DictReader(export("csv").open()))
    assert table.num_rows == len(rows)
    for column in ("device", "quantity", "words", "batch_hash", "status"):
        assert table[column].to_pylist() == [row[column] for row in rows]
    assert table["value"].to_pylist() == [Decimal(row["value"]) for row in rows]
    assert table["sequence"].to_pylist() == [int(row["sequence"]) for row in rows]
    first = table["time_utc"].to_pylist()[0]
    assert first.isoformat(timespec="milliseconds").replace("+00:00", "Z") == rows[0]["time_utc"]


def test_senml(export: Export, archive: tuple[Path, HourlyStation]) -> None:
    """RFC 8428: base name, name, unit, time, value; resolved by the rules of section 4.6."""
    pack = json.loads(export("senml").read_text(), parse_float=Decimal)
    rows = list(csv.DictReader(export("csv").open()))
    assert len(pack) == len(rows)
    base, units = "", {"energy_import_wh": "Wh", "power_w": "W", "voltage_l1_v": "V"}
    for record, row in zip(pack, rows, strict=True):
        base = record.get("bn", base)
        assert set(record) <= {"bn", "n", "u", "t", "v"}
        name = base + record["n"]
        assert name.startswith(f"urn:meterseal:{archive[1].kid.hex()}:")
        assert all(one.isalnum() or one in "-:./_" for one in name)
        assert record["v"] == Decimal(row["value"])
        assert record["u"] == units.get(row["quantity"], "A")
        assert record["t"] > Decimal(10) ** 9


def test_cbor_is_verbatim(export: Export, archive: tuple[Path, HourlyStation]) -> None:
    assert export("cbor").read_bytes() == (archive[0] / "all.cborseq").read_bytes()


def test_what_is_refused_is_not_exported(
    export: Export, archive: tuple[Path, HourlyStation], tmp_path: Path
) -> None:
    data = bytearray((archive[0] / "all.cborseq").read_bytes())
    data[-1] ^= 1
    changed = tmp_path / "changed.cborseq"
    changed.write_bytes(data)
    rows = list(csv.DictReader(export("csv", changed, code=1).open()))
    assert {row["batch_number"] for row in rows} == {"1", "2", "3"}


def test_batches_twice_count_once(export: Export, archive: tuple[Path, HourlyStation]) -> None:
    path = archive[0] / "all.cborseq"
    rows = list(csv.DictReader(export("csv", path, path).open()))
    assert len(rows) == HOURS * READINGS * 4


def test_readings_that_failed_and_registers_nobody_knows(tmp_path: Path) -> None:
    """A failed reading is a row without value; a register of no profile keeps its words."""
    from meterseal.export.readings import Decoder
    from meterseal.trust import load_trust
    from meterseal.verify import Standard, Verifier

    station = HourlyStation()
    (tmp_path / "trust.json").write_bytes(trust_of([station]))
    verifier = Verifier(trust=load_trust(tmp_path / "trust.json"), policy=Standard())
    rows = list(Decoder({}).rows(verifier.verify(station.seal())))
    assert {row.value_milli for row in rows} == {None}
    assert {row.quantity for row in rows} == {
        "fn4:0x0048",
        "fn4:0x000c",
        "fn4:0x0000",
        "fn4:0x0006",
    }
    assert all(len(row.words) == 8 for row in rows)


@pytest.mark.parametrize(("base", "at"), [(40000, 40069), (50000, 50199)])
def test_a_sunspec_meter_is_exported_from_where_it_keeps_its_block(
    tmp_path: Path, base: int, at: int
) -> None:
    from meterseal.export.readings import Decoder
    from meterseal.profiles import build
    from meterseal.profiles.sunspec import relocated
    from meterseal.trust import load_trust
    from meterseal.verify import Standard, Verifier

    profile = build((profiles_dir() / "sunspec-203.json").read_bytes())
    moved = relocated(profile, base, at)
    assert moved.sunspec is not None
    model = moved.sunspec.model.to_bytes(2, "big")
    identity = [
        [3, one.address, model if one.address == at else b"A1" + bytes(30)]
        for one in moved.identity.values()
    ]
    setup = [[3, one.address, b"\0\2"] for one in moved.setup.values()]
    payload = dict(hour_of_readings())
    meter = [profile.id, profile.hash_16, payload[12][0][2], identity, setup]
    (group,) = payload[13]
    total = moved.total
    energy = next(one for one in group[6] if list(one[:2]) == [4, 0x48])
    groups = [[*group[:6], [[total.function, total.address, *energy[2:]]], *group[7:]]]
    station = FastStation()
    (tmp_path / "trust.json").write_bytes(trust_of([station]))
    verifier = Verifier(trust=load_trust(tmp_path / "trust.json"), policy=Standard())
    batch = verifier.verify(station.seal(k11=0, k12=[meter], k13=groups))
    rows = list(Decoder({profile.hash_16: profile}).rows(batch))
    assert {(row.quantity, row.meter) for row in rows} == {(total.name, "A1")}
    assert None not in {row.value_milli for row in rows}
