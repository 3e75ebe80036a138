"""Who gets the tonnes: whole tonnes to holders, exact, and never taken back while the total rises.

Every rule allocates the *cumulative* total; a period gets the difference to the allocation before.
Holders plus `unallocated` always equal the total. The first tonnes of a rising total are the same
tonnes for ever, because each rule picks the best-ranked of a fixed order of claims.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from meterseal.errors import MethodologyError


class Holder(NamedTuple):
    """Somebody who gets tonnes. `weight`: share in pro-rata rules; `cap_t`: at most so many."""

    name: str
    weight: int
    cap_t: int | None = None


class Allocation(NamedTuple):
    """Whole tonnes in the order of the holders, and what nobody gets."""

    tonnes: tuple[int, ...]
    unallocated: int


def pro_rata(holders: Sequence[Holder], total_t: int) -> Allocation:
    """Highest averages (Sainte-Lague): claim j of a holder ranks by weight / (2 j - 1).

    Ties go to the holder named first. Raises MethodologyError `allocation-total`, `-weights`.
    """
    _check(holders, total_t)
    tonnes = _highest_averages([holder.weight for holder in holders], total_t)
    return Allocation(tuple(tonnes), 0)


def capped(holders: Sequence[Holder], total_t: int, *, excess_flows_on: bool) -> Allocation:
    """Pro rata, none above its cap. What a cap turns away goes to the others, or to nobody."""
    _check(holders, total_t)
    if not excess_flows_on:
        shares = _highest_averages([holder.weight for holder in holders], total_t)
        tonnes = [_at_most(share, holder) for share, holder in zip(shares, holders, strict=True)]
        return Allocation(tuple(tonnes), total_t - sum(tonnes))
    tonnes = [0] * len(holders)
    open_places = [i for i, holder in enumerate(holders) if holder.cap_t != 0]
    while open_places:
        rest_t = total_t - sum(tonnes[i] for i in range(len(holders)) if i not in open_places)
        shares = _highest_averages([holders[i].weight for i in open_places], rest_t)
        for place, share in zip(open_places, shares, strict=True):
            tonnes[place] = _at_most(share, holders[place])
        full = [i for i, share in zip(open_places, shares, strict=True) if tonnes[i] < share]
        if not full:
            break
        open_places = [i for i in open_places if i not in full]
    return Allocation(tuple(tonnes), total_t - sum(tonnes))


def waterfall(holders: Sequence[Holder], total_t: int) -> Allocation:
    """In the order given: each holder up to its cap, then the next; the last may have no cap."""
    _check(holders, total_t)
    tonnes, rest_t = [], total_t
    for holder in holders:
        tonnes.append(_at_most(rest_t, holder))
        rest_t -= tonnes[-1]
    return Allocation(tuple(tonnes), rest_t)


def _at_most(tonnes: int, holder: Holder) -> int:
    return tonnes if holder.cap_t is None else min(tonnes, holder.cap_t)


def _check(holders: Sequence[Holder], total_t: int) -> None:
    if total_t < 0:
        raise MethodologyError(
            "allocation-total",
            f"expected a cumulative total of 0 t or more, found {total_t}",
            "A negative total is a deficit; carry it, do not allocate it.",
        )
    caps = [holder.cap_t for holder in holders if holder.cap_t is not None]
    if not holders or min(holder.weight for holder in holders) <= 0 or min(caps, default=0) < 0:
        raise MethodologyError(
            "allocation-weights",
            "expected holders with weights above 0 and caps of 0 or more",
            "Correct [[allocation.holders]] in the activity file.",
        )


def _highest_averages(weights: Sequence[int], total_t: int) -> list[int]:
    """The `total_t` best claims; starts beside the answer, then moves single claims."""
    whole = sum(weights)
    seats = [_ceil(Fraction(total_t * weight, whole) - Fraction(1, 2)) for weight in weights]
    while sum(seats) < total_t:
        seats[_next_place(weights, seats)] += 1
    while sum(seats) > total_t:
        seats[_last_place(weights, seats)] -= 1
    return seats


def _ceil(value: Fraction) -> int:
    return max(0, -(-value.numerator // value.denominator))


def _next_place(weights: Sequence[int], seats: Sequence[int]) -> int:
    ranks = [
        (Fraction(w, 2 * s + 1), -i) for i, (w, s) in enumerate(zip(weights, seats, strict=True))
    ]
    return -max(ranks)[1]


def _last_place(weights: Sequence[int], seats: Sequence[int]) -> int:
    pairs = enumerate(zip(weights, seats, strict=True))
    return -min((Fraction(w, 2 * s - 1), -i) for i, (w, s) in pairs if s)[1]
