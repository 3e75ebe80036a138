"""The verdicts that SECURITY.md promises, by `meterseal verify` with exports of a real registry.

One test for each row: revoked, rolled over, cloned, board replaced, meter replaced, not
countersigned, entry altered, signed again by a stranger, simulated.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from meterseal.cli.main import main
from meterseal.collector.registry_database import open_registry
from meterseal.errors import PolicyRefused
from meterseal.mrv.devices import ReportPolicy
from meterseal.registry import Acts, export
from meterseal.registry.acts import enrol_fields
from meterseal.trust import entry_hash, parse_trust
from meterseal.trust_keys import fingerprint
from meterseal.trust_write import sign
from meterseal.verify import Verifier
from support.registry import OPERATOR, SECOND, STATION, code_of, installation, removal, statement
from support.sealed import private_key, public_bytes
from support.station import START_UNIX_MS, TOTALS, Station

ANCHOR = fingerprint(public_bytes(OPERATOR))
ROLLOVER = 3


def time_text(mono_ms: int) -> str:
    """The moment at which a station's clock stood so."""
    from datetime import UTC, datetime

    seconds = (START_UNIX_MS + mono_ms) // 1000
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Bench:
    """A registry with one station and what that station sealed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.registry = open_registry(path / "registry.sqlite")
        self.acts = Acts(self.registry, "S. Chan", [("operator", OPERATOR)])
        self.station = Station()
        self.id = self.station.trusted.kid.hex()
        self.acts.enter(("station", STATION), ("enrol", self.enrolment(self.station)))
        self.acts.enter(("meter-install", installation(self.id)))

    @staticmethod
    def enrolment(station: Station, key_class: str = "software") -> dict[str, Any]:
        return enrol_fields(station.trusted.public_key, "kampot-1", key_class)

    def countersign_all(self) -> None:
        for entry in self.registry.state().waiting():
            self.acts.countersign(entry["n"], SECOND)

    def export(self) -> Path:
        path = self.path / "trust.json"
        path.write_bytes(export(self.registry, [OPERATOR]))
        return path

    def archive(self, name: str, batches: list[bytes]) -> Path:
        path = self.path / f"{name}.cborseq"
        path.write_bytes(b"".join(batches))
        return path

    def end_of(self, number: int) -> str:
        """When batch `number` of a station that began anew was sealed, and a second."""
        return time_text(1_000_000 + number * 300_000 + 1_000)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Verdict:
    """What `meterseal verify --json` said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.found: dict[str, Any] = json.loads(out) if out else {}

    @property
    def verified(self) -> list[int]:
        """Batches verified, file by file."""
        return [one["verified"] for one in self.found["files"]]

    @property
    def refusals(self) -> list[str]:
        """Codes of the refusals."""
        return [two["code"] for one in self.found["files"] for two in one["refusals"]]

    @property
    def findings(self) -> set[str]:
        """Codes of the findings."""
        return {two["code"] for one in self.found["devices"] for two in one["findings"]}


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(trust: Path, *archives: Path, anchor: str = ANCHOR) -> Verdict:
        capsys.readouterr()
        arguments = ["verify", *map(str, archives), "--trust", str(trust), "--json"]
        with pytest.raises(SystemExit) as leaving:
            main(arguments + (["--anchor", anchor] if anchor else []))
        captured = capsys.readouterr()
        return Verdict(int(leaving.value.code or 0), captured.out, captured.err)

    return call


def test_in_order(bench: Bench, verify: Any) -> None:
    bench.countersign_all()
    found = verify(bench.export(), bench.archive("a", bench.station.seal_many(4)))
    assert (found.code, found.verified, found.findings) == (0, [4], set())


def test_revoked(bench: Bench, verify: Any) -> None:
    bench.countersign_all()
    archive = bench.archive("a", bench.station.seal_many(4))
    bench.acts.revoke(bench.id, bench.end_of(2), "board stolen")
    found = verify(bench.export(), archive)
    assert (found.code, found.verified) == (1, [2])
    assert found.refusals == ["key-revoked", "key-revoked"]


def rolled_over(bench: Bench) -> Station:
    """The station's board with its next key, which the old one signed."""
    new = Station(key_number=6, chain=b"n" * 16)
    old_key, new_key = bench.station.key, private_key(6)
    bench.acts.rollover(
        bench.id, bench.enrolment(new), statement(old_key, new_key), bench.end_of(2)
    )
    bench.countersign_all()
    return new


