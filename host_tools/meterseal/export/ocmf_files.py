"""Files for other software: plain records, XML for transparency software, CSV, OCPP 2.0.1 JSON.

XML: the wrapper that the S.A.F.E. transparency software opens (one record with both ends carries
neither transactionId nor context). OCPP: SignedMeterValueType of OCPP 2.0.1 part 2.
"""

import base64
import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from meterseal.ocmf.ledger import Checked
from meterseal.ocmf.record import METHOD
from meterseal.spreadsheet import harmless

_XML_NAMES: Final = "[0-9a-f]" * 16 + "-[TF]*.xml"
SPKI_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""DER SubjectPublicKeyInfo of a P-256 key in front of its 65 bytes (RFC 5480)."""
CSV_HEAD: Final = (
    "device",
    "page",
    "connector",
    "meter",
    "pseudonym",
    "begin",
    "end",
    "reason",
    "begin_kwh",
    "end_kwh",
    "energy_kwh",
    "idle_before_kwh",
    "checked",
)


def write_all(checked: Sequence[Checked], out: Path) -> list[Path]:
    """Write records, sessions.csv, keys.csv, ocpp.json and one XML for each record to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(_XML_NAMES):
        old.unlink()  # of an earlier export: what is refused now must not stand there
    texts = {"records.ocmf": "".join(one.record.text + "\n" for one in checked)}
    texts["sessions.csv"] = sessions_csv(checked)
    texts["keys.csv"] = keys_csv(checked)
    texts["ocpp.json"] = json.dumps([ocpp(one) for one in _sessions(checked)], indent=1) + "\n"
    for one in checked:
        texts[f"{one.kid.hex()}-{one.record.page}.xml"] = xml(one)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    return [out / name for name in texts]


def spki(public_65: bytes) -> bytes:
    """The public key as DER SubjectPublicKeyInfo, 91 bytes."""
    return SPKI_P256 + public_65


def xml(one: Checked) -> str:
    """One record with its key."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<values>\n  <value>\n'
        f'    <signedData format="OCMF" encoding="plain">{escape(one.record.text)}</signedData>\n'
        f'    <publicKey encoding="plain">{spki(one.public_key).hex()}</publicKey>\n'
        "  </value>\n</values>\n"
    )


def keys_csv(checked: Sequence[Checked]) -> str:
    """The public key of each station as the XML files have it, to be published apart from them."""
    keys = {(one.station, one.kid.hex(), spki(one.public_key).hex()) for one in checked}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("station", "device", "public_key_spki_hex"))
    writer.writerows((harmless(station), *rest) for station, *rest in sorted(keys))
    return text.getvalue()


def sessions_csv(checked: Sequence[Checked]) -> str:
    """A line for each session; numbers with the digits that were signed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for one in _sessions(checked):
        record = one.record
        first, last = record.readings[0], record.readings[-1]
        begin, end = first.rv_kwh or Decimal(0), last.rv_kwh or Decimal(0)
        idle = "" if record.idle_kwh is None else str(record.idle_kwh)
        who = (
            one.kid.hex(),
            record.page,
            harmless(record.point),
            harmless(record.meter),
            record.user,
        )
        energy = (begin, end, end - begin, idle, one.verdict)
        writer.writerow((*who, first.time, last.time, last.place, *energy))
    return text.getvalue()


def ocpp(one: Checked) -> dict[str, Any]:
    """MeterValueType with one signed sampled value, at the end of the transaction."""
    last = one.record.readings[-1]
    day, clock = last.time.split(" ")[0].replace(",", ".").split("T")
    key = "oca:base16:asn1:" + spki(one.public_key).hex()
    signed = {
        "signedMeterData": base64.b64encode(one.record.text.encode()).decode(),
        "signingMethod": METHOD,
        "encodingMethod": "OCMF",
        "publicKey": base64.b64encode(key.encode()).decode(),
    }
    sampled = {
        "value": float(last.rv_kwh or 0),
        "context": "Transaction.End",
        "measurand": "Energy.Active.Import.Register",
        "unitOfMeasure": {"unit": "kWh"},
        "signedMeterValue": signed,
    }
    return {"timestamp": f"{day}T{clock[:-5]}Z", "sampledValue": [sampled]}


def _sessions(checked: Sequence[Checked]) -> list[Checked]:
    return [one for one in checked if one.record.is_session]
