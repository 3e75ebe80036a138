"""The cumulative energy register of a meter: where it is, how it decodes (by profile).

A profile is found by the SHA-256 that the batch names; the reading stays evidence without it.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from meterseal.decode import decode, scale_factor_of, words_of
from meterseal.errors import ProfileError
from meterseal.models import Column, Meter, undo_order
from meterseal.profiles import Profile, Register, build
from meterseal.profiles.schema import FLOAT_TYPES, ORDERS, SIGNED_TYPES, UNITS

_FLOAT_FORMS: Final = {"f32": ">f", "f64": ">d"}


class Total(Protocol):
    """A register that only counts up as long as the meter epoch is the same.

    `rank` turns a column's integer into one that ascends with the energy, None where the meter
    said that it has no value; `wh` is only for plausibility; `exact_mwh` is what counts.
    """

    @property
    def function(self) -> int:
        """Modbus function code."""

    @property
    def address(self) -> int:
        """Address of the first register."""

    @property
    def count(self) -> int:
        """Number of registers."""

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


@dataclass(frozen=True)
class ProfileTotal:
    """The total of a profile, for a meter with the scale factor in its setup registers."""

    register: Register
    scale_factor: int | None

    @property
    def function(self) -> int:
        """Modbus function code."""
        return self.register.function

    @property
    def address(self) -> int:
        """Address of the first register."""
        return self.register.address

    @property
    def count(self) -> int:
        """Number of registers."""
        return self.register.count

    @cached_property
    def _order(self) -> int:
        reverse_words, swap_bytes = ORDERS[self.register.order]
        return reverse_words | swap_bytes << 1

    @cached_property
    def _highest(self) -> int:
        """The greatest raw value that is a count: no sign, no NaN."""
        bits = 16 * self.count
        if self.register.type in FLOAT_TYPES:
            return 0x7F7FFFFF if bits == 32 else 0x7FEFFFFFFFFFFFFF
        return (1 << bits - (self.register.type in SIGNED_TYPES)) - 1

    def rank(self, value: int, order: int) -> int | None:
        """The raw value: patterns of positive floats ascend as the floats do (IEEE 754)."""
        if order != self._order:
            as_sent = int.from_bytes(undo_order(value, self.count, order), "big")
            value = int.from_bytes(undo_order(as_sent, self.count, self._order), "big")
        if value > self._highest or value in self.register.not_available:
            return None
        return value

    def wh(self, rank: int) -> float:
        """About the energy in Wh."""
        form = _FLOAT_FORMS.get(self.register.type)
        number = float(rank)
        if form:
            number = struct.unpack(form, rank.to_bytes(2 * self.count, "big"))[0]
        return number * self._factor

    @cached_property
    def _factor(self) -> float:
        assert self.register.unit is not None  # the total has one: the profile's schema
        exponent = self.register.exp10 + UNITS[self.register.unit][1] + (self.scale_factor or 0)
        return float(Fraction(10) ** exponent)

    def exact_mwh(self, rank: int) -> int | None:
        """The energy in mWh."""
        data = undo_order(rank, self.count, self._order)
        return decode(self.register, words_of(data), self.scale_factor)


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
        return cls({profile.sha256: profile for profile in profiles})

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
        register = profile.total
        if register.sf is None:
            return ProfileTotal(register, None)
        words = _setup_words(meter, profile.setup[register.sf])
        try:
            return None if words is None else ProfileTotal(register, scale_factor_of(words))
        except ProfileError:
            return None  # the meter sent no scale factor: its evidence cannot be decoded


def _setup_words(meter: Meter, register: Register) -> list[int] | None:
    """Words of a register out of the blocks of `setup`."""
    for block in meter.setup:
        words = words_of(block.words)
        start = register.address - block.address
        if block.function == register.function and 0 <= start <= len(words) - register.count:
            return words[start : start + register.count]
    return None


def total_column(total: Total, columns: tuple[Column, ...]) -> Column | None:
    """The column that holds the total."""
    wanted = total.function, total.address, total.count
    return next((column for column in columns if column[:3] == wanted), None)
