"""Decodes the readings of groups: packed differences to columns of integers (WIRE_FORMAT 4.2).

All series of one length are unpacked in one set of array operations: every residual is cut out of
a 64-bit window. Arithmetic is modulo 2^64, then modulo the size of each column, which divides it:
exact for every width. This is the general way, which names every defect; see fast_columns.py.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from meterseal.errors import MalformedBatch
from meterseal.models import Column, Contents, Group, U64Array
from meterseal.wire.packed import Packed, Series

MAX_READINGS: Final = 1024

U64_MAX: Final = (1 << 64) - 1
# So many series are unpacked at once, which bounds what is needed besides the result.
_MAX_ROWS: Final = 1024
_NO_READINGS: Final = np.zeros(0, np.uint64)
_STEPS: Final = np.arange(MAX_READINGS, dtype=np.int64)
_THREE: Final = np.int64(3)
_SEVEN: Final = np.int64(7)
_SIXTY_FOUR: Final = np.int64(64)
# Behind the packed bytes, so that the last window and the byte above it exist.
_TAIL: Final = bytes(9)
# The widest residual that lies in one 64-bit window whatever bit it begins at.
_WINDOW_BITS: Final = 57


def decode_readings(contents: Contents) -> tuple[Group, ...]:
    """The readings of a payload that passed the schema; errors as in `decode_groups`."""
    groups = tuple(decode_groups(contents.groups, contents.first_sequence))
    check_sequences(contents, groups)
    return groups


def check_sequences(contents: Contents, groups: Sequence[Group]) -> None:
    """Raises MalformedBatch `sequence-mismatch` unless the groups hold just the stated range."""
    first = contents.first_sequence
    if len(groups) == 1:  # the numbers ascend, and the schema counted them
        ends = int(groups[0].sequence[0]), int(groups[0].sequence[-1])
        right = ends == (first, contents.next_sequence - 1)
    else:
        found = np.sort(np.concatenate([group.sequence for group in groups] or [_NO_READINGS]))
        expected = np.arange(contents.count, dtype=np.uint64) + np.uint64(first)
        right = bool((found == expected).all())
    if not right:
        text = f"expected sequence numbers {first} to {contents.next_sequence - 1}, found others"
        raise MalformedBatch("sequence-mismatch", text)


def decode_groups(groups: Sequence[Packed], first_sequence: int) -> list[Group]:
    """The readings of groups of one batch that passed the schema, in the same order.

    Raises MalformedBatch `column-range`, `column-length`, `column-padding`, `column-patch`,
    `field-order` (patches), `sequence-mismatch` (not ascending).
    """
    by_length: dict[int, list[Series]] = {}
    for group in groups:
        by_length.setdefault(group.n, []).extend(group.series(first_sequence))
    rows = {n: iter(unpack(series, n)) for n, series in by_length.items()}
    return [_group(group, rows[group.n]) for group in groups]


def _group(group: Packed, rows: Iterator[U64Array]) -> Group:
    n = group.n
    sequence, time = next(rows), next(rows)
    if not bool((sequence[1:] > sequence[:-1]).all()):
        raise MalformedBatch("sequence-mismatch", "expected ascending sequence numbers in a group")
    columns = [
        _gappy(register, absent, n, next(rows))
        if absent
        else Column._make((*register, next(rows), None))
        for register, absent in zip(group.registers, group.absents, strict=True)
    ]
    status, flags = quality_of(n, group.quality)
    return Group(group.meter, group.boot, sequence, time, status, flags, tuple(columns))


def _gappy(register: tuple[int, ...], absent: list[int], n: int, values: U64Array) -> Column:
    rows = rows_present(n, absent)
    return Column._make((*register, values[: len(rows)], rows))


def rows_present(n: int, absent: list[int]) -> NDArray[np.intp]:
    """Which of n readings have a value."""
    rows = np.delete(np.arange(n), absent)
    rows.flags.writeable = False
    return rows


def quality_of(n: int, quality: list[list[int]]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Status and flags of n readings; `quality` lists those that are not all right."""
    if not quality:
        return _all_ok(n), _all_ok(n)
    status, flags = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    for index, one_status, one_flags in quality:
        status[index], flags[index] = one_status, one_flags
    status.flags.writeable = flags.flags.writeable = False
    return status, flags


@lru_cache(maxsize=MAX_READINGS)
def _all_ok(n: int) -> NDArray[np.uint8]:
    zeros = np.zeros(n, np.uint8)
    zeros.flags.writeable = False
    return zeros


