"""Which meter epoch readings belong to: device, unit and time, as the registry has them.

Serial number and profile that the batch states are compared with the registry's; registers of the
meter's set-up (transformer ratios, measuring system) with those at its first reading.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from meterseal.errors import MethodologyError
from meterseal.models import Meter
from meterseal.mrv.cuts import Slots
from meterseal.mrv.energy import I64Array
from meterseal.mrv.installations import Binding, Installation
from meterseal.mrv.segments import SETUP_CHANGED
from meterseal.profiles import Profile
from meterseal.serials import serial_of
from meterseal.trust_fields import plain_serial
from meterseal.verify.totals import ProfileTotal, ProfileTotals

ACCEPTED: Final = "accepted"
OUTSIDE: Final = "outside-installation"
NOT_COUNTERSIGNED: Final = "not-countersigned"
PROFILE_UNKNOWN: Final = "profile-unknown"
PROFILE_MISMATCH: Final = "profile-mismatch"
SERIAL_MISMATCH: Final = "serial-mismatch"
SET_ASIDE: Final = "set-aside"
__all__ = ["SETUP_CHANGED"]


class Bound(NamedTuple):
    """A meter epoch with what its walk needs."""

    installation: Installation
    total: ProfileTotal
    slots: Slots
    year_cuts: frozenset[int]
    max_interval_ms: int
    power_mw: int

    def snap(self, times: I64Array, earliest: I64Array, latest: I64Array) -> I64Array:
        """Times; a reading that may have been taken at a cut was taken at the cut."""
        slot = self.slots.of(int(earliest[0]))
        if self.slots.end_ms(slot) > int(latest[-1]):
            return times
        times = times.copy()
        for cut in self.slots.cuts[slot:]:
            if cut > latest[-1]:
                break
            near = int(abs(times - cut).argmin())
            if earliest[near] <= cut <= latest[near]:
                times[near] = cut
        return times

    def setup_text(self, meter: Meter) -> str:
        """The set-up registers as one text; empty if they were not read."""
        return " ".join(f"{one.function}:{one.address}:{one.words.hex()}" for one in meter.setup)


class Found(NamedTuple):
    """Part of a group: readings with first <= time < last, or all of them (None)."""

    bound: Bound | None
    status: str
    first: int | None
    last: int | None


class Binder:
    """Finds meter epochs for the readings of one device."""

    def __init__(
        self,
        device: str,
        bounds: Sequence[tuple[Installation, Slots]],
        profiles: Mapping[bytes, Profile],
        rules: "Plausibility",
        first_setups: Mapping[str, str],
    ) -> None:
        """`bounds`: epochs that this device reads; `first_setups`: set-up known before."""
        self._device = device
        self._profiles = profiles
        self._totals = ProfileTotals(profiles)
        self._rules = rules
        self._setups = dict(first_setups)
        self._windows: list[tuple[Binding, Installation, Slots]] = [
            (binding, installation, slots)
            for installation, slots in bounds
            for binding in installation.bindings
            if binding.device == device
        ]
        self._known: dict[tuple[Meter, str], tuple[Bound | None, str]] = {}
        self._recent: dict[int, tuple[Binding, Installation, Slots]] = {}

    def find(self, meter: Meter, first_ms: int, last_ms: int) -> list[Found]:
        """Epochs of readings from `first_ms` to `last_ms`.

        Raises MethodologyError `meter-unregistered` for a unit that this device never had, unless
        it has none at all: then nothing of it counts, and the report says so.
        """
        window = self._recent.get(meter.unit)
        if window and window[0].from_unix_ms <= first_ms and last_ms < window[0].until_unix_ms:
            bound, status = self._judge(meter, window[1], window[2])
            return [Found(bound, status, None, None)]
        windows = [one for one in self._windows if one[0].unit_id == meter.unit]
        counted = [one for one in windows if one[1].countersigned]
        windows = counted or windows
        if not self._windows:
            return [Found(None, OUTSIDE, None, None)]
        if not windows:
            raise MethodologyError(
                "meter-unregistered",
                f"expected every meter of device {self._device} in the registry, "
                f"found readings of unit {meter.unit}",
                "Register and countersign the meter, or find out who connected it.",
            )
        return self._split(meter, windows, first_ms, last_ms)

    def _split(
        self,
        meter: Meter,
        windows: Iterable[tuple[Binding, Installation, Slots]],
        first_ms: int,
        last_ms: int,
    ) -> list[Found]:
        found = []
        at = first_ms
        for window in sorted(windows, key=lambda one: one[0].from_unix_ms):
            binding = window[0]
            start, end = max(at, binding.from_unix_ms), min(last_ms + 1, binding.until_unix_ms)
            if start >= end:
                continue
            if at < start:
                found.append(Found(None, OUTSIDE, at, start))
            found.append(Found(*self._judge(meter, window[1], window[2]), start, end))
            at = end
            self._recent[meter.unit] = window
        if at <= last_ms:
            found.append(Found(None, OUTSIDE, at, last_ms + 1))
        return found

    def _judge(
        self, meter: Meter, installation: Installation, slots: Slots
    ) -> tuple[Bound | None, str]:
        key = meter, installation.key
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._examine(meter, installation, slots)
        return known

    def _examine(
        self, meter: Meter, installation: Installation, slots: Slots
    ) -> tuple[Bound | None, str]:
        profile = self._profiles.get(meter.profile_hash)
        total = self._totals.of(meter)
        if profile is None or not isinstance(total, ProfileTotal):
            return None, PROFILE_UNKNOWN
        bound = self._rules.bound(installation, total, slots)
        if not installation.countersigned:
            return bound, NOT_COUNTERSIGNED
        if meter.profile != installation.profile or profile.id != installation.profile:
            return bound, PROFILE_MISMATCH
        serial = serial_of(meter, profile)
        if serial and plain_serial(serial) != installation.meter[1]:
            return bound, SERIAL_MISMATCH
        setup = bound.setup_text(meter)
        if setup and self._setups.setdefault(installation.key, setup) != setup:
            return bound, SETUP_CHANGED
        return bound, ACCEPTED


class Plausibility(NamedTuple):
    """What bounds the walks of all meters: gap length, tolerance above rated power, year cuts."""

    max_interval_ms: int
    tolerance_ppm: int
    year_cuts: frozenset[int]

    def bound(self, installation: Installation, total: ProfileTotal, slots: Slots) -> Bound:
        """A meter epoch with its limits."""
        power_mw = installation.rated_w * (1_000_000 + self.tolerance_ppm) // 1000
        return Bound(installation, total, slots, self.year_cuts, self.max_interval_ms, power_mw)
