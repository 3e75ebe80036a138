"""Names what is wrong with an envelope that does not have the fixed layout (WIRE_FORMAT 2 and 11).

Only ever refuses. The order of the checks is the order of the bytes.
"""

from typing import Final, NoReturn

from meterseal.errors import BadSignature, MalformedBatch
from meterseal.wire.cbor import decode_map

# Additional information of a long head -> bytes of its argument; the least argument that needs it.
_ARGUMENT_LEN: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_LEAST: Final = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def diagnose(raw: bytes, content_type: int, max_len: int) -> NoReturn:
    """Raise for the first defect of bytes that are not a COSE_Sign1 in the fixed layout."""
    if len(raw) > max_len:
        text = f"expected at most {max_len} bytes, found {len(raw)}"
        raise MalformedBatch("batch-too-large", text, max_len)
    try:
        _walk(raw, content_type)
    except IndexError:
        text = f"expected a whole batch, found its first {len(raw)} bytes"
        raise MalformedBatch("batch-truncated", text, len(raw)) from None
    _refuse("cose-structure", "the layout of WIRE_FORMAT section 2", "another", 0)


def _refuse(code: str, expected: str, found: str, at: int) -> NoReturn:
    raise MalformedBatch(code, f"expected {expected}, found {found}", at)


def _walk(raw: bytes, content_type: int) -> None:
    if raw[0] != 0xD2:
        long_form = 0xD8 <= raw[0] <= 0xDB and _argument(raw, 0) == 18
        _refuse("cose-structure" if long_form else "cose-tag", "tag 18 (D2)", f"{raw[0]:02X}", 0)
    if raw[1] != 0x84:
        _refuse("cose-structure", "an array of four (84)", f"{raw[1]:02X}", 1)
    start, end = _bytes_at(raw, 2, "the protected header")
    _check_protected(raw[start:end], content_type)
    _check_unprotected(raw, end)
    _, end = _bytes_at(raw, end + 1, "the payload")
    start, end = _bytes_at(raw, end, "the signature")
    if end - start != 64:
        raise BadSignature("signature-length", f"expected 64 bytes, found {end - start}")
    if len(raw) > end:
        _refuse("batch-trailing", "nothing behind the batch", f"{len(raw) - end} bytes", end)


def _argument(raw: bytes, at: int) -> int:
    """Argument of the head at `at`, whether the head is the shortest or not."""
    info = raw[at] & 31
    if info < 24:
        return info
    length = _ARGUMENT_LEN[info]
    if len(raw) < at + 1 + length:
        raise IndexError
    return int.from_bytes(raw[at + 1 : at + 1 + length], "big")


def _bytes_at(raw: bytes, at: int, what: str) -> tuple[int, int]:
    """Begin and end of the content of the byte string at `at`."""
    info = raw[at] & 31
    if raw[at] >> 5 != 2 or info > 27:
        _refuse("cose-structure", f"{what} as a byte string", f"head {raw[at]:02X}", at)
    length = _argument(raw, at)
    if length < _LEAST.get(info, 0):
        _refuse("cose-structure", f"{what} with the shortest head", "a longer one", at)
    start = at + 1 + _ARGUMENT_LEN.get(info, 0)
    if start + length > len(raw):
        raise IndexError
    return start, start + length


def _check_protected(protected: bytes, content_type: int) -> None:
    try:
        header = decode_map(protected)
    except MalformedBatch as problem:
        _refuse("cose-protected", "a deterministic map", f"a defect: {problem.text}", 3)
    kid = header.get(4)
    if list(header) != [1, 3, 4] or not isinstance(kid, bytes) or len(kid) != 8:
        _refuse("cose-protected", "alg, content type and a kid of 8 bytes", "something else", 3)
    if header[1] != -7:
        _refuse("cose-algorithm", "ES256 (-7)", repr(header[1]), 5)
    if header[3] != content_type:
        _refuse("cose-content-type", str(content_type), repr(header[3]), 7)


def _check_unprotected(raw: bytes, at: int) -> None:
    head = raw[at]
    if head == 0xA0:
        return
    if 0xA0 < head < 0xB8 or (0xB8 <= head < 0xBC and _argument(raw, at) >= _LEAST[head & 31]):
        _refuse("cose-unprotected", "an empty map", "entries that nobody signed", at)
    _refuse("cose-structure", "an empty map (A0)", f"head {head:02X}", at)
