"""Sealed total registers of the newest batches, so that records can be held against them.

Bounded for any number of devices: of a device without sessions only the newest batch is kept, of
all others together no more than MAX_BATCHES.
"""

from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meterseal.models import Group, Meter, Registers, U64Array, VerifiedBatch
from meterseal.verify.totals import Total, Totals, total_column

MAX_BATCHES: Final = 16_384


class SealedRegister(NamedTuple):
    """A sealed reading: register, when it was taken, by which meter.

    `energy_import_mwh`: None where it cannot be decoded here; the time lies between the two.
    """

    energy_import_mwh: int | None
    earliest_unix_ms: int
    latest_unix_ms: int
    meter: tuple[bytes, int, tuple[Registers, ...]]
    """Profile, unit id and identity registers: what tells one meter from another."""


class _Run(NamedTuple):
    """Readings of one group: what is needed to find one by its sequence number."""

    sequence: U64Array
    values: U64Array
    earliest: NDArray[np.int64]
    latest: NDArray[np.int64]
    order: int
    total: Total | None
    meter: Meter


class SealedRegisters:
    """Takes batches in the order in which they were verified."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._quiet: dict[bytes, VerifiedBatch] = {}
        self._runs: dict[bytes, deque[tuple[_Run, ...]]] = {}
        self._order: deque[bytes] = deque()

    def take(self, batch: VerifiedBatch, has_sessions: bool) -> None:
        """Keep the registers of a batch; `has_sessions`: it has records or events of sessions."""
        if batch.kid not in self._runs:
            before = self._quiet.pop(batch.kid, None)
            if not has_sessions:
                self._quiet[batch.kid] = batch
                return
            self._runs[batch.kid] = deque()
            if before is not None:
                self._keep(before)
        self._keep(batch)

    def _keep(self, batch: VerifiedBatch) -> None:
        self._runs[batch.kid].append(tuple(self._run(batch, group) for group in batch.groups))
        self._order.append(batch.kid)
        if len(self._order) > MAX_BATCHES:
            self._runs[self._order.popleft()].popleft()

    def find(self, kid: bytes, sequence: int) -> SealedRegister | None:
        """The sealed reading with a sequence number; None if it is not among the newest."""
        for runs in reversed(self._runs.get(kid, ())):
            for run in runs:
                at = int(np.searchsorted(run.sequence, np.uint64(sequence)))
                if at < len(run.sequence) and run.sequence[at] == sequence:
                    return _found(run, at)
        return None

    def _run(self, batch: VerifiedBatch, group: Group) -> _Run:
        meter = batch.meters[group.meter]
        total = self._totals.of(meter)
        column = None if total is None else total_column(total, group.columns)
        rows = np.arange(len(group.sequence))
        if column is not None and column.rows is not None:
            rows = column.rows
        earliest, latest = batch.clocks[group.boot].utc(group)
        return _Run(
            group.sequence[rows].copy(),
            np.zeros(len(rows), np.uint64) if column is None else column.values.copy(),
            earliest[rows].copy(),
            latest[rows].copy(),
            0 if column is None else column.order,
            None if column is None else total,
            meter,
        )


def _found(run: _Run, at: int) -> SealedRegister:
    rank = None if run.total is None else run.total.rank(int(run.values[at]), run.order)
    energy = None if run.total is None or rank is None else run.total.exact_mwh(rank)
    meter = run.meter.profile_hash, run.meter.unit, run.meter.identity
    return SealedRegister(energy, int(run.earliest[at]), int(run.latest[at]), meter)
