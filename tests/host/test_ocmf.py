"""OCMF on the host: records read strictly, agreement with sealed registers, exports, no names."""

import csv
import json
from pathlib import Path
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


def test_a_register_that_is_not_the_sealed_one(made: SessionFiles, ledger: Ledger) -> None:
    """The same record, whose key signed another register than was sealed."""
    session = next(one for one in ledger.checked if one.record.is_session)
    begin = session.record.readings[0]
    assert begin.rv_kwh is not None
    text = session.record.text.split("|")[1]
    lied = text.replace(f'"RV":{begin.rv_kwh}', f'"RV":{begin.rv_kwh - 1}')
    signed = resigned(made, lied)
    verifier = Verifier(
        trust=load_trust(made.trust, []),
        policy=Standard(),
        totals=ProfileTotals.load(made.profiles),
    )
    found = Ledger(verifier.trust.keys, verifier.totals)
    for raw in made.batches:
        batch = verifier.verify(raw)
        records = batch.contents.extra.get(18, [])
        batch.contents.extra[18] = [
            signed if one == session.record.text else one for one in records
        ]
        found.take(batch)
    wrong = [f.code for one in found.checked for f in one.findings]
    assert wrong == ["ocmf-register"]
    assert not found.good


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


def test_no_identifier_in_plain_form(made: SessionFiles, tmp_path: Path) -> None:
    """Chain, flash, state store, exports: the drivers' names are nowhere."""
    assert export(made, tmp_path / "out") == 0
    places = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    places["chain"] = b"".join(made.batches)
    places["flash"] = bytes(made.board.flash.image)
    places["store"] = b"".join(bytes(blob) for blob in made.board.store.blobs.values())
    assert len(places) > 8
    for who in WHO:
        for form in (who, who.lower(), who.encode().hex(), json.dumps(who)[1:-1]):
            assert not [name for name, content in places.items() if form.encode() in content]
