"""Decodes the readings of many groups in their usual form in one set of array operations.

Numbers are read out of the payloads by position, all columns of all batches at once; the rest is
as in columns.py. Any doubt ends in Doubtful: columns.py then decides what is refused and why.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meterseal.models import Column, Group, U64Array
from meterseal.wire import fast_forms as forms
from meterseal.wire.columns import (
    MAX_READINGS,
    U64_MAX,
    quality_of,
    rows_present,
)
from meterseal.wire.fast_payload import FastGroup, register_of

I64Array = NDArray[np.int64]

_STEPS: Final = np.arange(MAX_READINGS, dtype=np.int64)
_TAIL: Final = bytes(16)
_WINDOW_BITS: Final = 57

# By head: length of the item up to its content, argument of a short head, shift that leaves the
# argument of a long one in a window of 64 bits behind the head (64 leaves nothing).
_INFO: Final = np.arange(256) & 31
_LENGTH: Final = np.select([_INFO < 24, _INFO == 24, _INFO == 25, _INFO == 26], [1, 2, 3, 5], 9)
_SHORT: Final = np.where(_INFO < 24, _INFO, 0).astype(np.uint64)
_SHIFT: Final = (64 - 8 * (_LENGTH - 1)).astype(np.uint64)


# So many groups of one length are decoded at once: what they need fits into the caches.
_BLOCK: Final = 32


class Doubtful(Exception):
    """Something is not as it should be, or not in the usual form."""


class _Rows(NamedTuple):
    """Packed integers of all groups of one length; arrays of shape (rows,)."""

    buffer: bytes
    at: I64Array
    bits: I64Array
    m: I64Array


def decode_usual(groups: Sequence[FastGroup]) -> list[Group]:
    """The readings of groups, in the same order. Raises Doubtful."""
    decoded: list[Group] = []
    block: list[FastGroup] = []
    for group in groups:
        if block and (group.n != block[0].n or len(block) == _BLOCK):
            decoded += _decode(block, block[0].n)
            block = []
        block.append(group)
    return decoded + _decode(block, block[0].n) if block else decoded


def _decode(groups: list[FastGroup], n: int) -> list[Group]:
    sequences = _sequences(groups, n)
    values = iter(_unpack(groups, n))
    decoded = []
    for group, sequence in zip(groups, sequences, strict=True):
        times = next(values)
        columns = [
            Column._make((*register_of(item), next(values), None))
            if not absent
            else _gappy(item, absent, n, next(values))
            for item, _, _, absent in group.packed[1:]
        ]
        status, flags = quality_of(n, group.quality)
        meter, boot = forms.uint_list(group.found.group(1, 2))
        decoded.append(Group(meter, boot, sequence, times, status, flags, tuple(columns)))
    return decoded


def _gappy(item: bytes, absent: list[int], n: int, values: U64Array) -> Column:
    rows = rows_present(n, absent)
    return Column._make((*register_of(item), values[: len(rows)], rows))


def _sequences(groups: list[FastGroup], n: int) -> U64Array:
    """Evenly spaced and ascending, shape (groups, n), read-only."""
    steps = []
    for group in groups:
        first, step = group.sequence
        if (step == 0) != (n == 1) or first + step * (n - 1) > U64_MAX:
            raise Doubtful
        steps.append((first, step))
    table = np.array(steps, np.uint64)
    values: U64Array = table[:, 1, None] * _STEPS[:n].view(np.uint64)
    values += table[:, 0, None]
    values.flags.writeable = False
    return values


def _rows(groups: list[FastGroup], n: int) -> _Rows:
    at, bits, m = [], [], []
    offset = 0
    for group in groups:
        for item, start, _, absent in group.packed:
            at.append(offset + start)
            bits.append(item[-2] << 4 if item else 64)
            m.append(n - len(absent))
        offset += len(group.data)
    buffer = b"".join([group.data for group in groups]) + _TAIL
    return _Rows(buffer, np.array(at), np.array(bits), np.array(m))


def _unpack(groups: list[FastGroup], n: int) -> U64Array:
    """Times and columns of each group, shape (rows, n), read-only; a row counts to its own m."""
    rows = _rows(groups, n)
    octets = np.frombuffer(rows.buffer, np.uint8)
    windows: U64Array = np.ndarray((len(rows.buffer) - 7,), ">u8", rows.buffer, strides=(1,))

    def argument(at: I64Array) -> tuple[U64Array, NDArray[np.uint8], I64Array]:
        head = octets[at]
        value = windows[at + 1].astype(np.uint64) >> _SHIFT[head]
        return value | _SHORT[head], head, at + _LENGTH[head]

    first, _, at = argument(rows.at)
    base, head, at = argument(at)
    if int(base.max()) >> 63:
        raise Doubtful
    base = np.where(head < 0x20, base, ~base)
    width, _, at = argument(at)
    length, _, start = argument(at)
    widths, lengths = width.view(np.int64), length.view(np.int64)
    _check(rows, octets, first, base.view(np.int64), widths, lengths, start)
    values = _residuals(octets, windows, start, widths, n)
    _patch(groups, values, widths, rows)
    values += base[:, None]
    values[:, 0] = first
    values.cumsum(axis=1, out=values)
    values &= (U64_MAX >> (64 - rows.bits).view(np.uint64))[:, None]
    values.flags.writeable = False
    return values


def _check(
    rows: _Rows,
    octets: NDArray[np.uint8],
    first: U64Array,
    base: I64Array,
    width: I64Array,
    length: I64Array,
    start: I64Array,
) -> None:
    """Ranges, lengths and padding as in columns.py, of all rows."""
    packed_bits = (rows.m - 1) * width
    unused = -packed_bits & 7
    last_octet = octets[start + length - 1]
    sign = base >> rows.bits - 1
    right = (
        (width <= rows.bits)
        & ((first >> (rows.bits - 1).view(np.uint64)) <= 1)
        & ((sign == 0) | (sign == -1))
        & ((rows.m > 1) | ((base == 0) & (width == 0)))
        & (length == packed_bits + 7 >> 3)
        & ((last_octet & (1 << unused) - 1 == 0) | (length == 0))
    )
    if not right.all():
        raise Doubtful


def _residuals(
    octets: NDArray[np.uint8], windows: U64Array, start: I64Array, width: I64Array, n: int
) -> U64Array:
    """Residuals by index, shape (rows, n); index 0 and those behind a row's m are junk."""
    bit = width[:, None] * _STEPS[:n]
    bit += (8 * start - width)[:, None]
    byte = bit >> 3
    bit &= 7
    shift = bit.view(np.uint64)
    values = windows.take(byte, mode="clip").astype(np.uint64)
    values <<= shift
    if int(width.max()) > _WINDOW_BITS:
        rest = octets.take(byte + 8, mode="clip").astype(np.uint64)
        values |= rest >> np.uint64(8) - shift
    values >>= (64 - width).view(np.uint64)[:, None]  # a shift by 64 gives 0
    return values


def _patch(groups: list[FastGroup], values: U64Array, width: I64Array, rows: _Rows) -> None:
    """Put the residuals that did not fit in their places."""
    row_of: list[int] = []
    numbers: list[int] = []
    row = 0
    for group in groups:
        for _, _, patches, _ in group.packed:
            if patches is not None:
                items = patches.groups()
                row_of += [row] * (len(items) >> 1)
                numbers += forms.uint_list(items)
                if len(items) & 1:
                    raise Doubtful
            row += 1
    if not row_of:
        return
    at = np.array(row_of)
    index, residual = np.array(numbers, np.uint64).reshape(-1, 2).T
    fits = residual >> width[at].view(np.uint64) == 0
    exceeds = (residual >> (rows.bits[at] - 1).view(np.uint64)) > 1
    if fits.any() or exceeds.any() or (index == 0).any():
        raise Doubtful
    if (index >= rows.m[at].view(np.uint64)).any():
        raise Doubtful
    places = at * values.shape[1] + index.view(np.int64)
    flat = values.reshape(-1)
    if (places[1:] <= places[:-1]).any() or flat[places].any():
        raise Doubtful
    flat[places] = residual
