"""Which station is in which ring, and whether the next ring may begin. Pure.

A ring is `rest`, a share (`10%`) or device ids with commas between them; the first ring that
names a station has it. A share takes those whose number, made from device and update, is lowest:
the same on every worker, another for every update.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from meterseal.errors import UpdateError

OFFERED, TRYING, KEPT, WENT_BACK, REFUSED, SILENT, DAMAGED = (
    *("offered", "trying", "kept", "went back", "refused", "silent", "damaged"),
)
BAD: Final = (WENT_BACK, REFUSED, SILENT)


class Plan(NamedTuple):
    """How an update spreads. `most_bad`: stations that may fail before it pauses;
    `good_permille`: of a ring, before the next one begins; `patience_s`: until a station that
    sealed that it tries the update, and nothing about it since, counts as failed.
    """

    rings: tuple[str, ...] = ("rest",)
    most_bad: int = 0
    good_permille: int = 900
    patience_s: int = 604800


class Progress(NamedTuple):
    """`open_rings`: how many are open; `paused`: why it pauses, or empty."""

    rings: list[list[str]]
    open_rings: int
    paused: str


def check_ring(ring: str) -> None:
    """UpdateError `update-ring` unless it is `rest`, a share or device ids."""
    share = ring[:-1].isdigit() and ring.endswith("%") and 0 < int(ring[:-1]) <= 100
    ids = all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in ring.split(","))
    if not (ring == "rest" or share or ids):
        raise UpdateError(
            "update-ring",
            f"expected `rest`, a share like 10% or device ids with commas, found {ring!r}",
            "Example: --ring 3f2a...,9c01... --ring 25% --ring rest",
        )


def check_known(rings: Sequence[str], devices: Collection[str]) -> None:
    """UpdateError `update-ring` if a ring names a device that is not among `devices`."""
    named = {one for ring in rings for one in ring.split(",") if len(one) == 16}
    if unknown := sorted(named - set(devices)):
        raise UpdateError(
            "update-ring",
            f"expected device ids of the trust file, found {', '.join(unknown)}",
            "Correct them, or give the trust file that has them with --trust.",
        )


def members(rings: Sequence[str], devices: Sequence[str], number: int) -> list[list[str]]:
    """Devices of each ring; one that no ring names is in none."""
    left = sorted(devices, key=lambda device: _order(device, number))
    found = []
    for ring in rings:
        if ring == "rest":
            taken = left
        elif ring.endswith("%"):
            taken = left[: -(-len(devices) * int(ring[:-1]) // 100)]
        else:
            taken = [device for device in left if device in ring.split(",")]
        found.append(taken)
        left = [device for device in left if device not in taken]
    return found


def progress(
    plan: Plan, rings: list[list[str]], states: Mapping[str, str], excused: Collection[str] = ()
) -> Progress:
    """Open one ring after the other, as long as nothing speaks against it.

    A ring in which nobody is proves nothing and opens none. `excused`: devices that failed before
    the owner let it go on; they count neither for nor against it.
    """
    heard = {device: state for device, state in states.items() if device not in excused}
    bad = sorted(device for device, state in heard.items() if state in BAD)
    if len(bad) > plan.most_bad:
        text = ", ".join(f"{device} {states[device]}" for device in bad)
        return Progress(
            rings, _opened(rings, states), f"{len(bad)} of {len(states)} failed: {text}"
        )
    opened = 1
    for ring in rings[:-1]:
        asked = [device for device in ring if device not in excused]
        kept = sum(heard.get(device) == KEPT for device in asked)
        if not asked or 1000 * kept < plan.good_permille * len(asked):
            break
        opened += 1
    return Progress(rings, opened, "")


def _opened(rings: list[list[str]], states: Mapping[str, str]) -> int:
    return max((i + 1 for i, ring in enumerate(rings) if set(ring) & set(states)), default=1)


def _order(device: str, number: int) -> bytes:
    return hashlib.sha256(f"{device} {number}".encode()).digest()
