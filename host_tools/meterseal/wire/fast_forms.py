"""The usual form of a payload as regular expressions: strict heads, types and ranges in one go.

Items stay bytes here; `uint` and `sint` convert one that matched. Only fast.py uses this.
"""

import re
from collections.abc import Sequence
from typing import Final

_UINT: Final = (
    rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].|\x1a(?!\0\0).{4}|\x1b(?!\0{4}).{8})"
)
_NEGATIVE: Final = (
    rb"(?:[\x20-\x37]|\x38[\x18-\xff]|\x39[\x01-\xff].|\x3a(?!\0\0).{4}|\x3b(?!\0{4}).{8})"
)
_FORMS: Final = {
    b"<U>": _UINT,
    b"<I>": rb"(?:%b|%b)" % (_UINT, _NEGATIVE),
    b"<A>": rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].)",
    b"<W>": rb"(?:[\x00-\x17]|\x18[\x18-\x40])",
    b"<B>": rb"(?:[\x40-\x57]|\x58[\x18-\xff]|\x59[\x01-\xff].)",
}


def _pattern(form: bytes) -> re.Pattern[bytes]:
    """<U> unsigned, <I> integer, <A> address, <W> width, <B> head of a byte string."""
    for name, pattern in _FORMS.items():
        form = form.replace(name, pattern)
    return re.compile(form, re.DOTALL)


# Keys 0 to 7 of a later batch: the first one of a chain is left to the general decoder.
opening: Final = _pattern(
    rb"[\xa0-\xb7]\x00\x01\x01\x50(.{16})\x02(<U>)\x03\x58\x20(.{32})"
    rb"\x04(<U>)\x05(<U>)\x06(<U>)\x07(<U>)"
).match
# Key 8 with so many anchors.
ANCHOR_LEN: Final = 5
_ANCHOR: Final = rb"\x85(<U>)(<U>)(<U>)([\x01-\x06])(<U>)"
anchors: Final = {
    count: _pattern(rb"\x08\x%02x" % (0x80 + count) + _ANCHOR * count).match
    for count in range(1, 5)
}
# A group whose sequence numbers are evenly spaced or left out, up to its packed times.
group: Final = _pattern(
    rb"\x87(<U>)(<U>)(<U>)(?:\x80|\x84(<U>)(<U>)\x00\x40)[\x84\x85](<U>)<I><W>(<B>)"
).match
TIME_FIRST: Final = 6
# A column up to its packed bytes: register (function, address, count, order), head of the bytes.
column: Final = _pattern(rb"[\x88-\x8a]([\x03\x04]<A>[\x01-\x04][\x00-\x03])<U><I><W>(<B>)").match
register: Final = _pattern(rb"(.)(<A>)(.)(.)").fullmatch
# Packed integers from `first` on, up to the packed bytes.
_numbers: Final = _pattern(rb"(<U>)(<I>)(<W>)(<B>)").match
# First byte of an array -> pattern of so many unsigned integers.
uints: Final = {0x80 + count: _pattern(b"." + b"(<U>)" * count).match for count in range(24)}

HEALTH_KEYS: Final = 8
_BUS_COUNTERS: Final = b"|".join(rb"\x%02x(?:\x86<U>{6}){%d}" % (0x80 + n, n) for n in range(9))
health: Final = _pattern(
    rb"\x10[\xa0-\xa8](\x00<U>)?(\x01<U>)?(\x02<U>)?(\x03(?:%b))?"
    rb"(\x04<I>)?(\x05<U>)?(\x06<U>)?(\x07<U>)?" % _BUS_COUNTERS
).match

# Head of a byte string, as far as it is short -> length of the string.
LENGTHS: Final = {
    **{bytes((0x40 + value,)): value for value in range(24)},
    **{bytes((0x58, value)): value for value in range(24, 256)},
}
# Length of an item -> mask that leaves its argument.
_ARGUMENT: Final = (0, 0x1F, *((1 << 8 * (length - 1)) - 1 for length in range(2, 10)))
_from_bytes: Final = int.from_bytes


def length(head: bytes) -> int:
    """Length of the byte string that has this head."""
    return head[1] << 8 | head[2] if len(head) == 3 else LENGTHS[head]


def uint(item: bytes) -> int:
    """Value of an unsigned integer."""
    return _from_bytes(item, "big") & _ARGUMENT[len(item)]


def uint_list(items: Sequence[bytes]) -> list[int]:
    """Values of unsigned integers."""
    return [_from_bytes(item, "big") & _ARGUMENT[len(item)] for item in items]


def packed(data: bytes, at: int) -> tuple[int, int, int, bytes]:
    """First, base, width and packed bytes of integers whose `first` begins at `at`."""
    match = _numbers(data, at)
    assert match is not None  # `group` or `column` matched here
    first, base, width, head = match.groups()
    step = _from_bytes(base, "big") & _ARGUMENT[len(base)]
    start = match.end()
    found = data[start : start + length(head)]
    return uint(first), step if base[0] < 0x20 else ~step, width[-1], found
