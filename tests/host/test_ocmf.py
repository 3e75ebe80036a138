"""OCMF on the host: records read strictly, agreement with sealed registers, exports, no names."""

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from meterseal.cli.main import main
from meterseal.errors import VerificationError
from meterseal.ocmf.ledger import Ledger
from meterseal.ocmf.record import check_signature, read
from meterseal.trust import load_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.totals import ProfileTotals
from pyocmf import OCMF
from support.ocmf_foreign import tampered
from support.session_files import WHO, SessionFiles


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SessionFiles:
    return SessionFiles(tmp_path_factory.mktemp("sessions"))


@pytest.fixture(scope="module")
def ledger(made: SessionFiles) -> Ledger:
    return taken(made, made.batches)


def taken(made: SessionFiles, batches: list[bytes]) -> Ledger:
    totals = ProfileTotals.load(made.profiles)
    verifier = Verifier(trust=load_trust(made.trust, []), policy=Standard(), totals=totals)
    found = Ledger(verifier.trust.keys, totals)
    for batch in batches:
        found.take(verifier.verify(batch))
    return found


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    return int(left.value.code or 0)


def export(made: SessionFiles, out: Path) -> int:
    command = ("export", "ocmf", made.archive, "--trust", made.trust)
    return run(*command, "--profiles", made.profiles, "--out", out)


def test_records_agree_with_the_sealed_registers(ledger: Ledger) -> None:
    sessions = [one for one in ledger.checked if one.record.is_session]
    assert len(sessions) == 3
    assert len(ledger.checked) > 4
    assert ledger.good
    assert [one.findings for one in ledger.checked] == [()] * len(ledger.checked)
    for one in sessions:
        first, last = one.record.readings
        assert first.rv_kwh is not None and last.rv_kwh is not None
        assert last.rv_kwh > first.rv_kwh
        assert (first.place, last.place, len(one.record.user)) == ("B", "E", 32)


def test_tampered_copies_are_refused(ledger: Ledger) -> None:
    for one in ledger.checked:
        for copy in tampered(one.record.text):
            with pytest.raises(VerificationError) as refused:
                check_signature(read(copy), one.public_key)
            assert refused.value.code in ("ocmf-signature", "ocmf-malformed")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OCMF",
        "OCMF|{}|{}",
        "OCMF|[]|{}",
        "ocmf|{}|{}",
        "OCMF|{}|{}|04",
        'OCMF|{"PG":"T01"}|{"SD":"00"}',
        "OCMF|" + "[" * 5000 + "|{}",
        "OCMF|{\u00e9}|{}",
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(VerificationError) as refused:
        read(text)
    assert refused.value.code == "ocmf-malformed"


def test_a_key_twice_is_refused(ledger: Ledger) -> None:
    text = ledger.checked[0].record.text.replace('{"FV":"1.3",', '{"FV":"1.3","FV":"1.3",')
    with pytest.raises(VerificationError) as refused:
        read(text)
    assert refused.value.code == "ocmf-malformed"


def test_a_page_that_is_missing_or_comes_again(made: SessionFiles) -> None:
    """The records of one batch are told to the ledger as if they were another's."""
    verifier = Verifier(
        trust=load_trust(made.trust, []),
        policy=Standard(),
        totals=ProfileTotals.load(made.profiles),
    )
    batches = [verifier.verify(one) for one in made.batches]
    holding = [one for one in batches if 18 in one.contents.extra]
    found = Ledger(verifier.trust.keys, verifier.totals)
    for batch in (holding[0], holding[-1], holding[0]):
        found.take(batch)
    codes = {finding.code for one in found.checked for finding in one.findings}
    assert {"ocmf-page-gap", "ocmf-page-repeated"} <= codes
    assert not found.good


def judged(made: SessionFiles, old: str, new: str) -> list[str]:
    """Codes of what is found, or refused, if the board's key had signed another record."""
    found, totals = [], ProfileTotals.load(made.profiles)
    verifier = Verifier(trust=load_trust(made.trust, []), policy=Standard(), totals=totals)
    ledger = Ledger(verifier.trust.keys, totals)
    for raw in made.batches:
        batch = verifier.verify(raw)
        records = batch.contents.extra.get(18, [])
        batch.contents.extra[18] = [new if one == old else one for one in records]
        ledger.take(batch)
    found += [finding.code for one in ledger.checked for finding in one.findings]
    assert ledger.good == (not found and not ledger.refused)
    return found + [refusal.code for _, refusal in ledger.refused]


