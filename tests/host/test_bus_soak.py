"""200,000 transactions with 5 % faults of every kind: no wrong value taken for good, no stall
beyond the limit.

Simulated time. What the faults are, and what no master could tell, is said in
`fakes/fake_meter.py` and `fakes/soak.py`: a fault that forges a valid CRC-16 cannot be excluded by
any RTU master.
"""

import pytest
from fakes.soak import Soak
from fakes.virtual_time import run

KINDS = ("rtu", "tcp", "rtu_over_tcp")


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
