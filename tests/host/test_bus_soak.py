"""200,000 transactions with 5 % faults of every kind: no wrong value taken for good, no stall
beyond the limit.

Simulated time. What the faults are, and what no master could tell, is said in
`fakes/fake_meter.py`, `fakes/soak.py` and `fakes/profile_soak.py`: a fault that forges a valid
CRC-16 cannot be excluded by any RTU master.
"""

from collections import Counter

import pytest
from fakes.meters import PROFILES, PROFILES_DIR
from fakes.profile_soak import QUANTITIES, ProfileSoak
from fakes.soak import Soak
from fakes.virtual_time import run

KINDS = ("rtu", "tcp", "rtu_over_tcp")
SERIAL = ("rtu", "rtu_over_tcp")
FAST = (150, QUANTITIES)
LONG = [(200_000 // len(PROFILES) + 1, quantities) for quantities in (QUANTITIES, None)]


def soak(kind: str, transactions: int, seed: int) -> Soak:
    """Run, print the counts, and check what must hold for any number of transactions."""
    done = Soak(kind, seed)
    run(done.run(transactions))
    print(f"\n{kind}: {transactions} transactions, {done.accepted} accepted, {done.wrong} wrong")
    print(f"  refused {done.refused}; longest read {done.longest_ms} ms of simulated time")
    for name, count in sorted(done.faults().items(), key=lambda item: str(item[0])):
        print(f"  {name or 'no fault':18} {count:7}")
    assert done.wrong == 0
    assert done.too_long == 0
    faults = sum(count for name, count in done.faults().items() if name)
    assert 0.04 < faults / transactions < 0.06
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_five_thousand(kind: str) -> None:
    assert soak(kind, 5_000, 7).accepted > 4_500


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_thousand(kind: str) -> None:
    done = soak(kind, 200_000, 11)
    assert done.accepted > 180_000
    if kind == "tcp":
        # Transaction ids count requests: the last one shows that they went round three times.
        assert done.client._transaction == sum(m.tick for m in done.meters) - 3 * 65_536


def rough(name: str, kind: str, **options: object) -> ProfileSoak:
    """The reader with the plan of a shipped profile, before anything is read."""
    return ProfileSoak((PROFILES_DIR / f"{name}.json").read_bytes(), kind, **options)


@pytest.mark.parametrize(
    ("transactions", "quantities"),
    [FAST, *(pytest.param(*long, marks=pytest.mark.long) for long in LONG)],
)
@pytest.mark.parametrize("kind", SERIAL)
def test_the_plans_of_all_profiles(
    kind: str, transactions: int, quantities: tuple[str, ...] | None
) -> None:
    faults: Counter[str | None] = Counter()
    accepted = absent = 0
    for seed, name in enumerate(PROFILES, 3):
        done = rough(name, kind, seed=seed, quantities=quantities)
        run(done.run(transactions))
        assert (done.wrong, done.too_long) == (0, 0), name
        assert done.accepted > done.absent, name
        faults.update(done.counts)
        accepted += done.accepted
        absent += done.absent
    print(f"\n{kind}: {faults.total()} transactions with the plans of {len(PROFILES)} profiles")
    print(f"  {accepted} values accepted, 0 wrong; {absent} absent")
    for fault, count in sorted(faults.items(), key=lambda item: str(item[0])):
        print(f"  {fault or 'no fault':18} {count:7}")
    assert 0.04 < 1 - faults[None] / faults.total() < 0.06


@pytest.mark.parametrize("name", ["orno-we514", "carlo-gavazzi-em112", "hiking-dds238"])
def test_the_oracle_sees_what_spacers_prevent(name: str) -> None:
    bare = rough(name, "rtu", permille=200)
    bare.reader._spacers = ()
    bare.reader.client.unit(1).spacers = ()
    run(bare.run(3000))
    assert bare.wrong > 0
    spaced = rough(name, "rtu", permille=200)
    run(spaced.run(3000))
    assert spaced.wrong == 0