def unpack(series: list[Series], n: int) -> U64Array:
    """Values of all series, shape (len(series), n), read-only; a row counts up to its own m."""
    if len(series) > _MAX_ROWS:
        blocks = [
            unpack(series[at : at + _MAX_ROWS], n) for at in range(0, len(series), _MAX_ROWS)
        ]
        whole: U64Array = np.concatenate(blocks)
        whole.flags.writeable = False
        return whole
    table = _table(series)
    values = _residuals(series, table, n)
    for row, one in enumerate(series):
        if one[6]:
            apply_patches(one[0], one[1], one[4], one[6], values[row])
    values += table[:, 1, None]
    values[:, 0] = table[:, 0]
    values.cumsum(axis=1, out=values)
    values &= table[:, 2, None]
    values.flags.writeable = False
    return values


def _table(series: list[Series]) -> U64Array:
    """Of each series: first, base, mask of a value, mask of a residual, width, highest bit + 1.

    Shape (len(series), 6). Bits are counted from the end of all packed bytes: the last one is 0.
    """
    numbers: list[tuple[int, ...]] = []
    bit = sum([len(one[5]) for one in series]) << 3
    for one in series:
        _check(one)
        bits, _, first, base, width, packed, _ = one
        masks = U64_MAX >> 64 - bits, U64_MAX >> 64 - width
        numbers.append((first, base & U64_MAX, *masks, width, bit))
        bit -= len(packed) << 3
    return np.array(numbers, np.uint64)


def _check(series: Series) -> None:
    bits, m, first, base, width, packed, _ = series
    half = 1 << bits - 1
    if width > bits or first >> bits or not -half <= base < half or (m == 1 and (base or width)):
        text = f"expected first, base and width of {bits} bits (0 with one value), found others"
        raise MalformedBatch("column-range", text)
    packed_bits = (m - 1) * width
    if len(packed) != packed_bits + 7 >> 3:
        text = f"expected {packed_bits + 7 >> 3} packed bytes, found {len(packed)}"
        raise MalformedBatch("column-length", text)
    unused = -packed_bits & 7
    if unused and packed[-1] & (1 << unused) - 1:
        raise MalformedBatch("column-padding", "expected zeros behind the last packed value")


def _residuals(series: list[Series], table: U64Array, n: int) -> U64Array:
    """Residuals by index, shape (len(series), n); index 0 and those behind a row's m are junk.

    The bytes are reversed: a window is then a little-endian number, and its residual a shift away.
    """
    buffer = b"".join([one[5] for one in series])[::-1] + _TAIL
    numbers = table.view(np.int64)
    bit = numbers[:, 5, None] - numbers[:, 4, None] * _STEPS[:n]
    byte = bit >> _THREE
    bit &= _SEVEN
    windows: U64Array = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))
    values = windows.take(byte, mode="clip")
    values >>= bit.view(np.uint64)
    if max([one[4] for one in series]) > _WINDOW_BITS:
        above = np.frombuffer(buffer, np.uint8).take(byte + 8, mode="clip").astype(np.uint64)
        values |= above << (_SIXTY_FOUR - bit).view(np.uint64)  # a shift by 64 gives 0
    values &= table[:, 3, None]
    return values


def apply_patches(bits: int, m: int, width: int, patches: list[int], residuals: U64Array) -> None:
    """Put the residuals that did not fit in their places; `patches` are pairs.

    Raises MalformedBatch `column-patch`, `field-order`.
    """
    last = 0
    if len(patches) & 1:
        _refuse_patch("pairs of an index and a residual", f"{len(patches)} items")
    pairs = iter(patches)
    for index, residual in zip(pairs, pairs, strict=True):
        if not last < index < m:
            _refuse_index(index, last, m)
        if residual >> width == 0 or residual >> bits:
            _refuse_patch(f"a residual of {width + 1} to {bits} bits", str(residual))
        if residuals[index]:
            _refuse_patch("zero bits where a patch stands", str(residuals[index]))
        residuals[index] = residual
        last = index


def _refuse_index(index: int, last: int, m: int) -> NoReturn:
    if 0 < index <= last:
        raise MalformedBatch("field-order", f"expected ascending patches, found {index} last")
    _refuse_patch(f"an index from 1 to {m - 1}", str(index))


def _refuse_patch(expected: str, found: str) -> NoReturn:
    raise MalformedBatch("column-patch", f"expected {expected}, found {found}")
