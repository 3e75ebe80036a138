"""One OCMF record: strict reading and the check of its signature (OCMF 1.4.1, FV 1.3)."""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from meterseal.errors import VerificationError

METHOD: Final = "ECDSA-secp256r1-SHA256"
OBIS_IMPORT: Final = "01-00:B0.08.00*FF"
"""Total import at the meter (OCMF 1.4.1): the only register that this project issues."""
_PAGE: Final = re.compile(r"[TF][1-9][0-9]{0,17}")
_SEQUENCE: Final = re.compile(r"[1-9][0-9]{0,17}")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d),(\d{3})([+-]\d{4}) ([UISR])", re.ASCII
)
_MOST_TEXT: Final = 250
_DEFECTS: Final = (
    *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
    *(ArithmeticError, OverflowError),
)
_REMEDY: Final = "Do not bill by this record; ask for the one that the device signed."
_MOST_LEN: Final = 65_535


class Reading(NamedTuple):
    """One item of RD. `rv_kwh` has the digits of the record; None for a failed reading."""

    time: str
    t_unix_ms: int
    letter: str
    place: str
    state: str
    rv_kwh: Decimal | None
    sequence: int | None

    @property
    def is_synchronised(self) -> bool:
        """The device says that its clock was synchronised (letter S)."""
        return self.letter == "S"


class Record(NamedTuple):
    """A record as it was read; `text` is verbatim. `user` is a pseudonym, or empty."""

    text: str
    page: str
    gateway: str
    meter: str
    user: str
    point: str
    idle_kwh: Decimal | None
    readings: tuple[Reading, ...]

    @property
    def is_session(self) -> bool:
        """A transaction record (context T)."""
        return self.page[0] == "T"


def read(text: str) -> Record:
    """Read a record of this device. Raises VerificationError `ocmf-malformed`."""
    parts = text.split("|")
    if len(parts) != 3 or parts[0] != "OCMF" or not text.isascii() or len(text) > _MOST_LEN:
        raise _malformed("expected OCMF|payload|signature in ASCII, found something else")
    try:
        payload = json.loads(
            parts[1], parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_once
        )
        signature = json.loads(parts[2], object_pairs_hook=_once)
        record = _record(text, payload)
        bytes.fromhex(signature["SD"])
    except _DEFECTS as problem:
        raise _malformed(f"expected the fields of a record, found: {problem!r:.200}") from None
    if signature.get("SA", METHOD) != METHOD:
        raise _malformed(f"expected {METHOD}, found another method")
    return record


def check_signature(record: Record, public_65: bytes) -> None:
    """Raises VerificationError `ocmf-signature` unless this key signed the payload's bytes."""
    _, payload, signature = record.text.split("|")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_65)
    try:
        key.verify(
            bytes.fromhex(json.loads(signature)["SD"]), payload.encode(), ec.ECDSA(SHA256())
        )
    except InvalidSignature:
        text = f"{record.page}: expected a signature by the device's key, found another"
        raise VerificationError("ocmf-signature", text, _REMEDY) from None


def _record(text: str, payload: dict[str, Any]) -> Record:
    items = payload["RD"]
    sequences = _sequences(payload, len(items))
    readings = tuple(
        _reading(item, sequence) for item, sequence in zip(items, sequences, strict=True)
    )
    idle = _kwh(Decimal(_text(payload, "UI", ""))) if "UI" in payload else None
    page = _text(payload, "PG")
    if not readings or not _PAGE.fullmatch(page):
        raise ValueError(f"readings and a page like T1, not {page[:20]!r}")
    names = (_text(payload, "GS"), _text(payload, "MS"))
    optional = (_text(payload, "ID", ""), _text(payload, "CI", ""))
    return Record(text, page, *names, *optional, idle, readings)


def _sequences(payload: dict[str, Any], count: int) -> list[int | None]:
    """US: the sequence numbers of the sealed readings, one for each item of RD."""
    if "US" not in payload:
        return [None] * count
    found = _text(payload, "US", "").split()
    if not all(_SEQUENCE.fullmatch(one) for one in found):
        raise ValueError("sequence numbers that are none")
    return [int(one) for one in found]


def _reading(item: dict[str, Any], sequence: int | None) -> Reading:
    time = _text(item, "TM")
    parts = _TIME.fullmatch(time)
    if parts is None:
        raise ValueError(f"TM {time[:40]!r}")
    moment = datetime.strptime(parts[1] + parts[3], "%Y-%m-%dT%H:%M:%S%z")
    t_unix_ms = int(moment.timestamp()) * 1000 + int(parts[2])
    value = _kwh(item["RV"]) if "RV" in item else None
    if value is not None and (_text(item, "RU"), _text(item, "RI")) != ("kWh", OBIS_IMPORT):
        raise ValueError("RU and RI of another register")
    place, state = _text(item, "TX", ""), _text(item, "ST")
    return Reading(time, t_unix_ms, parts[4], place, state, value, sequence)


def _kwh(value: object) -> Decimal:
    """A register in kWh as the device prints it: no exponent, at most six decimals."""
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        raise ValueError("a register that is no number")
    exponent = int(value.as_tuple().exponent)
    if not -6 <= exponent <= 0 or value.adjusted() > 15:
        raise ValueError("a register with other digits")
    return value


def _text(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    found = fields[name] if default is None else fields.get(name, default)
    if not isinstance(found, str) or len(found) > _MOST_TEXT:
        raise TypeError(f"{name} that is no short text")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _malformed(text: str) -> VerificationError:
    return VerificationError("ocmf-malformed", text, _REMEDY)
