"""One OCMF record: strict reading and the check of its signature (OCMF 1.4.1, FV 1.3)."""

import json
import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from meterseal.errors import VerificationError

METHOD: Final = "ECDSA-secp256r1-SHA256"
_PAGE: Final = re.compile(r"[TF][1-9][0-9]*")
_REMEDY: Final = "Do not bill by this record; ask for the one that the device signed."
_MOST_LEN: Final = 65_535


class Reading(NamedTuple):
    """One item of RD. `rv_kwh` has the digits of the record; None for a failed reading."""

    time: str
    place: str
    state: str
    rv_kwh: Decimal | None
    sequence: int | None


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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise _malformed(f"expected the fields of a record, found: {problem!r}") from None
    if signature.get("SA", METHOD) != METHOD or not _PAGE.fullmatch(record.page):
        raise _malformed(f"expected {METHOD} and a page like T1, found {record.page[:20]!r}")
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
    sequences = [int(one) for one in payload.get("US", "").split()]
    items = payload["RD"]
    if not items or (sequences and len(sequences) != len(items)):
        raise ValueError("readings and their sequence numbers")
    readings = tuple(
        Reading(
            item["TM"],
            item.get("TX", ""),
            item["ST"],
            item.get("RV"),
            sequences[place] if sequences else None,
        )
        for place, item in enumerate(items)
    )
    if any(one.rv_kwh is not None and not isinstance(one.rv_kwh, Decimal) for one in readings):
        raise ValueError("RV is not a number")
    idle = Decimal(payload["UI"]) if "UI" in payload else None
    user, point = payload.get("ID", ""), payload.get("CI", "")
    return Record(text, payload["PG"], payload["GS"], payload["MS"], user, point, idle, readings)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _malformed(text: str) -> VerificationError:
    return VerificationError("ocmf-malformed", text, _REMEDY)
