"""Allocation of tonnes: golden case G4, sums always exact, no tonne ever taken back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meterseal.errors import MethodologyError
from meterseal.mrv.allocation import Allocation, Holder, capped, pro_rata, waterfall
from meterseal.report.outlook import needed_t_per_year, parts_of

KOREA, CAMBODIA, ENTITY = Holder("KOR", 400), Holder("KHM", 68), Holder("entity", 212)
THREE = [KOREA, CAMBODIA, ENTITY]

HOLDERS = st.lists(
    st.builds(
        Holder,
        st.just("x"),
        st.integers(1, 1000),
        st.one_of(st.none(), st.integers(0, 300)),
    ),
    min_size=1,
    max_size=5,
)
RULES = {
    "pro_rata": pro_rata,
    "capped": lambda holders, total: capped(holders, total, excess_flows_on=False),
    "capped_flows_on": lambda holders, total: capped(holders, total, excess_flows_on=True),
    "waterfall": waterfall,
}


def sequential(weights: list[int], total_t: int) -> list[int]:
    """Sainte-Lague one tonne at a time, as the textbook has it."""
    seats = [0] * len(weights)
    for _ in range(total_t):
        averages = [Fraction(w, 2 * s + 1) for w, s in zip(weights, seats, strict=True)]
        seats[averages.index(max(averages))] += 1
    return seats


def test_g4_first_year_and_the_year_after() -> None:
    assert pro_rata(THREE, 1026) == Allocation((603, 103, 320), 0)
    assert pro_rata(THREE, 2137) == Allocation((1257, 214, 666), 0)
    first, both = pro_rata(THREE, 1026).tonnes, pro_rata(THREE, 2137).tonnes
    assert [b - a for a, b in zip(first, both, strict=True)] == [654, 111, 346]


def test_the_whole_volume_splits_as_announced() -> None:
    assert pro_rata(THREE, 680_000).tonnes == (400_000, 68_000, 212_000)


def test_capped_golden_case() -> None:
    holders = [KOREA._replace(cap_t=500), CAMBODIA, ENTITY]
    assert capped(holders, 1026, excess_flows_on=False) == Allocation((500, 103, 320), 103)
    flows = capped(holders, 1026, excess_flows_on=True)
    assert (flows.tonnes[0], sum(flows.tonnes), flows.unallocated) == (500, 1026, 0)


def test_waterfall_golden_case() -> None:
    holders = [KOREA._replace(cap_t=400), CAMBODIA._replace(cap_t=68), ENTITY]
    assert waterfall(holders, 300).tonnes == (300, 0, 0)
    assert waterfall(holders, 450).tonnes == (400, 50, 0)
    assert waterfall(holders, 1000) == Allocation((400, 68, 532), 0)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(0, 400))
def test_pro_rata_is_the_textbook_method(weights: list[int], total_t: int) -> None:
    holders = [Holder(str(i), weight) for i, weight in enumerate(weights)]
    assert list(pro_rata(holders, total_t).tonnes) == sequential(weights, total_t)


@pytest.mark.parametrize("rule", RULES)
@given(holders=HOLDERS, total_t=st.integers(0, 2000))
def test_sums_are_exact_and_nothing_is_taken_back(
    rule: str, holders: list[Holder], total_t: int
) -> None:
    now, later = RULES[rule](holders, total_t), RULES[rule](holders, total_t + 1)
    assert sum(now.tonnes) + now.unallocated == total_t
    assert all(a <= b for a, b in zip(now.tonnes, later.tonnes, strict=True))
    assert now.unallocated <= later.unallocated
    for holder, tonnes in zip(holders, now.tonnes, strict=True):
        assert rule == "pro_rata" or holder.cap_t is None or tonnes <= holder.cap_t


@pytest.mark.parametrize(
    ("holders", "total_t", "code"),
    [
        (THREE, -1, "allocation-total"),
        ([], 1, "allocation-weights"),
        ([Holder("nobody", 0)], 1, "allocation-weights"),
        ([Holder("odd", 1, -5)], 1, "allocation-weights"),
    ],
)
def test_refusals(holders: list[Holder], total_t: int, code: str) -> None:
    with pytest.raises(MethodologyError) as refused:
        pro_rata(holders, total_t)
    assert refused.value.code == code


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12), st.integers(0, 1000))
def test_parts_of_a_share_add_up(issued: list[int], permille: int) -> None:
    """Draft rows of a holder: what it got, from each vintage in proportion and never more."""
    share = sum(issued) * permille // 1000
    parts = parts_of(share, issued)
    assert sum(parts) == share
    assert all(0 <= part <= one for part, one in zip(parts, issued, strict=True))


def test_a_target_whose_time_is_over_needs_what_remains() -> None:
    assert needed_t_per_year(100, 365 * 4) == 25
    assert needed_t_per_year(100, 0) == needed_t_per_year(100, -365) == 100
