"""`meterseal keys` and `meterseal devices` as people run them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from meterseal.cli.main import main
from meterseal.registry.acts import enrol_fields
from meterseal.trust import parse_trust
from support.registry import STATION, installation, proof, removal, statement
from support.sealed import kid_of, private_key, public_bytes

OLD, NEW = private_key(31), private_key(32)
ID, NEW_ID = kid_of(OLD).hex(), kid_of(NEW).hex()
PASSPHRASE = "correct horse"


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


class Desk:
    """A directory with keys, fact files and a registry; `run` is the command line."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self._capsys = path, capsys

    def run(self, *arguments: Any) -> Result:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(one) for one in arguments])
        captured = self._capsys.readouterr()
        return Result(int(leaving.value.code or 0), captured.out, captured.err)

    def done(self, *arguments: Any) -> Any:
        result = self.run(*arguments, "--json")
        assert result.code == 0, result.err
        return json.loads(result.out)

    def file(self, name: str, content: Any) -> Path:
        path = self.path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    monkeypatch.setenv("METERSEAL_REGISTRY", str(tmp_path / "registry.sqlite"))
    monkeypatch.delenv("METERSEAL_PASSPHRASE", raising=False)
    return Desk(tmp_path, capsys)


@pytest.fixture
def begun(desk: Desk) -> Desk:
    """Both roles' keys, and a registry with a station, a device and a meter."""
    for role in ("operator", "second"):
        desk.done("keys", "make", role, "--out", desk.path)
    facts = [
        {"type": "station"} | STATION,
        {"type": "enrol"} | enrol_fields(public_bytes(OLD), "kampot-1", "software", **proof(OLD)),
        {"type": "meter-install"} | installation(ID),
    ]
    desk.done("devices", "add", desk.file("facts.json", facts), "--by", "S. Chan")
    return desk


def test_keys_are_made_once_and_have_one_fingerprint(desk: Desk) -> None:
    made = desk.done("keys", "make", "operator", "--out", desk.path)
    for name in ("private_key", "public_key"):
        assert desk.done("keys", "show", made[name])["fingerprint"] == made["fingerprint"]
    assert Path(made["private_key"]).stat().st_mode & 0o077 == 0
    before = Path(made["private_key"]).read_bytes()
    again = desk.run("keys", "make", "operator", "--out", desk.path)
    assert again.code == 3 and "key-exists" in again.err
    assert Path(made["private_key"]).read_bytes() == before
    assert desk.run("keys", "make", "king").code == 2


def test_a_key_with_passphrase(desk: Desk) -> None:
    secret = desk.path / "passphrase.txt"
    secret.write_text(PASSPHRASE + "\n", encoding="utf-8")
    made = desk.done("keys", "make", "owner", "--out", desk.path, "--passphrase-file", secret)
    key = made["private_key"]
    assert b"ENCRYPTED" in Path(key).read_bytes()
    refused = desk.run("keys", "show", key)
    assert refused.code == 1 and "key-passphrase" in refused.err
    assert desk.done("keys", "show", key, "--passphrase-file", secret)["file"] == key
    secret.write_text("wrong horse", encoding="utf-8")
    assert "key-passphrase" in desk.run("keys", "show", key, "--passphrase-file", secret).err
    secret.write_text("short", encoding="utf-8")
    short = desk.run("keys", "make", "second", "--out", desk.path, "--passphrase-file", secret)
    assert short.code == 1 and "key-passphrase" in short.err


def test_a_life_on_the_command_line(begun: Desk) -> None:
    waiting = begun.done("devices", "list", "--waiting")
    assert [one["n"] for one in waiting] == [1, 2, 3]
    second = begun.path / "second.key"
    for number in (2, 3):
        begun.done("devices", "countersign", number, "--second-key", second)
    old, new = (begun.file(f"{n}.json", one) for n, one in enumerate(meter_change()))
    begun.done("devices", "replace-meter", old, new)
    begun.done("devices", "relabel", ID, "kampot-2")
    begun.done("devices", "undo", 8)
    new_fields = enrol_fields(public_bytes(NEW), "kampot-1", "software", **proof(NEW))
    enrolment = begun.file("new.json", new_fields)
    signed = begun.path / "statement.cose"
    signed.write_bytes(statement(OLD, NEW))
    begun.done("devices", "rollover", ID, enrolment, signed, "--since", "2026-05-01T00:00:00Z")
    shown = begun.done("devices", "show", ID)
    assert (shown["status"], shown["successor"], shown["station"]) == (
        "retired",
        NEW_ID,
        "kampot-1",
    )
    begun.done("devices", "revoke", ID, "--reason", "found in a market")
    begun.done("devices", "retire", NEW_ID)
    rows = {one["device_id"]: one["status"] for one in begun.done("devices", "list")}
    assert rows == {ID: "revoked", NEW_ID: "retired"}


