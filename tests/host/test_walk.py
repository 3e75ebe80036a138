"""What lies before a reading that waits for the next one is said of its own interval."""

import numpy as np
import pytest
from meterseal.mrv.cuts import Slots
from meterseal.mrv.segments import MEASURED, STATED_GAP, UNVERIFIED_GAP
from meterseal.mrv.walk import MS_PER_HOUR, Block, Limits, Walk

LIMITS = Limits(max_interval_ms=MS_PER_HOUR, power_mw=10_000_000, resolution_milliwh=1)
KWH = 1_000_000
JUMP_KWH = 500


def block(first_hour: int, kwh: list[int], rejected: bool = False, lost: int = 0) -> Block:
    """Readings an hour apart."""
    times = np.arange(first_hour, first_hour + len(kwh), dtype=np.int64) * MS_PER_HOUR
    return Block(times, np.array(kwh, np.int64) * KWH, MEASURED, rejected, lost)


def kinds(*blocks: Block) -> dict[int, str]:
    """Kind by the hour in which a segment ends."""
    walk = Walk("device", LIMITS, Slots([]), frozenset())
    for one in blocks:
        walk.feed(one)
    return {one.until_unix_ms // MS_PER_HOUR: one.kind for one in walk.finish()}


@pytest.mark.parametrize("jump_kwh", [0, JUMP_KWH])
def test_readings_that_do_not_count_stay_a_gap_behind_a_jump(jump_kwh: int) -> None:
    before = block(1, [1, 2, 3, 4 + jump_kwh])
    behind = block(5, [5 + jump_kwh, 6 + jump_kwh, 7 + jump_kwh], rejected=True)
    assert kinds(before, behind)[5] == UNVERIFIED_GAP


@pytest.mark.parametrize("jump_kwh", [0, JUMP_KWH])
def test_a_stated_loss_stays_stated_behind_a_jump(jump_kwh: int) -> None:
    before = block(1, [1, 2, 3, 4 + jump_kwh])
    behind = block(8, [5 + jump_kwh, 6 + jump_kwh], lost=3)
    assert kinds(before, behind)[8] == STATED_GAP


def test_a_gap_before_a_reading_that_is_left_out_is_not_forgotten() -> None:
    jump = block(4, [JUMP_KWH], rejected=True)
    assert kinds(block(1, [1, 2, 3]), jump, block(5, [5, 6]))[5] == UNVERIFIED_GAP