def begin_after_rollover(new: Station, old: Station) -> list[bytes]:
    """The new key's first batches go on where the old chain ended."""
    new.mono_ms, new.sequence, new.energy_kwh = old.mono_ms, old.sequence, old.energy_kwh
    payload = new.payload()
    payload[17] = {0: ROLLOVER, 2: old.chain, 3: old.number - 1, 4: old.previous}
    return [new.close(payload), *new.seal_many(2)]


def test_rolled_over(bench: Bench, verify: Any) -> None:
    new = rolled_over(bench)
    before = bench.archive("before", bench.station.seal_many(2))
    after = bench.archive("after", begin_after_rollover(new, bench.station))
    found = verify(bench.export(), before, after)
    assert (found.code, found.verified) == (0, [2, 3])
    assert found.findings == {"chain-restart"}


def test_the_old_key_after_its_rollover(bench: Bench, verify: Any) -> None:
    rolled_over(bench)
    found = verify(bench.export(), bench.archive("a", bench.station.seal_many(3)))
    assert (found.code, found.verified, found.refusals) == (1, [2], ["key-expired"])


def test_a_rollover_that_the_old_key_did_not_sign(bench: Bench, verify: Any) -> None:
    rolled_over(bench)
    entries = bench.registry.entries()
    (rollover,) = (one for one in entries if one["type"] == "rollover")
    rollover["statement"] = statement(private_key(6), private_key(6)).hex()
    relinked(entries)
    trust = bench.path / "forged.json"
    trust.write_bytes(sign(entries, OPERATOR))  # the operator alone cannot name a successor
    found = verify(trust, bench.archive("a", bench.station.seal_many(1)))
    assert found.code == 1 and "trust-rollover" in found.err


def relinked(entries: list[dict[str, Any]]) -> None:
    """Make the chain of hashes hang together again."""
    for before, after in pairwise(entries):
        after["previous"] = entry_hash(before)
        if "of_hash" in after:
            after["of_hash"] = entry_hash(entries[after["of"] - 1])
            after.pop("signatures", None)


def test_cloned_board_with_a_chain_of_its_own(bench: Bench, verify: Any) -> None:
    bench.countersign_all()
    clone = Station(chain=b"x" * 16)
    first = bench.archive("first", bench.station.seal_many(3))
    second = bench.archive("second", clone.seal_many(3))
    found = verify(bench.export(), first, second)
    assert (found.code, found.verified) == (1, [3, 0])
    assert "chain-restart" in found.refusals


def test_cloned_board_that_goes_on_with_the_same_chain(bench: Bench, verify: Any) -> None:
    bench.countersign_all()
    first = bench.station.seal_many(3)
    clone = Station()
    clone.seal_many(2)
    other = [clone.seal(power=900.0), clone.seal()]
    found = verify(bench.export(), bench.archive("a", first), bench.archive("b", other))
    assert found.code == 1
    assert "chain-fork" in found.refusals


def test_the_registry_refuses_a_clone(bench: Bench) -> None:
    again = bench.enrolment(bench.station) | {"station": "kampot-2"}
    assert code_of(bench.acts.enter, ("enrol", again)) == "device-known"


def test_board_replaced(bench: Bench, verify: Any) -> None:
    new = Station(key_number=7, chain=b"r" * 16)
    bench.acts.replace_device(bench.id, bench.enrolment(new), bench.end_of(2))
    bench.countersign_all()
    old = bench.station.seal_many(3)
    new.mono_ms = bench.station.mono_ms
    good = verify(
        bench.export(), bench.archive("old", old[:2]), bench.archive("new", new.seal_many(2))
    )
    assert (good.code, good.verified, good.findings) == (0, [2, 2], set())
    late = verify(bench.export(), bench.archive("late", old))
    assert (late.code, late.refusals) == (1, ["key-expired"])
    early = Station(key_number=7, chain=b"r" * 16)
    found = verify(bench.export(), bench.archive("early", early.seal_many(1)))
    assert (found.code, found.refusals) == (1, ["key-expired"])


def test_meter_replaced(bench: Bench, verify: Any) -> None:
    station = bench.station
    batches = station.seal_many(2)
    payload = station.payload()
    payload[12][0][3] = [[3, 0xFC00, b"\x09\x09\x09\x09"]]
    batches.append(station.close(payload))
    bench.acts.replace_meter(removal(), installation(bench.id, serial="2"))
    bench.countersign_all()
    found = verify(bench.export(), bench.archive("a", batches))
    assert (found.code, found.verified) == (0, [3])
    assert found.findings == {"meter-changed"}