def later(payload: dict[str, Any]) -> None:
    for one in payload["RD"]:
        one["TM"] = "2031-" + one["TM"][5:-1] + "S"


def lower(payload: dict[str, Any]) -> None:
    payload["RD"][0]["RV"] -= 1


def before(payload: dict[str, Any]) -> None:
    """Sold once more what the session before sold."""
    payload["RD"][0] |= {"RV": payload["RD"][0]["RV"] - 50}


def swapped(payload: dict[str, Any]) -> None:
    first, last = payload["RD"]
    first["TX"], last["TX"] = last["TX"], first["TX"]


LIES: dict[str, tuple[Callable[[dict[str, Any]], None], set[str]]] = {
    "register": (lower, {"ocmf-register", "ocmf-overlap"}),
    "another session's energy": (before, {"ocmf-register", "ocmf-overlap"}),
    "time": (later, {"ocmf-time"}),
    "begin and end": (swapped, {"ocmf-order"}),
    "two begins": (lambda p: p["RD"][1].update(TX="B"), {"ocmf-order"}),
    "no end": (lambda p: (p["RD"].pop(), p.update(US=p["US"].split()[0])), {"ocmf-order"}),
    "falling": (lambda p: p["RD"].reverse(), {"ocmf-order"}),
    "meter": (lambda p: p.update(MS="4711"), {"ocmf-meter"}),
    "gateway": (lambda p: p.update(GS="00" * 8), {"ocmf-gateway"}),
    "no sealed reading named": (lambda p: p.pop("US"), {"ocmf-unbacked"}),
    "unit": (lambda p: p["RD"][0].update(RU="Wh"), {"ocmf-malformed"}),
    "export register": (lambda p: p["RD"][0].update(RI="01-00:C0.08.00*FF"), {"ocmf-malformed"}),
    "page as number": (lambda p: p.update(PG=1), {"ocmf-malformed"}),
    "page of 5,000 digits": (lambda p: p.update(PG="T" + "1" * 5000), {"ocmf-malformed"}),
    "gateway as number": (lambda p: p.update(GS=1), {"ocmf-malformed"}),
    "idle as word": (lambda p: p.update(UI="abc"), {"ocmf-malformed"}),
    "time as number": (lambda p: p["RD"][0].update(TM=1), {"ocmf-malformed"}),
    "no such day": (
        lambda p: p["RD"][0].update(TM="2026-02-30T00:00:00,000+0000 S"),
        {"ocmf-malformed"},
    ),
    "connector as number": (lambda p: p.update(CI=1), {"ocmf-malformed"}),
    "readings as text": (lambda p: p.update(RD="abc"), {"ocmf-malformed"}),
    "sequences as words": (lambda p: p.update(US="a b"), {"ocmf-malformed"}),
    "below zero": (lambda p: p["RD"][0].update(RV=-1), {"ocmf-malformed"}),
}


@pytest.mark.parametrize("name", LIES)
def test_what_the_boards_key_signed_against_the_chain(
    name: str, made: SessionFiles, ledger: Ledger
) -> None:
    """Whoever has the key can sign anything; the second session is another than was sealed."""
    change, codes = LIES[name]
    old = [one for one in ledger.checked if one.record.is_session][1].record.text
    payload = json.loads(old.split("|")[1])
    change(payload)
    found = judged(made, old, resigned(made, json.dumps(payload)))
    assert codes <= set(found), found


def test_digits_without_end_are_refused(made: SessionFiles, ledger: Ledger) -> None:
    session = next(one for one in ledger.checked if one.record.is_session)
    value = session.record.readings[0].rv_kwh
    text = session.record.text.split("|")[1]
    for digits in ("1E9999999", "1E-9999999", "NaN", "Infinity", "9" * 400):
        lied = text.replace(f'"RV":{value}', f'"RV":{digits}')
        assert "ocmf-malformed" in judged(made, session.record.text, resigned(made, lied))


def test_without_the_profile_nothing_is_called_proven(made: SessionFiles) -> None:
    totals = ProfileTotals({})
    verifier = Verifier(trust=load_trust(made.trust, []), policy=Standard(), totals=totals)
    found = Ledger(verifier.trust.keys, totals)
    for batch in made.batches:
        found.take(verifier.verify(batch))
    assert found.good and {one.verdict for one in found.checked} == {"not compared"}


