"""`meterseal verify` as people run it: exit codes, verdict lines, tables, JSON, help."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from meterseal import __version__, trust_write
from meterseal.cli.main import VERBS, main
from meterseal.trust_keys import fingerprint
from support.sealed import private_key, public_bytes
from support.station import Station

OPERATOR, SECOND = private_key(1001), private_key(1002)
ANCHOR = fingerprint(public_bytes(OPERATOR))
AT = "2026-01-31T08:00:00Z"


class Files:
    """A directory with an archive, a trust file and the operator's key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.station = Station()
        self.batches = self.station.seal_many(4)
        self.archive = self.write("archive.cborseq", *self.batches)
        self.trust = path / "trust.json"
        self.write_trust(self.station)
        self.operator = path / "operator.pem"
        pem = OPERATOR.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.operator.write_bytes(pem)

    def write(self, name: str, *batches: bytes) -> str:
        (self.path / name).write_bytes(b"".join(batches))
        return str(self.path / name)

    def write_trust(self, *stations: Station) -> None:
        entries: list[dict[str, Any]] = []
        for station in stations:
            public = station.trusted.public_key
            name = station.trusted.station
            enrolled = trust_write.enrol(entries, public, name, "software", AT)
            trust_write.countersign(entries, enrolled["n"], SECOND, AT)
        self.trust.write_bytes(trust_write.sign(entries, OPERATOR))


