"""OCMF records of verified batches: signature, pages, agreement with the sealed registers."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from meterseal.errors import VerificationError
from meterseal.models import Finding, Group, Meter, VerifiedBatch
from meterseal.ocmf.record import Reading, Record, check_signature, read
from meterseal.trust import TrustedKey
from meterseal.verify.totals import Totals, total_column

OCMF_KEY: Final = 18
_MOST_BATCHES: Final = 128  # a session is seldom longer, and devices are many
_MWH_IN_KWH: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A record with what was found; `good` if nothing speaks against it."""

    kid: bytes
    station: str
    public_key: bytes
    record: Record
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """No finding is an error."""
        return all(one.severity != "error" for one in self.findings)


@dataclass
class _Device:
    pages: dict[str, int] = field(default_factory=dict)
    batches: deque[tuple[tuple[Group, ...], tuple[Meter, ...]]] = field(
        default_factory=lambda: deque(maxlen=_MOST_BATCHES)
    )


class Ledger:
    """Takes batches in the order in which they were verified; the newest are looked back at."""

    def __init__(self, keys: Mapping[bytes, TrustedKey], totals: Totals) -> None:
        self._keys = keys
        self._totals = totals
        self._devices: dict[bytes, _Device] = {}
        self.checked: list[Checked] = []
        self.refused: list[tuple[bytes, VerificationError]] = []

    @property
    def good(self) -> bool:
        """Nothing was refused and no record has an error."""
        return not self.refused and all(one.good for one in self.checked)

    def take(self, batch: VerifiedBatch) -> None:
        """The records of one batch; a repeated batch says nothing new."""
        if not batch.fresh:
            return
        device = self._devices.setdefault(batch.kid, _Device())
        device.batches.append((batch.groups, batch.meters))
        for text in batch.contents.extra.get(OCMF_KEY, ()):
            self._take_record(batch, device, text)

    def _take_record(self, batch: VerifiedBatch, device: _Device, text: str) -> None:
        key = self._keys[batch.kid]
        try:
            record = read(text)
            check_signature(record, key.public_key)
        except VerificationError as refusal:
            self.refused.append((batch.kid, refusal))
            return
        found = self._page(device, record, batch.number)
        for reading in record.readings:
            found += self._agree(device, record, reading, batch.number)
        if record.gateway != batch.kid.hex():
            text = f"{record.page}: expected GS {batch.kid.hex()}, found {record.gateway[:40]}"
            found.append(Finding("ocmf-gateway", "error", text, batch.number))
        self.checked.append(
            Checked(batch.kid, batch.station, key.public_key, record, tuple(found))
        )

    def _page(self, device: _Device, record: Record, number: int) -> list[Finding]:
        context, page = record.page[0], int(record.page[1:])
        last = device.pages.get(context)
        device.pages[context] = max(page, last or 0)
        if last is None or page == last + 1:
            return []
        if page <= last:
            text = f"page {record.page} came after {context}{last}"
            return [Finding("ocmf-page-repeated", "error", text, number)]
        text = f"pages {context}{last + 1} to {context}{page - 1} are not here"
        return [Finding("ocmf-page-gap", "warning", text, number)]

    def _agree(
        self, device: _Device, record: Record, reading: Reading, number: int
    ) -> list[Finding]:
        """The printed register has to be the sealed one, to the last digit that is printed."""
        if reading.rv_kwh is None:
            return []
        sealed = None if reading.sequence is None else self._sealed(device, reading.sequence)
        if sealed is None:
            text = f"{record.page}: no sealed register here for its reading of {reading.time}"
            return [Finding("ocmf-unbacked", "warning", text, number)]
        step = Decimal(1).scaleb(int(reading.rv_kwh.as_tuple().exponent))
        if abs(reading.rv_kwh - Decimal(sealed) / _MWH_IN_KWH) * 2 <= step:
            return []
        text = f"{record.page}: RV {reading.rv_kwh} kWh, the sealed register says {sealed} mWh"
        return [Finding("ocmf-register", "error", text, number)]

    def _sealed(self, device: _Device, sequence: int) -> int | None:
        """Register of a sealed reading in mWh."""
        for groups, meters in reversed(device.batches):
            for group in groups:
                if group.sequence[0] <= sequence <= group.sequence[-1]:
                    rows = (group.sequence == sequence).nonzero()[0]
                    if len(rows):
                        return self._register(group, meters[group.meter], int(rows[0]))
        return None

    def _register(self, group: Group, meter: Meter, row: int) -> int | None:
        total = self._totals.of(meter)
        column = None if total is None else total_column(total, group.columns)
        if total is None or column is None:
            return None
        place = row
        if column.rows is not None:
            places = (column.rows == row).nonzero()[0]
            if not len(places):
                return None
            place = int(places[0])
        rank = total.rank(int(column.values[place]), column.order)
        return None if rank is None else total.exact_mwh(rank)
