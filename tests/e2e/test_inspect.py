"""`meterseal inspect` by mpremote's transport on the real firmware, which goes on sampling."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.models import KEY_CLASSES
from meterseal.onsite.cable import open_cable
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import public_bytes
from meterseal.verify import Standard, Verifier
from meterseal.verify.sources import pieces_of_file
from meterseal.verify.totals import ProfileTotals
from support.console_station import ConsoleStation, running

NONCE = "00112233445566778899aabbccddeeff"


def inspect(station: ConsoleStation, *options: str) -> dict[str, Any]:
    """What the command says about a station."""
    done = run(station.port, *options, "--json")
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"exit_code": done.returncode}


def run(port: str, *options: str) -> subprocess.CompletedProcess[str]:
    return meterseal("inspect", port, *options)


def meterseal(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meterseal", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def verifier(station: ConsoleStation) -> Verifier:
    identity = station.identity
    kid, public = bytes.fromhex(identity["device_id"]), bytes.fromhex(identity["public_key"])
    key = TrustedKey(kid, public, identity["key_class"], "bench")
    trust = Trust({kid: key}, "00", "00", True)
    return Verifier(trust=trust, policy=Standard(), totals=ProfileTotals.load(profiles_dir()))


def test_a_technician_looks_pulls_and_challenges_while_it_samples(tmp_path: Path) -> None:
    with running(tmp_path / "station") as station:
        first = inspect(station)
        assert first["device_id"] == station.identity["device_id"]
        assert first["key_class"] in KEY_CLASSES and first["missed_polls"] == 0
        assert [one["state"] for one in first["meters"]] == ["present"]
        checks = {one["name"]: one["good"] for one in first["check"]}
        wrong = [name for name in checks if not checks[name]]
        assert wrong == ["network", "tls", "collector", "acknowledged"]
        assert first["exit_code"] == 1  # a station without collector is not right

        answer = tmp_path / "challenge.cborseq"
        sealed = inspect(station, "--challenge", NONCE, "--out", str(answer))
        assert sealed["nonce"] == NONCE and sealed["exit_code"] == 0
        (register,) = sealed["registers"]
        assert register["energy_import_mwh"] >= 123_456_000

        journaled = tmp_path / "journal.cborseq"
        pulled = inspect(station, "--pull", str(journaled))
        assert sealed["batch"] in pulled["batches"]
        assert pulled["batches"] == list(range(1, len(pulled["batches"]) + 1))

        salvaged = tmp_path / "salvaged.cborseq"
        flash = station.directory / "flash.bin"
        done = meterseal("salvage", str(flash), "--out", str(salvaged))
        assert done.returncode == 0, done.stderr
        assert salvaged.read_bytes().startswith(journaled.read_bytes())

        last = inspect(station)
        assert last["boot"] == first["boot"] and last["next_sequence"] > first["next_sequence"]
        assert last["missed_polls"] == 0
        taken = verifier(station)
        batches = [piece.raw for piece in pieces_of_file(journaled)]
        assert answer.read_bytes() in batches
        found = [taken.verify(raw) for raw in batches]
        findings = {one.code for batch in found for one in batch.findings}
        assert findings <= {"key-simulated"}, findings
        nonces = [batch.contents.extra[21] for batch in found if 21 in batch.contents.extra]
        assert [[bytes(one[0]).hex() for one in group] for group in nonces] == [[NONCE]]


def test_nothing_secret_is_told(tmp_path: Path) -> None:
    with running(tmp_path / "station") as station:
        blob = (station.directory / "state" / "keystore").read_bytes()
        told = b""
        cable = open_cable(station.port)
        for question in ("state", "log", "check", "challenge " + NONCE, "pull 1"):
            told += b"".join(_bytes_in(value) for value in cable.ask(question, 200))
    private = blob[2:34]
    key = ec.derive_private_key(int.from_bytes(private), ec.SECP256R1())
    assert public_bytes(key).hex() == station.identity["public_key"]  # this is what is looked for
    encodings = (private, private.hex().encode(), base64.b64encode(private), private[::-1])
    assert len(told) > 1000 and len(set(private)) > 8
    assert not [one for one in encodings if one in told or one.upper() in told]


def _bytes_in(value: Any) -> bytes:
    """All bytes and texts of an answer, one behind the other."""
    if isinstance(value, dict):
        return b"".join(_bytes_in(one) for one in value.values())
    if isinstance(value, list | tuple):
        return b"".join(_bytes_in(one) for one in value)
    return value if isinstance(value, bytes) else str(value).encode()


def test_after_ctrl_c_the_board_is_the_technicians(tmp_path: Path) -> None:
    with running(tmp_path / "station") as station:
        inspect(station)
        station.break_in()
        assert station.process is not None
        assert station.process.wait(30) == 0  # an orderly end, not a trace and not a reset


def test_nothing_starts_in_safe_mode(tmp_path: Path) -> None:
    directory = tmp_path / "station"
    directory.mkdir()
    (directory / "safe_mode").touch()
    with running(directory) as station:
        assert station.process is not None
        assert station.process.wait(30) == 0
    assert not (directory / "flash.bin").exists()


def test_without_a_board_there_is_one_clear_sentence(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none"))
    assert done.returncode == 3 and "port-missing" in done.stderr and not done.stdout


def test_a_nonce_that_is_none() -> None:
    assert run("/dev/null", "--challenge", "xyz").returncode == 2
    assert run("/dev/null", "--challenge", "0011").returncode == 2