@pytest.fixture
def made(tmp_path: Path) -> Files:
    return Files(tmp_path)


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process; exit code and what it wrote."""

    def call(*arguments: Any) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(one) for one in arguments])
        captured = capsys.readouterr()
        return Result(int(leaving.value.code or 0), captured.out, captured.err)

    return call


def test_an_archive_that_is_right(made: Files, run: Any) -> None:
    result = run("verify", made.archive, "--trust", made.trust, "--anchor", made.operator)
    assert result.code == 0
    assert f"OK: {made.archive}: 4 batches verified\n" in result.err
    assert "batches 1 to 4" in result.err
    assert result.out.endswith("VERIFIED.\n")
    row = next(line for line in result.out.splitlines() if made.station.trusted.kid.hex() in line)
    cells = "test 63636363 1 to 4 20 nothing 0.379997 0.000000"
    assert row.split()[1:] == cells.split()


def test_without_anchor_the_verdict_says_so(made: Files, run: Any) -> None:
    result = run("verify", made.archive, "--trust", made.trust)
    assert result.code == 0
    assert "(UNANCHORED)" in result.err
    assert "VERIFIED. UNANCHORED" in result.out


def test_one_changed_byte(made: Files, run: Any) -> None:
    data = bytearray(b"".join(made.batches))
    at = len(made.batches[0]) + 100
    data[at] ^= 1
    archive = made.write("tampered.cborseq", bytes(data))
    result = run("verify", archive, "--trust", made.trust, "--anchor", ANCHOR)
    assert result.code == 1
    assert f"FAIL: {archive}: 3 batches verified, 1 refused" in result.err
    assert f"at byte {len(made.batches[0])}: signature-invalid" in result.err
    assert "chain-gap: batches 2 are missing" in result.err
    assert "FAILED" in result.out


def test_result_for_machines(made: Files, run: Any) -> None:
    result = run("verify", made.archive, "--trust", made.trust, "--anchor", ANCHOR, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["verdict"] == "verified" and found["anchored"] is True
    assert found["operator"] == ANCHOR
    assert [one["verified"] for one in found["files"]] == [4]
    (device,) = found["devices"]
    assert device["device"] == made.station.trusted.kid.hex()
    assert device["findings"] == []
    (chain,) = device["chains"]
    assert (chain["first_number"], chain["last_number"], chain["readings"]) == (1, 4, 20)
    assert chain["last_hash"] == made.station.previous.hex()
    (meter,) = device["meters"]
    assert meter["energy_import_mwh"] == 379_997 and meter["across_gaps_mwh"] == 0
    assert meter["profile"] == "eastron-sdm120"


def test_refusals_for_machines_say_what_to_do(made: Files, run: Any) -> None:
    stranger = Station(key_number=77)
    archive = made.write("strange.cbor", stranger.seal())
    result = run("verify", archive, "--trust", made.trust, "--json")
    assert result.code == 1
    (refusal,) = json.loads(result.out)["files"][0]["refusals"]
    assert refusal["code"] == "key-unknown"
    assert stranger.trusted.kid.hex() in refusal["text"]
    assert "trust file" in refusal["remedy"]


def test_directory_of_single_batches(made: Files, run: Any) -> None:
    folder = made.path / "batches"
    folder.mkdir()
    for number, batch in enumerate(made.batches):
        (folder / f"{number:04}.cbor").write_bytes(batch)
    result = run("verify", folder, "--trust", made.trust, "--anchor", ANCHOR)
    assert result.code == 0
    assert result.err.count("1 batches verified") == 4


def test_the_same_file_twice_is_harmless(made: Files, run: Any) -> None:
    result = run("verify", made.archive, made.archive, "--trust", made.trust)
    assert result.code == 0
    assert "0 batches verified, 4 known already" in result.err


def test_state_is_taken_up(made: Files, run: Any) -> None:
    options = ("--trust", made.trust, "--anchor", ANCHOR, "--state", made.path / "state.json")
    first = made.write("first.cborseq", *made.batches[:2])
    second = made.write("second.cborseq", *made.batches[2:])
    assert run("verify", first, *options).code == 0
    result = run("verify", second, *options)
    assert result.code == 0
    assert "batches 1 to 4" in result.err and "chain-start" not in result.out


def test_nothing_to_verify_is_not_verified(made: Files, run: Any) -> None:
    empty = made.path / "empty"
    empty.mkdir()
    result = run("verify", empty, "--trust", made.trust)
    assert result.code == 1 and "no file" in result.out
    assert run("verify", made.write("nothing.cbor"), "--trust", made.trust).code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "Missing"),
        (("ARCHIVE",), 2, "--trust"),
        (("ARCHIVE", "--trust", "TRUST", "--unknown"), 2, "--unknown"),
        (("NOTHING", "--trust", "TRUST"), 3, "input-unreadable"),
        (("ARCHIVE", "--trust", "NOTHING"), 3, "trust-unreadable"),
        (("ARCHIVE", "--trust", "ARCHIVE"), 1, "trust-json"),
        (("ARCHIVE", "--trust", "TRUST", "--anchor", "00" * 32), 1, "trust-anchor"),
        (("ARCHIVE", "--trust", "TRUST", "--anchor", "NOTHING"), 3, "anchor-unreadable"),
        (("ARCHIVE", "--trust", "TRUST", "--state", "ARCHIVE"), 1, "state-format"),
    ],
)
def test_exit_codes(
    made: Files, run: Any, arguments: tuple[str, ...], code: int, text: str
) -> None:
    known = {"ARCHIVE": made.archive, "TRUST": made.trust, "NOTHING": made.path / "none"}
    result = run("verify", *(known.get(one, one) for one in arguments))
    assert result.code == code
    assert text in result.err


def test_trust_file_altered_by_one_letter(made: Files, run: Any) -> None:
    made.trust.write_bytes(made.trust.read_bytes().replace(b'"test"', b'"tost"'))
    result = run("verify", made.archive, "--trust", made.trust)
    assert result.code == 1 and "trust-chain" in result.err


def test_help_and_version(run: Any) -> None:
    assert run("--version").out == f"meterseal {__version__}\n"
    assert "Exit code 0" in run("verify", "--help").out
    result = run("--help")
    assert result.code == 0
    assert all(f"  {verb} " in result.out for verb in VERBS)
    assert run().code == 2
    assert run("nonsense").code == 2


def test_only_what_a_verb_needs_is_imported() -> None:
    """`--version` must not load the arrays, the database or the web server."""
    program = (
        "import sys\n"
        "from meterseal.cli.main import build_app\n"
        "build_app(['verify'])\n"
        "print([m for m in ('numpy', 'sqlalchemy', 'fastapi', 'pymodbus') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_countersignature_counts_by_the_second_role_that_is_known(made: Files, run: Any) -> None:
    """Whoever made the trust file may have made the second key as well."""
    options = made.archive, "--trust", made.trust, "--anchor", ANCHOR, "--json"
    for second, waiting in ((fingerprint(public_bytes(SECOND)), False), ("ab" * 32, True)):
        found = run("verify", *options, "--second-anchor", second)
        codes = json.dumps(json.loads(found.out)["devices"])
        assert ("not-countersigned" in codes) is waiting, found.err