def resigned(made: SessionFiles, payload: str) -> str:
    """A record over another payload by the board's own key."""
    from agent import ocmf

    return ocmf.signed(payload, made.app.signer)


def test_export(made: SessionFiles, tmp_path: Path) -> None:
    assert export(made, tmp_path / "out") == 0
    records = (tmp_path / "out" / "records.ocmf").read_text().splitlines()
    for path in sorted((tmp_path / "out").glob("*.xml")):
        value = ElementTree.parse(path).getroot().find("value")
        assert value is not None
        assert value.attrib == {}
        data, key = value.find("signedData"), value.find("publicKey")
        assert data is not None and data.attrib == {"format": "OCMF", "encoding": "plain"}
        assert data.text in records
        assert key is not None and len(bytes.fromhex(key.text or "")) == 91
        assert OCMF.from_string(data.text or "", strict=True).verify_signature(key.text)
    rows = list(csv.DictReader((tmp_path / "out" / "sessions.csv").open()))
    assert [row["page"] for row in rows] == ["T1", "T2", "T3"]
    assert {row["checked"] for row in rows} == {"proven"}
    values = json.loads((tmp_path / "out" / "ocpp.json").read_text())
    signed = [one["sampledValue"][0]["signedMeterValue"] for one in values]
    assert [one["encodingMethod"] for one in signed] == ["OCMF"] * 3
    assert all(len(one["signedMeterData"]) < 2500 for one in signed)


def test_export_stops_at_what_is_altered(made: SessionFiles, tmp_path: Path) -> None:
    altered = bytearray(made.archive.read_bytes())
    altered[altered.index(b"OCMF|") + 20] ^= 1
    (tmp_path / "bad.cborseq").write_bytes(altered)
    command = ("export", "ocmf", tmp_path / "bad.cborseq", "--trust", made.trust)
    assert run(*command, "--profiles", made.profiles, "--out", tmp_path / "out") == 1


def test_verify_reports_sessions(made: SessionFiles, capfd: pytest.CaptureFixture[str]) -> None:
    command = ("verify", made.archive, "--trust", made.trust, "--profiles", made.profiles)
    assert run(*command, "--json") == 0
    out = capfd.readouterr()
    assert json.loads(out.out)["ocmf"]["good"] is True
    assert run(*command) == 0
    assert "OK: OCMF: 3 sessions" in capfd.readouterr().err


def forms(who: str) -> list[bytes]:
    """An identifier as it might stand somewhere, base64 in every alignment included."""
    plain = who.encode()
    texts = (who, who.lower(), plain.hex(), plain.hex().upper(), json.dumps(who)[1:-1])
    shifted = [base64.b64encode(bytes(n) + plain)[4 * (n > 0) : -4] for n in range(3)]
    return [*(one.encode() for one in texts), plain[::-1], *shifted]


def test_no_identifier_in_plain_form(made: SessionFiles, tmp_path: Path) -> None:
    """Chain, flash, state store, exports: the drivers' names are nowhere."""
    out = tmp_path / "out"
    (out).mkdir()
    stale = out / ("ab" * 8 + "-T9.xml")
    stale.write_text(WHO[0])
    assert export(made, out) == 0
    assert not stale.exists()
    places = {path.name: path.read_bytes() for path in out.iterdir()}
    for number, one in enumerate(json.loads(places["ocpp.json"])):
        signed = one["sampledValue"][0]["signedMeterValue"]["signedMeterData"]
        places[f"signedMeterData {number}"] = base64.b64decode(signed)
    places["chain"] = b"".join(made.batches)
    places["flash"] = bytes(made.board.flash.image)
    places["store"] = b"".join(bytes(blob) for blob in made.board.store.blobs.values())
    assert len(places) > 11
    for who in WHO:
        for form in forms(who):
            assert not [name for name, content in places.items() if form in content], form


def test_the_search_would_find_a_name() -> None:
    """Wherever in a base64 text it stands."""
    for lead in range(5):
        hidden = base64.b64encode(b"x" * lead + WHO[1].encode() + b"yz")
        assert any(form in hidden for form in forms(WHO[1]))
