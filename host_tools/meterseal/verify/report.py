"""What a verifier knows at the end: chains with what is missing, meters with their energy."""

from typing import NamedTuple

from meterseal.models import Finding, Meter
from meterseal.verify import links
from meterseal.verify.chain import ChainState
from meterseal.verify.device import DeviceState
from meterseal.verify.findings import ERROR
from meterseal.verify.meters import MeterState, energy_mwh
from meterseal.verify.totals import Totals
from meterseal.verify.verifier import Verifier


class ChainReport(NamedTuple):
    """A chain, as far as it was verified. `findings`: what is missing, what was stated lost."""

    chain: bytes
    first_number: int
    last_number: int
    last_hash: bytes
    batches: int
    readings: int
    findings: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """Nothing between its first and its last batch is missing without a statement."""
        return all(finding.severity != ERROR for finding in self.findings)


class MeterReport(NamedTuple):
    """Proven energy of a meter, mWh, from its first to its newest reading.

    `across_gaps_mwh` is the part of it that passed while batches or readings are missing;
    `energy_import_mwh` is None where the profile is not known.
    """

    meter: Meter
    energy_import_mwh: int | None
    across_gaps_mwh: int


class DeviceReport(NamedTuple):
    """A device with its chains and meters."""

    kid: bytes
    station: str
    chains: tuple[ChainReport, ...]
    meters: tuple[MeterReport, ...]


def report(verifier: Verifier) -> list[DeviceReport]:
    """Every device that a verifier accepted batches of, in the order of their ids."""
    return [report_of(verifier, kid) for kid in sorted(verifier.devices)]


def report_of(verifier: Verifier, kid: bytes) -> DeviceReport:
    """One of these devices."""
    device = verifier.devices[kid]
    return DeviceReport(
        kid,
        verifier.trust.keys[kid].station if kid in verifier.trust.keys else "",
        tuple(_chain(chain) for chain in device.chains.values()),
        _meters(device, verifier.totals),
    )


def _chain(state: ChainState) -> ChainReport:
    findings = [
        finding for gap in state.gaps for finding in links.missing(gap, state.stated, final=True)
    ]
    return ChainReport(
        state.chain,
        state.first_number,
        state.last_number,
        state.last_hash,
        state.batches,
        state.readings,
        tuple(findings),
    )


def _meters(device: DeviceState, totals: Totals) -> tuple[MeterReport, ...]:
    return tuple(_meter(state, totals) for _, state in sorted(device.meters.by_unit.items()))


def _meter(state: MeterState, totals: Totals) -> MeterReport:
    energy = energy_mwh(state, totals.of(state.meter))
    return MeterReport(state.meter, energy, state.across_gaps_mwh)
