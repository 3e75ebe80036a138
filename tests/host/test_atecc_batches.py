"""The same readings sealed by a software key and by a simulated secure element: both verify."""

import asyncio
from typing import Any

import pytest
from agent import log
from agent.atecc608 import Atecc608
from agent.enrol import enrol
from fakes.atecc608_chip import Chip
from fakes.whole_board import WholeBoard
from meterseal.trust import TrustedKey
from meterseal.verify import UnsafeNoPolicy, Verifier
from support.host import NOW_UNIX_MS, trust_in
from support.run_app import run_for


def sealed(chip: Chip | None) -> tuple[dict[str, Any], list[bytes]]:
    """What a station that ran for a quarter of an hour is, and its batches."""
    board = WholeBoard()
    if chip is not None:
        board.store.blobs.clear()
        board.element = Atecc608(chip, chip.sleep_ms)
    identity = enrol(board, bytes(32))
    app = board.power_on()
    asyncio.run(run_for(app, board, 900))
    kept = app.uplink._connection.chains[app.keystore.chain_16]
    return identity, [kept[number] for number in sorted(kept)]


def verified(identity: dict[str, Any], batches: list[bytes], key_class: str) -> list[Any]:
    kid, public = bytes.fromhex(identity["device_id"]), bytes.fromhex(identity["public_key"])
    trust = trust_in(TrustedKey(kid, public, key_class, "bench"))
    verifier = Verifier(trust=trust, policy=UnsafeNoPolicy(), now_unix_ms=lambda: NOW_UNIX_MS)
    return [verifier.verify(raw) for raw in batches]


@pytest.fixture(autouse=True)
def quiet() -> Any:
    yield
    log.configure(log.INFO)


def test_both_verify_and_say_the_same() -> None:
    software, plain = sealed(None)
    chip = Chip()
    element, inside = sealed(chip)
    assert (software["key_class"], element["key_class"]) == ("sim", "secure-element")
    first = verified(software, plain, "sim")
    second = verified(element, inside, "secure-element")
    print(f"{len(first)} batches software, {len(second)} secure element: verified")
    assert len(first) == len(second) > 12
    for a, b in zip(first, second, strict=True):
        assert [g.sequence.tolist() for g in a.groups] == [g.sequence.tolist() for g in b.groups]
        assert [c.values.tolist() for g in a.groups for c in g.columns] == [
            c.values.tolist() for g in b.groups for c in g.columns
        ]
    assert chip.violations == []
