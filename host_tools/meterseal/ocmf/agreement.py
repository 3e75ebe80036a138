"""What speaks against a record: in itself, against the sealed registers, against other records.

A record is signed by the device; a wrong device, or whoever has its key, can sign anything. What
the chain says of the same meter and time cannot be chosen afterwards. Pure.
"""

from decimal import Decimal
from typing import Final

from meterseal.models import Finding
from meterseal.ocmf.record import Reading, Record
from meterseal.ocmf.sealed import SealedRegister

BEGIN: Final = "B"
ENDS: Final = frozenset("ELRAP")
MIDDLE: Final = frozenset("CXST")
CLOCK_TOLERANCE_MS: Final = 2_000
"""What a clock that a record calls synchronised may be off (firmware: FRESH_MS)."""
_MWH_IN_KWH: Final = 1_000_000


def in_itself(record: Record, number: int) -> list[Finding]:
    """One begin, one end, nothing that falls between them (OCMF 1.4.1, TX)."""
    if not record.is_session:
        return []
    places = [one.place for one in record.readings]
    right = len(places) > 1 and places[0] == BEGIN and places[-1] in ENDS
    if not right or not set(places[1:-1]) <= MIDDLE:
        text = f"{record.page}: expected readings from B to an end, found {' '.join(places)[:40]}"
        return [Finding("ocmf-order", "error", text, number)]
    times = [one.t_unix_ms for one in record.readings]
    values = [one.rv_kwh for one in record.readings if one.rv_kwh is not None]
    if times != sorted(times) or values != sorted(values):
        text = f"{record.page}: time or register falls between begin and end"
        return [Finding("ocmf-order", "error", text, number)]
    return []


def with_sealed(
    record: Record, reading: Reading, sealed: SealedRegister | None, number: int
) -> list[Finding]:
    """Register and time of one reading against the sealed reading that it names."""
    if reading.rv_kwh is None:
        return []
    if sealed is None or sealed.energy_import_mwh is None:
        text = f"{record.page}: no sealed register here for its reading of {reading.time}"
        severity = "error" if reading.sequence is None else "warning"
        return [Finding("ocmf-unbacked", severity, text, number)]
    found = []
    step = Decimal(1).scaleb(int(reading.rv_kwh.as_tuple().exponent))
    if abs(reading.rv_kwh - Decimal(sealed.energy_import_mwh) / _MWH_IN_KWH) * 2 > step:
        text = f"RV {reading.rv_kwh} kWh, the sealed register says {sealed.energy_import_mwh} mWh"
        found.append(Finding("ocmf-register", "error", f"{record.page}: {text}", number))
    low = sealed.earliest_unix_ms - CLOCK_TOLERANCE_MS
    high = sealed.latest_unix_ms + CLOCK_TOLERANCE_MS
    if reading.is_synchronised and not low <= reading.t_unix_ms <= high:
        text = f"{record.page}: {reading.time} is not the sealed time of its reading"
        found.append(Finding("ocmf-time", "error", text, number))
    return found


class Meters:
    """One serial number for each meter, and no energy of a meter in two sessions."""

    def __init__(self) -> None:
        self._serials: dict[tuple[bytes, tuple[object, ...]], str] = {}
        self._billed: dict[tuple[bytes, str], tuple[Decimal, str]] = {}

    def same(
        self, kid: bytes, record: Record, sealed: list[SealedRegister], number: int
    ) -> list[Finding]:
        """All readings are of one meter, which has the same serial number in every record."""
        meters = {one.meter for one in sealed}
        if len(meters) > 1:
            text = f"{record.page}: readings of {len(meters)} meters in one record"
            return [Finding("ocmf-meter", "error", text, number)]
        for meter in meters:
            known = self._serials.setdefault((kid, meter), record.meter)
            if known != record.meter:
                text = f"{record.page}: MS {record.meter[:40]}, the same meter was {known[:40]}"
                return [Finding("ocmf-meter", "error", text, number)]
        return []

    def apart(self, kid: bytes, record: Record, number: int) -> list[Finding]:
        """A session begins where the one before ended, or later."""
        values = [one.rv_kwh for one in record.readings if one.rv_kwh is not None]
        if not record.is_session or not values:
            return []
        key = kid, record.meter
        end, page = self._billed.get(key, (values[0], ""))
        if values[-1] >= end:
            self._billed[key] = values[-1], record.page
        if values[0] >= end:
            return []
        text = f"{record.page} begins at {values[0]} kWh, {page} ended at {end} kWh already"
        return [Finding("ocmf-overlap", "error", text, number)]
