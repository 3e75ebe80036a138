"""Energy registers of whole columns in mWh, exactly: what decode.py does for one value.

float32 patterns are exact in double precision, and so is their product with a power of ten up to
10^9 (24 bits and 21 bits): rounding once, half to even, gives what decode.py gives. All values for
which this does not hold are decoded one by one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterseal.models import Column
from meterseal.profiles.schema import SIGNED_TYPES, UNITS
from meterseal.verify.totals import ProfileTotal

I64Array = NDArray[np.int64]

_HIGHEST_F32: Final = 0x7F7FFFFF
_MAX_EXPONENT: Final = 9
_SAFE: Final = 1 << 62


def register_milliwh(column: Column, total: ProfileTotal) -> tuple[I64Array, NDArray[np.bool_]]:
    """Energies in mWh and which of the values are one; both of shape (m,)."""
    fast = _fast(column, total)
    if fast is not None:
        return fast, np.ones(len(fast), np.bool_)
    found = [_slow(int(value), column.order, total) for value in column.values]
    values = np.array([0 if one is None else one for one in found], np.int64)
    return values, np.array([one is not None for one in found], np.bool_)


def resolution_milliwh(total: ProfileTotal, register: int) -> int:
    """Largest step of the register for an energy close to `register` mWh."""
    text = total.register.resolution or ""
    number, _, unit = text.partition(" ")
    if number.isdigit() and unit in UNITS:
        return int(number) * int(10 ** (UNITS[unit][1] + 3))
    if total.register.type == "f32":
        return max(1, register >> 22)
    return int(10 ** max(0, _exponent(total)))


def _exponent(total: ProfileTotal) -> int:
    register = total.register
    assert register.unit is not None  # the total has one: the profile's schema
    return register.exp10 + UNITS[register.unit][1] + 3 + (total.scale_factor or 0)


def _fast(column: Column, total: ProfileTotal) -> I64Array | None:
    register, exponent, values = total.register, _exponent(total), column.values
    if total.order != column.order or not 0 <= exponent <= _MAX_EXPONENT:
        return None
    highest = int(values.max())
    if register.not_available and np.isin(values, register.not_available).any():
        return None
    if register.type == "f32":
        if highest > _HIGHEST_F32:
            return None
        exact = values.astype(np.uint32).view(np.float32).astype(np.float64) * 10.0**exponent
        return np.rint(exact).astype(np.int64) if exact.max() < _SAFE else None
    sign_bit = 16 * register.count - 1 if register.type in SIGNED_TYPES else 64
    if register.type == "f64" or highest >> sign_bit or highest * 10**exponent >= _SAFE:
        return None
    return values.astype(np.int64) * np.int64(10**exponent)


def _slow(value: int, order: int, total: ProfileTotal) -> int | None:
    rank = total.rank(value, order)
    return None if rank is None else total.exact_mwh(rank)
