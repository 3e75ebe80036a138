"""Finds a secret in what was written somewhere, in whatever form people and programs write bytes.

Both sides are brought to bytes: the places where text may stand for bytes are decoded, and every
piece of eight bytes of the secret is looked for in all of them. A half of it is found as well.
"""

import base64
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator

WINDOW = 8
_HEX = re.compile(rb"[0-9A-Fa-f]{%d,}" % (2 * WINDOW))
_BETWEEN = re.compile(rb"0x|\\x|[\s:,;.\-_'\"()\[\]{}]+")
_NUMBERS = re.compile(rb"\d{1,3}(?:[\s,;:|/.\-]{1,3}\d{1,3}){%d,}" % (WINDOW - 1))
_DIGITS = re.compile(rb"\d{%d,}" % (2 * WINDOW))
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_BASE32 = re.compile(rb"[A-Za-z2-7]{13,}")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u00([0-9A-Fa-f]{2})|([nrt0abfv\\'\"/]))")
_SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"a": b"\a", b"b": b"\b"}
_SHORT |= {b"f": b"\f", b"v": b"\v"}
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_ZLIB = re.compile(rb"x[\x01\x5e\x9c\xda]")
_MOST_INFLATED = 1 << 16


def leaks(haystack: bytes, secrets: dict[str, bytes]) -> list[str]:
    """Which secrets are in it, and in what form."""
    pieces = {name: set(_pieces(secret)) for name, secret in secrets.items()}
    found = []
    for form, text in readings(haystack):
        for name, wanted in pieces.items():
            label = f"{name}, {form}"
            if label not in found and any(piece in text for piece in wanted):
                found.append(label)
    return found


def _pieces(secret: bytes) -> Iterator[bytes]:
    """Each eight bytes of it, as it is, backwards, and with words of 2, 4 or 8 bytes swapped."""
    orders = [secret, secret[::-1]]
    for size in (2, 4, 8):
        words = [secret[at : at + size][::-1] for at in range(0, len(secret), size)]
        orders.append(b"".join(words))
    for order in orders:
        yield from (order[at : at + WINDOW] for at in range(len(order) - WINDOW + 1))


def readings(text: bytes) -> Iterator[tuple[str, bytes]]:
    """(form, bytes) of everything that the text may stand for."""
    yield "raw", text
    yield "utf-16", text.replace(b"\0", b"")
    yield "url", urllib.parse.unquote_to_bytes(text)
    once = _unescaped(text)
    yield "escaped", once
    yield "escaped twice", _unescaped(once)
    yield "latin-1 in utf-8", text.decode(errors="ignore").encode("latin-1", "ignore")
    unescaped = once.decode(errors="ignore").encode("latin-1", "ignore")
    yield "latin-1 in JSON", unescaped
    yield "hex", b"|".join(_hex(text))
    yield "numbers", b"|".join(_numbers(text))
    yield "integer", b"|".join(_integers(text))
    yield "base64", b"|".join(_base64(text))
    yield "base32", b"|".join(_base32(text))
    yield "zlib", b"|".join(_inflated(text))


def _unescaped(text: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        number = match[1] or match[2]
        return bytes([int(number, 16)]) if number else _SHORT.get(match[3], match[3])

    return _ESCAPE.sub(one, text)


def _hex(text: bytes) -> Iterator[bytes]:
    for run in _HEX.findall(_BETWEEN.sub(b"", text)):
        for shift in (0, 1):
            digits = run[shift : len(run) - (len(run) - shift) % 2]
            yield bytes.fromhex(digits.decode())


def _numbers(text: bytes) -> Iterator[bytes]:
    for run in _NUMBERS.findall(text):
        numbers = [int(one) for one in re.findall(rb"\d+", run)]
        yield bytes(one & 0xFF for one in numbers)


def _integers(text: bytes) -> Iterator[bytes]:
    for run in _DIGITS.findall(text):
        if len(run) < 4000:
            number = int(run)
            yield number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64(text: bytes) -> Iterable[bytes]:
    joined = re.sub(rb"\r?\n", b"", text)
    for source in (text, joined):
        for run in _BASE64.findall(source):
            run = run.translate(_URLSAFE)
            for shift in range(4):
                part = run[shift : len(run) - (len(run) - shift) % 4]
                yield base64.b64decode(part)


def _base32(text: bytes) -> Iterator[bytes]:
    for run in _BASE32.findall(text):
        for shift in range(8):
            part = run[shift : len(run) - (len(run) - shift) % 8]
            yield base64.b32decode(part.upper())


def _inflated(text: bytes) -> Iterator[bytes]:
    for match in _ZLIB.finditer(text):
        try:
            yield zlib.decompressobj().decompress(text[match.start() :], _MOST_INFLATED)
        except zlib.error:
            continue
