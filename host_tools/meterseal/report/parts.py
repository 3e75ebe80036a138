"""Parts of the report document: stations, meters, proof, inputs, methodology, evidence."""

from fractions import Fraction
from typing import Any

from meterseal.mrv.cuts import LAST_DAY_MS, local_day
from meterseal.mrv.exact import decimal_text
from meterseal.mrv.findings import withheld_text
from meterseal.mrv.installations import FOREVER_MS, Calibration
from meterseal.mrv.ledger import MeterLedger, treatment
from meterseal.mrv.merkle import upper_root
from meterseal.mrv.run import Outcome
from meterseal.mrv.segments import KINDS, energy_milliwh
from meterseal.report.numbers import total


def stations(outcome: Outcome) -> list[dict[str, Any]]:
    """Energy of each station, by month."""
    rows = []
    for name in sorted({one.installation.station for one in outcome.ledgers}):
        station = outcome.registry.stations[name]
        own = [one for one in outcome.months if one.station == name]
        rows.append(
            {
                "station": name,
                "name": station.name,
                "latitude_e7": station.latitude_e7,
                "longitude_e7": station.longitude_e7,
                "sources": [{"source": s, "share_ppm": p} for s, p in station.sources],
                "baseline_kwh": withheld_text(total(e for o in own for e in o.baseline.values())),
                "project_kwh": withheld_text(total(e for o in own for e in o.project.values())),
                "months": {
                    o.month: {
                        "baseline": {k: withheld_text(e) for k, e in sorted(o.baseline.items())},
                        "project": {k: withheld_text(e) for k, e in sorted(o.project.items())},
                    }
                    for o in own
                },
            }
        )
    return rows


def meter(outcome: Outcome, one: MeterLedger) -> dict[str, Any]:
    """One meter epoch: record, registers, energy, what was withheld."""
    installation, offset = one.installation, outcome.request.period.offset_min
    ended = installation.until_unix_ms < FOREVER_MS
    return {
        "meter": installation.key,
        "maker": installation.label[0],
        "serial": installation.label[1],
        "epoch": installation.epoch,
        "model": installation.model,
        "profile": installation.profile,
        "station": installation.station,
        "role": installation.role,
        "parent": "/".join(installation.parent or ()),
        "vehicle_class": installation.vehicle_class,
        "accuracy_class": installation.accuracy_class,
        "mpe_ppm": installation.mpe_ppm,
        "ct_ratio": list(installation.ct_ratio),
        "installed": local_day(installation.from_unix_ms, offset).isoformat(),
        "removed": local_day(installation.until_unix_ms, offset).isoformat() if ended else "",
        "devices": sorted({b.device for b in installation.bindings}),
        "calibrations": [_calibration(c, offset) for c in installation.calibrations],
        "opening_milliwh": one.opening_milliwh if one.opening_milliwh is not None else -1,
        "closing_milliwh": one.closing_milliwh if one.closing_milliwh is not None else -1,
        "register_kwh": withheld_text(Fraction(energy_milliwh(one.segments))),
        "baseline_kwh": withheld_text(one.baseline),
        "project_kwh": withheld_text(one.project),
        "counted_as_baseline": int(installation.key in outcome.accounts.credited),
        "withheld_kwh": {k: withheld_text(e) for k, e in sorted(one.withheld.items())},
        "excluded_kwh": {
            code: withheld_text(Fraction(energy_milliwh(parts)))
            for code, parts in sorted(one.excluded.items())
        },
        "months": {
            share.month: {
                "register_kwh": withheld_text(Fraction(share.register_milliwh)),
                "baseline_kwh": withheld_text(share.baseline),
                "project_kwh": withheld_text(share.project),
            }
            for share in sorted(one.shares.values(), key=lambda item: item.month)
        },
    }


def _calibration(one: Calibration, offset: int) -> dict[str, Any]:
    until = min(one.until_unix_ms, LAST_DAY_MS)
    return {
        "from": local_day(one.from_unix_ms, offset).isoformat(),
        "until": local_day(until, offset).isoformat(),
        "certificate_sha256": one.certificate,
        "mpe_ppm": one.mpe_ppm,
    }


def kinds(outcome: Outcome) -> list[dict[str, Any]]:
    """How well the energy is proven, over the meters that may earn baseline."""
    options = outcome.request.activity.methodology.options
    rows = []
    for kind in KINDS:
        own = [
            one
            for ledger in outcome.ledgers
            if ledger.installation.key in outcome.accounts.credited
            for one in ledger.segments
            if one.kind == kind
        ]
        rows.append(
            {
                "kind": kind,
                "kwh": withheld_text(Fraction(energy_milliwh(own))),
                "baseline": int(treatment(kind, options)),
                "project": 1,
            }
        )
    return rows


def consumption(outcome: Outcome) -> list[dict[str, Any]]:
    """Sampled specific consumption."""
    return [
        {
            "vehicle_class": one.vehicle_class,
            "samples": one.samples,
            "mean_kwh_per_km": decimal_text(one.mean, 9),
            "half_width_kwh_per_km": decimal_text(one.half_width, 9),
            "value_kwh_per_km": decimal_text(one.value, 9),
            "precise": int(one.precise),
        }
        for one in outcome.consumption.values()
    ]


def invoices(outcome: Outcome) -> list[dict[str, str]]:
    """Invoices beside what was metered."""
    return [
        {
            "station": invoice.station,
            "first_day": invoice.first.isoformat(),
            "last_day": invoice.last.isoformat(),
            "billed_kwh": decimal_text(invoice.energy_kwh, 3),
            "metered_kwh": decimal_text(metered, 3),
        }
        for invoice, metered in outcome.invoices
    ]


def methodology(outcome: Outcome) -> dict[str, Any]:
    """The methodology profile with its options and hashes."""
    profile = outcome.request.activity.methodology
    options = profile.options
    return {
        "id": profile.id,
        "title": profile.title,
        "calculator": profile.calculator,
        "source": profile.source,
        "equations": list(profile.equations),
        "sha256": profile.sha256,
        "parameters_sha256": outcome.request.activity.parameters.sha256,
        "options": {
            **{name: str(getattr(options, name)).lower() for name in sorted(options.__slots__)},
            "leakage_fraction_decimal": decimal_text(options.leakage_fraction, 9),
            "minimum_coverage_percent": decimal_text(options.minimum_coverage * 100, 2),
        },
    }


def evidence(outcome: Outcome) -> dict[str, Any]:
    """What the figures rest on, by hash."""
    request, results = outcome.request, outcome.results
    root = upper_root((one.device, one.tree_size, one.tree_root) for one in results)
    totals = {
        name: sum(one.counts[name] for one in results)
        for name in (
            "batches",
            "readings",
            "readings_recovered",
            "readings_unsynchronised",
            "readings_rejected",
        )
    }
    return {
        "merkle_root": root.hex(),
        "devices": [
            {"device": one.device, "batches": one.tree_size, "root": one.tree_root.hex()}
            for one in results
        ],
        "batches_in_tree": sum(one.tree_size for one in results),
        "batches_refused": sum(sum(one.refused.values()) for one in results),
        "counts": totals,
        "trust_head": outcome.trust.head,
        "operator": outcome.trust.operator,
        "anchored": int(outcome.trust.anchored),
        "second_roles": sorted(outcome.registry.second_roles),
        "second_roles_anchored": int(outcome.trust.second_anchored),
        "activity_sha256": request.activity.sha256,
        "inputs_sha256": request.activity.inputs.hashes(),
        "book_head": outcome.state.head,
    }
