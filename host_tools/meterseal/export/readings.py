"""Verified readings, decoded by profile: one row for each reading and quantity.

The words stay beside the value, so that anybody can decode them again with another profile; batch
number and hash say where the signature is. Values are exact; no float is involved.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from meterseal.decode import decode, scale_factor_of, words_of
from meterseal.errors import ProfileError
from meterseal.models import Column, Group, Meter, VerifiedBatch
from meterseal.profiles import Profile, Register, build
from meterseal.profiles.sunspec import placed
from meterseal.serials import serial_of
from meterseal.verify.totals import setup_words

STATUSES: Final = ("ok", "timeout", "crc", "exception", "other")
FLAGS: Final = ("retried", "implausible", "partial")
"""Bits of the flags of a reading (WIRE_FORMAT section 4.4)."""


_NOTHING: Final = ("", None, "")


class Row(NamedTuple):
    """A reading of one quantity. UTC lies between the two times, ms since 1970.

    `quantity`: as named in the profile, its last word is the unit, and `value_milli` is in
    thousandths of it; a register that no profile here knows is named by function and address, with
    no value. A reading that failed is one row without quantity, words and value.
    """

    station: str
    device: str
    profile: str
    meter: str
    unit_id: int
    batch_number: int
    batch_hash: str
    boot: int
    sequence: int
    earliest_unix_ms: int
    latest_unix_ms: int
    status: str
    flags: str
    quantity: str
    value_milli: int | None
    words: str


class Decoder:
    """Decodes readings with the profiles of some directories, found by their hash."""

    def __init__(self, profiles: Mapping[bytes, Profile]) -> None:
        self._profiles = profiles

    @classmethod
    def load(cls, *directories: Path) -> "Decoder":
        """Raises ProfileError for a profile file that is defective."""
        paths = [path for one in directories for path in sorted(one.glob("*.json"))]
        found = [build(path.read_bytes()) for path in paths]
        return cls({profile.hash_16: profile for profile in found})

    def rows(self, batch: VerifiedBatch) -> Iterator[Row]:
        """Rows of a batch, meter by meter, in the order of the readings."""
        for group in batch.groups:
            yield from self._rows(batch, group)

    def _rows(self, batch: VerifiedBatch, group: Group) -> Iterator[Row]:
        meter = batch.meters[group.meter]
        known = self._profiles.get(meter.profile_hash)
        profile = known and placed(known, meter.identity)
        serial = serial_of(meter, known) if known else ""
        head = (batch.station, batch.kid.hex(), meter.profile, serial, meter.unit)
        place = (batch.number, batch.hash.hex(), group.boot)
        earliest, latest = batch.clocks[group.boot].utc(group)
        columns = [_Decoded(one, meter, profile) for one in group.columns]
        for row, sequence in enumerate(group.sequence.tolist()):
            status = STATUSES[min(int(group.status[row]), len(STATUSES) - 1)]
            flags = "+".join(n for bit, n in enumerate(FLAGS) if group.flags[row] >> bit & 1)
            when = (int(sequence), int(earliest[row]), int(latest[row]), status, flags)
            cells = [cell for cell in (one.at(row) for one in columns) if cell is not None]
            for cell in cells or [_NOTHING]:
                yield Row._make((*head, *place, *when, *cell))


class _Decoded:
    """One column and how its values decode."""

    def __init__(self, column: Column, meter: Meter, profile: Profile | None) -> None:
        rows = np.arange(len(column.values)) if column.rows is None else column.rows
        self._words = dict(zip(rows.tolist(), column.words(), strict=True))
        self._register = None if profile is None else _register_of(profile, column)
        self._factor = self._scale_factor(meter, profile)
        place = f"fn{column.function}:0x{column.address:04x}"
        self._name = place if self._register is None else self._register.name

    def _scale_factor(self, meter: Meter, profile: Profile | None) -> int | None:
        if profile is None or self._register is None or self._register.sf is None:
            return None
        words = setup_words(meter, profile.setup[self._register.sf])
        return None if words is None else scale_factor_of(words)

    def at(self, row: int) -> tuple[str, int | None, str] | None:
        """Quantity, value, words of a reading; None if the register was not read."""
        data = self._words.get(row)
        if data is None:
            return None
        value = None
        if self._register is not None:
            try:
                value = decode(self._register, words_of(data), self._factor)
            except ProfileError:
                value = None  # the meter gave no scale factor: the words are there
        return self._name, value, data.hex()


def _register_of(profile: Profile, column: Column) -> Register | None:
    place = column.function, column.address, column.count
    for one in (*profile.registers.values(), *profile.resettable.values()):
        if (one.function, one.address, one.count) == place and one.unit is not None:
            return one
    return None
