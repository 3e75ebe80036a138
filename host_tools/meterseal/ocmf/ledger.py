"""OCMF records of verified batches: signature, pages, agreement with the sealed registers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterseal.errors import VerificationError
from meterseal.models import Finding, VerifiedBatch
from meterseal.ocmf import agreement
from meterseal.ocmf.record import Record, check_signature, read
from meterseal.ocmf.sealed import SealedRegisters
from meterseal.trust import TrustedKey
from meterseal.verify.totals import Totals

OCMF_KEY: Final = 18
EVENT_SESSION: Final = 16
PROVEN, NOT_COMPARED, REFUTED = "proven", "not compared", "refuted"


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

    @property
    def verdict(self) -> str:
        """`proven` only if every register was compared with a sealed one."""
        if not self.good:
            return REFUTED
        unbacked = any(one.code == "ocmf-unbacked" for one in self.findings)
        return NOT_COMPARED if unbacked else PROVEN


class Ledger:
    """Takes batches in the order in which they were verified; the newest are looked back at."""

    def __init__(self, keys: Mapping[bytes, TrustedKey], totals: Totals) -> None:
        self._keys = keys
        self._sealed = SealedRegisters(totals)
        self._meters = agreement.Meters()
        self._pages: dict[tuple[bytes, str], int] = {}
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
        texts = batch.contents.extra.get(OCMF_KEY, ())
        events = any(one.kind == EVENT_SESSION for one in batch.contents.events)
        self._sealed.take(batch, bool(texts) or events)
        for text in texts:
            self._take_record(batch, text)

    def _take_record(self, batch: VerifiedBatch, text: str) -> None:
        key = self._keys[batch.kid]
        try:
            record = read(text)
            check_signature(record, key.public_key)
        except VerificationError as refusal:
            self.refused.append((batch.kid, refusal))
            return
        found = (
            self._page(batch.kid, record, batch.number)
            + agreement.in_itself(record, batch.number)
            + self._compare(batch, record)
            + self._meters.apart(batch.kid, record, batch.number)
        )
        if record.gateway != batch.kid.hex():
            text = f"{record.page}: expected GS {batch.kid.hex()}, found {record.gateway[:40]}"
            found.append(Finding("ocmf-gateway", "error", text, batch.number))
        self.checked.append(
            Checked(batch.kid, batch.station, key.public_key, record, tuple(found))
        )

    def _page(self, kid: bytes, record: Record, number: int) -> list[Finding]:
        context, page = record.page[0], int(record.page[1:])
        last = self._pages.get((kid, context))
        self._pages[kid, context] = max(page, last or 0)
        if last is None or page == last + 1:
            return []
        if page <= last:
            text = f"page {record.page} came after {context}{last}"
            return [Finding("ocmf-page-repeated", "error", text, number)]
        text = f"pages {context}{last + 1} to {context}{page - 1} are not here"
        return [Finding("ocmf-page-gap", "warning", text, number)]

    def _compare(self, batch: VerifiedBatch, record: Record) -> list[Finding]:
        """Registers, times and the meter itself against what was sealed."""
        found, sealed = [], []
        for reading in record.readings:
            one = None
            if reading.sequence is not None:
                one = self._sealed.find(batch.kid, reading.sequence)
            found += agreement.with_sealed(record, reading, one, batch.number)
            if one is not None:
                sealed.append(one)
        return found + self._meters.same(batch.kid, record, sealed, batch.number)
