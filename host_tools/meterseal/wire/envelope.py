"""Envelope of a batch: tagged COSE_Sign1 with ES256 (WIRE_FORMAT section 2, RFC 9052, RFC 9053).

A batch has a fixed layout, so that it is recognised by comparing bytes; what does not fit is taken
apart once more, step by step, only to name the first defect (envelope_defects.py).
"""

import hashlib
from typing import Final, NamedTuple

from meterseal.errors import BadSignature
from meterseal.wire.envelope_defects import diagnose

MAX_BATCH_LEN: Final = 65_535
CONTENT_BATCH: Final = 65_001
CONTENT_POSSESSION: Final = 65_002
CONTENT_ROLLOVER: Final = 65_003
CONTENT_RECEIPT: Final = 65_004

# Layout: tag 18, array of four, protected header {1: -7, 3: <content type>, 4: h'<kid>'} of 17
# bytes, unprotected {}, payload, signature.
_PROTECTED_AT: Final = 3
_KID_AT: Final = 12
_UNPROTECTED_AT: Final = 20
_PAYLOAD_AT: Final = 21
_SIGNATURE_HEAD: Final = b"\x58\x40"
_SIGNATURE_ITEM_LEN: Final = 66
# Sig_structure (RFC 9052 section 4.4) up to the protected header; then external data, payload.
_SIGNED_OPENING: Final = b"\x84\x6aSignature1\x51"

# Order of the group of P-256 (SEC 2 version 2, section 2.4.2).
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ORDER_BYTES: Final = _ORDER.to_bytes(32, "big")
_HALF_ORDER_BYTES: Final = (_ORDER >> 1).to_bytes(32, "big")
_ZERO: Final = bytes(32)


class Envelope(NamedTuple):
    """Parts of a COSE_Sign1. Nothing in it has been verified.

    `kid`: first 8 bytes of the key's thumbprint; `signature`: r || s, 64 bytes, both in range and
    s in its lower half; `digest`: SHA-256 of the Sig_structure, which is also the batch hash.
    """

    raw: bytes
    kid: bytes
    payload: bytes
    signature: bytes
    digest: bytes


def opening(content_type: int) -> bytes:
    """The 12 bytes that every structure of a content type begins with, up to its kid."""
    return bytes.fromhex(f"d28451a301260319{content_type:04x}0448")


_OPENINGS: Final = {
    content_type: opening(content_type)
    for content_type in (CONTENT_BATCH, CONTENT_POSSESSION, CONTENT_ROLLOVER, CONTENT_RECEIPT)
}


def open_envelope(raw: bytes, content_type: int = CONTENT_BATCH) -> Envelope:
    """Take a batch (or another COSE_Sign1 of this project) apart; at most 65,535 bytes.

    Raises MalformedBatch `batch-...` and `cose-...`, BadSignature `signature-length`,
    `signature-range` and `signature-high-s`.
    """
    span = payload_span(raw, 0, content_type)
    if span is None or len(raw) != span[1] + _SIGNATURE_ITEM_LEN or len(raw) > MAX_BATCH_LEN:
        diagnose(raw, content_type, MAX_BATCH_LEN)
    start, end = span
    signature = raw[end + 2 :]
    _check_range(signature)
    protected, payload_item = raw[_PROTECTED_AT:_UNPROTECTED_AT], raw[_PAYLOAD_AT:end]
    signed = b"%b%b\x40%b" % (_SIGNED_OPENING, protected, payload_item)
    kid = raw[_KID_AT:_UNPROTECTED_AT]
    return Envelope(raw, kid, raw[start:end], signature, hashlib.sha256(signed).digest())


def payload_span(
    data: bytes, at: int, content_type: int = CONTENT_BATCH
) -> tuple[int, int] | None:
    """Begin and end of the payload of the structure at `at`; None if it has another layout.

    The signature's head stands at the end; that its 64 bytes are all there is not checked.
    """
    at_payload = at + _PAYLOAD_AT
    if not data.startswith(_OPENINGS[content_type], at) or len(data) < at_payload + 3:
        return None
    head, argument = data[at_payload], data[at_payload + 1]
    if data[at_payload - 1] != 0xA0:
        return None
    if head == 0x59 and argument:
        start = at_payload + 3
        end = start + (argument << 8 | data[start - 1])
    elif head == 0x58 and argument > 23:
        start = at_payload + 2
        end = start + argument
    elif 0x40 <= head < 0x58:
        start = at_payload + 1
        end = start + head - 0x40
    else:
        return None
    return (start, end) if data.startswith(_SIGNATURE_HEAD, end) else None


def batch_end(data: bytes, at: int) -> int | None:
    """Where the batch at `at` ends by its layout (possibly behind the data); None: not a batch."""
    span = payload_span(data, at)
    return None if span is None else span[1] + _SIGNATURE_ITEM_LEN


def batch_place(raw: bytes) -> tuple[bytes, int] | None:
    """Chain and number that a batch names, by its layout; nothing else of it is looked at."""
    span = payload_span(raw, 0)
    if span is None:
        return None
    start = span[0] + (2 if raw[span[0] : span[0] + 1] == b"\xb8" else 1)
    head, at = raw[start : start + 21], start + 21
    if head[:4] != b"\x00\x01\x01\x50" or head[20:] != b"\x02":
        return None
    length = raw[at] - 24
    if length < 0:
        return head[4:20], raw[at]
    number = int.from_bytes(raw[at + 1 : at + 1 + (1 << length)], "big") if length < 4 else None
    return None if number is None else (head[4:20], number)


def claimed_kid(data: bytes) -> bytes:
    """The 8 bytes that a batch names as its device; empty if it does not begin as a batch."""
    begins = data.startswith(_OPENINGS[CONTENT_BATCH]) and len(data) >= _UNPROTECTED_AT
    return data[_KID_AT:_UNPROTECTED_AT] if begins else b""


def _check_range(signature: bytes) -> None:
    r, s = signature[:32], signature[32:]
    if not (_ZERO < r < _ORDER_BYTES and _ZERO < s < _ORDER_BYTES):
        text = "expected r and s from 1 to n-1, found one outside"
        raise BadSignature("signature-range", text)
    if s > _HALF_ORDER_BYTES:
        raise BadSignature("signature-high-s", "expected s of at most (n-1)/2, found n-s")