def meter_change() -> tuple[dict[str, Any], dict[str, Any]]:
    return removal(), installation(ID, serial="2")


def test_the_export_is_taken_by_verify(begun: Desk) -> None:
    out, key = begun.path / "trust.json", begun.path / "operator.key"
    made = begun.done("devices", "export", "--out", out, "--operator-key", key)
    assert (made["entries"], made["waiting"]) == (3, 3)
    trust = parse_trust(out.read_bytes(), made["operators"])
    assert trust.anchored and ID in {kid.hex() for kid in trust.keys}
    begun.done("devices", "relabel", ID, "kampot-3")
    begun.done("devices", "export", "--out", out, "--operator-key", key)
    (begun.path / "registry.sqlite").unlink()
    begun.done("devices", "add", begun.file("station.json", {"type": "station"} | STATION))
    again = begun.run("devices", "export", "--out", out, "--operator-key", key)
    assert again.code == 1 and "registry-rewritten" in again.err
    assert parse_trust(out.read_bytes()).keys


def test_a_laptop_hands_in_later(begun: Desk) -> None:
    central = begun.path / "central.sqlite"
    source = begun.path / "registry.sqlite"
    first = begun.done("devices", "sync", source, "--registry", central)[str(source)]
    assert len(first["made"]) == 3
    again = begun.done("devices", "sync", source, "--registry", central)[str(source)]
    assert again["made"] == [] and again["present"] == 3
    missing = begun.run("devices", "sync", begun.path / "none.sqlite", "--registry", central)
    assert missing.code == 3 and "registry-missing" in missing.err


def test_tables_for_people(begun: Desk) -> None:
    listed = begun.run("devices", "list").out
    assert ID in listed and "in-service" in listed
    shown = begun.run("devices", "show", ID).out
    assert "countersigned: no" in shown and "meter: Eastron 1, unit 1, connector" in shown
    assert "entry 2:" in shown and "by S. Chan" in shown
    assert "Eastron 1" in begun.run("devices", "list", "--waiting").out
    text = begun.run("devices", "relabel", ID, "kampot-2").err
    assert "OK: entry 4: relabel" in text


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("list", "--registry", "nowhere.sqlite"), 3, "registry-missing"),
        (("show", "00" * 8), 1, "device-unknown"),
        (("add", "nowhere.json"), 3, "file-unreadable"),
        (("countersign", "2", "--second-key", "nowhere.key"), 3, "key-unreadable"),
        (("revoke", ID), 2, "--reason"),
        (("revoke", ID, "--reason", "x", "--since", "yesterday"), 1, "entry-field"),
        (("undo", "3"), 1, "registry-no-undo"),
        (("relabel", "zz", "kampot-2"), 1, "entry-field"),
    ],
)
def test_refusals(begun: Desk, arguments: tuple[str, ...], code: int, text: str) -> None:
    result = begun.run("devices", *arguments)
    assert result.code == code and text in result.err


@pytest.mark.parametrize("content", ["{", "[1]", "{}", '{"facts": [1]}'])
def test_fact_files_that_are_none(begun: Desk, content: str) -> None:
    path = begun.path / "bad.json"
    path.write_text(content, encoding="utf-8")
    result = begun.run("devices", "add", path)
    assert result.code == 1 and "facts-format" in result.err


def test_nobody_is_enrolled_without_proof(begun: Desk) -> None:
    """No proof, the proof of another key, a key class that the board did not sign."""
    fields = enrol_fields(public_bytes(NEW), "kampot-1", "software")
    for wrong in (fields, fields | proof(OLD), fields | proof(NEW, "secure-element")):
        fact = {"type": "enrol", "at": "", "by": "", "fields": wrong}
        facts = {"format": "meterseal-facts", "facts": [fact]}
        file, plain = begun.file("facts.json", facts), begun.file("plain.json", wrong)
        for arguments in (
            ("sync", file),
            ("add", file),
            ("replace-device", ID, plain),
            ("replace-device", ID, file),
        ):
            refused = begun.run("devices", *arguments)
            assert refused.code == 1 and "possession-proof" in refused.err, arguments
    assert len(begun.done("devices", "list")) == 1


def test_a_board_is_replaced_by_what_provisioning_wrote(begun: Desk) -> None:
    fields = enrol_fields(public_bytes(NEW), "kampot-1", "software", **proof(NEW))
    fact = {"type": "enrol", "at": "", "by": "", "fields": fields}
    facts = begun.file("facts.json", {"format": "meterseal-facts", "facts": [fact]})
    begun.done("devices", "replace-device", ID, facts)
    assert begun.done("devices", "show", ID)["successor"] == NEW_ID


def test_somebody_has_done_it(begun: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system without a user database."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "pwd", None)
    refused = begun.run("devices", "relabel", ID, "kampot-2")
    assert refused.code == 1 and "by-missing" in refused.err
    begun.done("devices", "relabel", ID, "kampot-2", "--by", "S. Chan")
