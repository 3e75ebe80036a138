"""Ninety days of a station under power cuts, outages, lost clocks, faults and old backups.

What the application sealed is verified with the host's verifier and held against the meter.
"""

import asyncio
import gc
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agent import log
from agent.p256_table import use_table
from fakes.sample_profiles import INTEGER
from fakes.whole_board import ENERGY
from meterseal.profiles.model import build
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of
from meterseal.verify import Standard, Verifier
from meterseal.verify.report import report
from meterseal.verify.totals import ProfileTotals
from support.soak import DAY_S, START_UNIX_MS, Life

# What such a life may leave in the findings; anything else is a defect.
HARMLESS = {
    "unanchored",
    "key-simulated",
    "recovered",
    "clock-unset",
    "gap-stated",
    "sequence-gap-stated",
    "clock-stepped",
}
LONG_SEEDS = range(1, 21)


def verifier_of(life: Life) -> Verifier:
    """Knows the station's key and its profile; accepts everything that is authentic."""
    public = life.app.signer.public_65
    key = TrustedKey(kid_of(public), public, "sim", "soak")
    profile = build(json.dumps(INTEGER).encode())
    totals = ProfileTotals({profile.hash_16: profile})
    trust = Trust({key.kid: key}, "", "", True)
    now_unix_ms = START_UNIX_MS + life.wall_ms + DAY_S * 1000
    return Verifier(trust=trust, policy=Standard(), totals=totals, now_unix_ms=lambda: now_unix_ms)


def energies(batch: Any) -> dict[int, int]:
    """Sequence -> energy register of the readings that have one."""
    found = {}
    for group in batch.groups:
        for column in group.columns:
            if column[:2] == (4, ENERGY):
                rows = range(len(group.sequence)) if column.rows is None else column.rows.tolist()
                for row, value in zip(rows, column.values.tolist(), strict=True):
                    if not group.status[row]:
                        found[int(group.sequence[row])] = value
    return found


def check_life(life: Life) -> dict[str, Any]:
    """Verify what was delivered and hold it against the truth; figures for the table."""
    verifier = verifier_of(life)
    ((_, batches),) = life.sent.items()
    found: dict[int, int] = {}
    codes: set[str] = set()
    for number in sorted(batches):
        batch = verifier.verify(batches[number])
        codes |= {one.code for one in batch.findings}
        found |= energies(batch)
    assert codes <= HARMLESS, codes - HARMLESS
    (device,) = report(verifier)
    final = {one.code for one in device.chains[0].findings}
    assert final <= HARMLESS, final
    stated = stated_readings(life)
    for sequence, value in found.items():
        assert value in life.maybe[sequence], f"reading {sequence}: {value}"
    missing = [sequence for sequence in life.truth if sequence not in found]
    waiting = life.unsealed()
    unexplained = sorted(sequence for sequence in missing if sequence not in stated)[
        : -waiting or None
    ]
    assert not unexplained, f"neither delivered nor stated: {unexplained[:9]}"
    check_energy(life, found, device.meters[0])
    return {"readings": len(found), "stated": len(stated & set(missing)), **life.counts}


def stated_readings(life: Life) -> set[int]:
    """Sequence numbers that batches state as lost."""
    found: set[int] = set()
    for first, last in life.lost_sequences():
        found.update(range(first, last + 1))
    return found


def check_energy(life: Life, found: dict[int, int], meter: Any) -> None:
    """Proven energy is what the register rose between the first and the last reading."""
    first, last = found[min(found)], found[max(found)]
    assert meter.energy_import_mwh == (last - first) * 100_000  # the register counts 0.1 kWh


def live(seed: int, days: int, outage_day: int) -> tuple[Life, list[int]]:
    """A whole life; and the number of objects alive, day by day."""
    log.configure(log.OFF)
    gc.collect()
    gc.freeze()
    try:
        life = Life(seed, flash_faults=seed % 3 == 0)
        asyncio.run(life.live(days, outage_day))
    finally:
        log.configure(log.INFO)
    return life, life.objects


def whole(seed: int) -> tuple[str, int, int]:
    """One line of the table; how many old backups and flash faults the station lived through."""
    life, objects = live(seed, 90, 30)
    figures = check_life(life)
    if not life.flash_faults:
        assert figures["stated"] == 0, "an outage within the journal's capacity loses nothing"
        assert life.app.meters.interval_ms == 600_000 or life.app.journal.waiting
    early, late = max(objects[5:25]), max(objects[-20:])
    assert late < early * 1.05 + 200, f"objects alive grew from {early} to {late}"
    line = f"seed {seed:2}: {figures}, objects {early} -> {late}"
    return line, figures["restores"], figures["faults"]


def test_some_days() -> None:
    life, _ = live(1, 8, 99)
    assert check_life(life)["readings"] > 900


def test_the_same_seed_gives_the_same_batches() -> None:
    assert live(5, 2, 99)[0].digest() == live(5, 2, 99)[0].digest()


@pytest.mark.long
def test_ninety_days_over_twenty_seeds() -> None:
    # Each process opens the signing table itself: a shared file has one offset for all.
    with ProcessPoolExecutor(2, initializer=use_table, initargs=(None,)) as pool:
        lines, restores, faults = zip(*pool.map(whole, LONG_SEEDS), strict=True)
    print(*lines, sep="\n")
    assert sum(restores) > len(LONG_SEEDS) and sum(faults) > len(LONG_SEEDS)


def test_the_harness_would_notice(tmp_path: Path) -> None:
    """A reading altered in the truth, and one that is missing: both are found."""
    life, _ = live(1, 2, 99)
    check_life(life)
    sequence = min(life.maybe)
    kept, life.maybe[sequence] = life.maybe[sequence], (0,)
    with pytest.raises(AssertionError, match=f"reading {sequence}"):
        check_life(life)
    life.maybe[sequence] = kept
    life.truth[-1] = (0, 0)
    with pytest.raises(AssertionError, match="neither delivered nor stated"):
        check_life(life)
