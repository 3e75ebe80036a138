"""R9: what the utility billed against what was metered, to the day."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from meterseal.mrv.cuts import DAY_MS, Period, midnight_ms
from meterseal.mrv.exact import decimal_text, kwh
from meterseal.mrv.findings import Findings
from meterseal.mrv.inputs import Invoice
from meterseal.mrv.installations import Installation, Station
from meterseal.mrv.ledger import MeterLedger

PPM: Final = 1_000_000
BILLED: Final = "grid"


def span_ms(invoice: Invoice, period: Period) -> tuple[int, int]:
    """Begin and end of an invoice's days, ms since 1970."""
    return (
        midnight_ms(invoice.first, period.offset_min),
        midnight_ms(invoice.last, period.offset_min) + DAY_MS,
    )


def inside(invoice: Invoice, period: Period) -> bool:
    """Whether all of an invoice's days are reported."""
    return period.first <= invoice.first and invoice.last <= period.last


def cut_at_invoices(
    meters: Sequence[Installation], invoices: Sequence[Invoice], period: Period
) -> None:
    """Energy is accounted apart on both sides of an invoice's edges."""
    edges: dict[str, set[int]] = {}
    for one in invoices:
        if inside(one, period):
            edges.setdefault(one.station, set()).update(span_ms(one, period))
    for meter in meters:
        meter.more_cuts_unix_ms = tuple(sorted(edges.get(meter.station, ())))


def check_invoices(
    invoices: Sequence[Invoice],
    tops: Sequence[MeterLedger],
    stations: Mapping[str, Station],
    period: Period,
    tolerance: Fraction,
    findings: Findings,
) -> list[tuple[Invoice, Fraction]]:
    """Each invoice that can be compared, and the grid's part of what was metered, in kWh."""
    compared = []
    for invoice in invoices:
        days = f"{invoice.first} to {invoice.last}"
        if not inside(invoice, period):
            text = f"{days}: not all of it is in the period; not compared"
            findings.add("invoice-outside", invoice.station, text)
            continue
        own = [one for one in tops if one.installation.station == invoice.station]
        measured = kwh(_from_grid(own, stations, *span_ms(invoice, period)))
        compared.append((invoice, measured))
        if abs(measured - invoice.energy_kwh) > tolerance * invoice.energy_kwh:
            text = (
                f"{days}: {decimal_text(invoice.energy_kwh, 1)} kWh billed, "
                f"{decimal_text(measured, 1)} kWh from the grid metered"
            )
            findings.add("invoice-differs", invoice.station, text)
    return compared


def _from_grid(
    tops: Sequence[MeterLedger], stations: Mapping[str, Station], start_ms: int, end_ms: int
) -> Fraction:
    total = Fraction(0)
    for one in tops:
        station = stations[one.installation.station]
        for (mix, since, until), energy in one.by_span.items():
            if start_ms <= since and until <= end_ms:
                own = one.installation.source
                shares = {own: PPM} if own else dict(station.mixes[mix][1])
                total += energy * shares.get(BILLED, 0) / PPM
    return total
