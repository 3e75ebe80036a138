"""What a station's page shows of its newest batches: hours of energy and power, events, readings.

Verified again for the request; what does not verify is not shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from meterseal.decode import decode, scale_factor_of, words_of
from meterseal.errors import ProfileError
from meterseal.models import Group, Meter, VerifiedBatch
from meterseal.profiles import Profile
from meterseal.profiles.sunspec import placed
from meterseal.verify import Verifier
from meterseal.verify.clock import UNKNOWN_MS
from meterseal.verify.totals import setup_words

HOUR_MS: Final = 3_600_000
POWER: Final = "power_w"
ENERGY: Final = "energy_import_wh"
MAX_EVENTS: Final = 60


@dataclass
class Series:
    """By hour of UTC: energy in Wh, highest power in W. `unverified`: batches left out.

    Energy across a gap of more than an hour belongs to no hour and is left out.
    """

    energy_wh: dict[int, float] = field(default_factory=dict)
    power_w: dict[int, float] = field(default_factory=dict)
    events: list[tuple[int, str, str]] = field(default_factory=list)
    findings: dict[str, str] = field(default_factory=dict)
    batches: int = 0
    unverified: int = 0


class Reader:
    """Makes the series of a device. `profiles`: by hash."""

    def __init__(self, profiles: Mapping[bytes, Profile], names: tuple[str, ...]) -> None:
        self._profiles, self._names = profiles, names

    def series(self, verifier: Verifier, batches: Iterable[bytes]) -> Series:
        """Of batches in the order of their chain."""
        found, last = Series(), dict[int, tuple[int, float]]()
        for verdict in verifier.verify_each(batches):
            if verdict.batch is None:
                found.unverified += 1
                continue
            found.batches += 1
            self._events(found, verdict.batch)
            for group in verdict.batch.groups:
                self._group(found, verdict.batch, group, last)
        del found.events[:-MAX_EVENTS]
        return found

    def _events(self, found: Series, batch: VerifiedBatch) -> None:
        for event in batch.contents.events:
            name = self._names[event.kind] if event.kind < len(self._names) else str(event.kind)
            detail = (one.hex() if isinstance(one, bytes) else str(one) for one in event.detail)
            found.events.append((batch.number, name, " ".join(detail)[:80]))
        found.findings |= {one.code: one.text for one in batch.findings}

    def _group(
        self, found: Series, batch: VerifiedBatch, group: Group, last: dict[int, tuple[int, float]]
    ) -> None:
        meter = batch.meters[group.meter]
        times = batch.clocks[group.boot].utc(group)
        middle = (times[0] + times[1]) // 2
        for hour, value in self._values(group, meter, middle, POWER):
            found.power_w[hour] = max(value, found.power_w.get(hour, value))
        for hour, value in self._values(group, meter, middle, ENERGY):
            before = last.get(meter.unit)
            if before is not None and value >= before[1] and hour - before[0] <= 1:
                found.energy_wh[hour] = found.energy_wh.get(hour, 0.0) + value - before[1]
            last[meter.unit] = hour, value

    def _values(
        self, group: Group, meter: Meter, middle: Any, name: str
    ) -> Iterable[tuple[int, float]]:
        """(hour, value) of a quantity; a picture needs no exact numbers."""
        known = self._profiles.get(meter.profile_hash)
        profile = known and placed(known, meter.identity)
        register = None if profile is None else profile.quantity(name)
        if profile is None or register is None:
            return
        factor = None
        if register.sf is not None:
            words = setup_words(meter, profile.setup[register.sf])
            factor = None if words is None else scale_factor_of(words)
        place = register.function, register.address, register.count
        column = next((one for one in group.columns if one[:3] == place), None)
        if column is None:
            return
        rows = np.arange(len(column.values)) if column.rows is None else column.rows
        for row, data in zip(rows.tolist(), column.words(), strict=True):
            try:
                value = decode(register, words_of(data), factor)
            except ProfileError:
                return
            if value is not None and 0 < middle[row] < UNKNOWN_MS:
                yield int(middle[row]) // HOUR_MS, value / 1000
