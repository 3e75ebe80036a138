"""The cumulative energy register of a meter: where it is, how it decodes (by profile).

A profile is found by the SHA-256 that the batch names; the reading stays evidence without it.
"""

import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

from meterseal.decode import decode, scale_factor_of, words_of
from meterseal.errors import ProfileError
from meterseal.models import Column, Meter, undo_order
from meterseal.profiles import Profile, Register, build
from meterseal.profiles.schema import FLOAT_TYPES, ORDERS, SIGNED_TYPES, UNITS
from meterseal.profiles.sunspec import placed

_FLOAT_FORMS: Final = {"f32": ">f", "f64": ">d"}


class Total(Protocol):
    """A register that only counts up as long as the meter epoch is the same.

    `rank` turns a column's integer into one that ascends with the energy, None where the meter
    said that it has no value; `wh` is only for plausibility; `exact_mwh` is what counts.
    """

    @property
    def place(self) -> tuple[int, int, int]:
        """Function, address and count of its column."""

    def rank(self, value: int, order: int) -> int | None:
        """Order of a column's value; values of equal order are the same energy."""

    def wh(self, rank: int) -> float:
        """About how many Wh a rank stands for."""

    def exact_mwh(self, rank: int) -> int | None:
        """The energy in mWh, exact (decode.py)."""


class Totals(Protocol):
    """Finds the total register of a meter epoch."""

    def of(self, meter: Meter) -> Total | None:
        """None if the profile is not known here."""


class ProfileTotal:
    """The total of a profile, for a meter with the scale factor in its setup registers."""

    def __init__(self, register: Register, scale_factor: int | None) -> None:
        self.place = register.function, register.address, register.count
        self.register = register
        self.scale_factor = scale_factor
        reverse_words, swap_bytes = ORDERS[register.order]
        self.order = reverse_words | swap_bytes << 1
        self._highest = _highest(register)
        self._not_available = frozenset(register.not_available)
        form = _FLOAT_FORMS.get(register.type)
        self._unpack = None if form is None else struct.Struct(form).unpack
        assert register.unit is not None  # the total has one: the profile's schema
        exponent = register.exp10 + UNITS[register.unit][1] + (scale_factor or 0)
        self._factor = float(Fraction(10) ** exponent)

    def rank(self, value: int, order: int) -> int | None:
        """The raw value: patterns of positive floats ascend as the floats do (IEEE 754)."""
        if order != self.order:
            count = self.place[2]
            as_sent = int.from_bytes(undo_order(value, count, order), "big")
            value = int.from_bytes(undo_order(as_sent, count, self.order), "big")
        return None if value > self._highest or value in self._not_available else value

    def wh(self, rank: int) -> float:
        """About the energy in Wh."""
        if self._unpack is None:
            return rank * self._factor
        number: float = self._unpack(rank.to_bytes(2 * self.place[2], "big"))[0]
        return number * self._factor

    def exact_mwh(self, rank: int) -> int | None:
        """The energy in mWh."""
        data = undo_order(rank, self.place[2], self.order)
        return decode(self.register, words_of(data), self.scale_factor)


def _highest(register: Register) -> int:
    """The greatest raw value that is a count: no sign, no NaN, no infinity."""
    bits = 16 * register.count
    if register.type in FLOAT_TYPES:
        return 0x7F7FFFFF if bits == 32 else 0x7FEFFFFFFFFFFFFF
    return (1 << bits - (register.type in SIGNED_TYPES)) - 1


class ProfileTotals:
    """Totals of the profiles in a directory, by the hash of each file."""

    def __init__(self, profiles: Mapping[bytes, Profile]) -> None:
        self._profiles = profiles
        self._found: dict[Meter, Total | None] = {}

    @classmethod
    def load(cls, *directories: Path) -> "ProfileTotals":
        """Every profile file of the directories. Raises ProfileError for one that is defective."""
        paths = [path for directory in directories for path in sorted(directory.glob("*.json"))]
        profiles = [build(path.read_bytes()) for path in paths]
        return cls({profile.hash_16: profile for profile in profiles})

    def of(self, meter: Meter) -> Total | None:
        """The total of a meter epoch; None if no file has the hash that the batch names."""
        if meter not in self._found:
            if len(self._found) > 10_000:
                self._found.clear()
            self._found[meter] = self._find(meter)
        return self._found[meter]

    def _find(self, meter: Meter) -> Total | None:
        profile = self._profiles.get(meter.profile_hash)
        if profile is None:
            return None
        profile = placed(profile, meter.identity)
        register = profile.total
        if register.sf is None:
            return ProfileTotal(register, None)
        words = setup_words(meter, profile.setup[register.sf])
        try:
            return None if words is None else ProfileTotal(register, scale_factor_of(words))
        except ProfileError:
            return None  # the meter sent no scale factor: its evidence cannot be decoded


def setup_words(meter: Meter, register: Register) -> list[int] | None:
    """Words of a register out of the blocks of `setup`; None if they are not there."""
    for block in meter.setup:
        words = words_of(block.words)
        start = register.address - block.address
        if block.function == register.function and 0 <= start <= len(words) - register.count:
            return words[start : start + register.count]
    return None


def total_column(total: Total, columns: tuple[Column, ...]) -> Column | None:
    """The column that holds the total."""
    function, address, count = total.place
    for column in columns:
        if column.address == address and column.function == function and column.count == count:
            return column
    return None