def test_not_countersigned(bench: Bench, verify: Any) -> None:
    archive = bench.archive("a", bench.station.seal_many(2))
    trust = bench.export()
    found = verify(trust, archive)
    assert (found.code, found.verified, found.findings) == (0, [2], {"not-countersigned"})
    assert refused_by_the_report(trust, archive) == "not-countersigned"
    bench.countersign_all()
    trust = bench.export()
    assert verify(trust, archive).findings == set()
    assert refused_by_the_report(trust, archive) is None


def refused_by_the_report(trust: Path, archive: Path, simulated: bool = False) -> str | None:
    """Code with which the policy of reports refuses the first batch of an archive."""
    from meterseal.verify.sources import pieces_of_file

    verifier = Verifier(
        trust=parse_trust(trust.read_bytes(), [ANCHOR]),
        policy=ReportPolicy(simulated),
        totals=TOTALS,
    )
    try:
        verifier.verify(next(iter(pieces_of_file(archive))).raw)
    except PolicyRefused as refusal:
        return refusal.code
    return None


def test_the_operators_own_countersignature_counts_for_nothing(bench: Bench, verify: Any) -> None:
    from meterseal.trust_write import countersign

    entries = bench.registry.entries()
    countersign(entries, 2, OPERATOR, "2026-08-24T00:00:00Z")
    trust = bench.path / "trust.json"
    trust.write_bytes(sign(entries, OPERATOR))
    found = verify(trust, bench.archive("a", bench.station.seal_many(1)))
    assert found.findings == {"not-countersigned"}


def test_people_read_that_nobody_countersigned(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = bench.archive("a", bench.station.seal_many(1))
    with pytest.raises(SystemExit) as leaving:
        main(["verify", str(archive), "--trust", str(bench.export()), "--anchor", ANCHOR])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.endswith("VERIFIED. NOT COUNTERSIGNED: see above.\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kampot-1"', b'"kampot-2"'),
        (b'"software"', b'"secure-element"'),
        (b'"rated_w": 7400', b'"rated_w": 9900'),
    ],
)
def test_entry_altered(bench: Bench, verify: Any, old: bytes, new: bytes) -> None:
    bench.countersign_all()
    trust = bench.export()
    assert old in trust.read_bytes()
    trust.write_bytes(trust.read_bytes().replace(old, new))
    found = verify(trust, bench.archive("a", bench.station.seal_many(1)))
    assert found.code == 1 and "trust-chain" in found.err


def test_altered_and_signed_again_by_a_stranger(bench: Bench, verify: Any) -> None:
    bench.countersign_all()
    entries = bench.registry.entries()
    entries[0]["name"] = "Somewhere else"
    relinked(entries)
    stranger = private_key(666)
    archive = bench.archive("a", bench.station.seal_many(1))
    trust = bench.path / "stranger.json"
    trust.write_bytes(sign(entries, stranger))
    found = verify(trust, archive)
    assert found.code == 1 and "trust-anchor" in found.err
    unanchored = verify(trust, archive, anchor="")
    assert unanchored.code == 0 and not unanchored.found["anchored"]
    assert "unanchored" in unanchored.findings and "UNANCHORED" in unanchored.err


def test_simulated(bench: Bench, verify: Any) -> None:
    simulated = Station(key_number=8, chain=b"s" * 16)
    bench.acts.enter(("enrol", bench.enrolment(simulated, "sim")))
    bench.countersign_all()
    archive = bench.archive("sim", [simulated.close(simulated.payload() | {11: 0})])
    trust = bench.export()
    found = verify(trust, archive)
    assert (found.code, found.verified, found.findings) == (0, [1], {"key-simulated"})
    assert refused_by_the_report(trust, archive) == "key-simulated"
    assert refused_by_the_report(trust, archive, simulated=True) is None


def test_simulated_but_enrolled_as_a_real_one(bench: Bench, verify: Any) -> None:
    bench.countersign_all()
    raw = bench.station.close(bench.station.payload() | {11: 0})
    found = verify(bench.export(), bench.archive("sim", [raw]))
    assert (found.code, found.refusals) == (1, ["key-class-mismatch"])
