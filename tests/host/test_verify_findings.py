"""Findings about clocks, meters, registers and keys; UTC of readings; what each policy refuses."""

import dataclasses
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from meterseal.errors import PolicyRefused
from meterseal.errors_text import remedy
from meterseal.models import SealedBatch, VerifiedBatch
from meterseal.trust import TrustedKey
from meterseal.verify import (
    AllOf,
    AnyOf,
    Policy,
    Refuse,
    RequireAnchored,
    RequireClock,
    RequireKeyClass,
    RequireKnownProfile,
    RequireNoGap,
    Standard,
    UnsafeNoPolicy,
    Verifier,
)
from meterseal.verify.clock import UNBOUNDED_UNIX_MS
from meterseal.verify.findings import SEVERITIES
from meterseal.verify.report import report
from meterseal.verify.totals import ProfileTotals
from support.host import NOW_UNIX_MS, code_of, trust_in
from support.station import ENERGY, INTERVAL_MS, PROFILE, START_UNIX_MS, Station, column, f32

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def findings(station: Station, *raws: bytes, **more: Any) -> list[set[str]]:
    """Codes of each batch, without any policy."""
    verifier = station.verifier(UnsafeNoPolicy(), **more)
    return [station.codes(verifier.verify(raw)) for raw in raws]


def test_every_code_says_what_to_do() -> None:
    text = (Path(__file__).resolve().parents[2] / "WIRE_FORMAT.md").read_text(encoding="utf-8")
    codes = set(re.findall(r"^\| `([a-z0-9-]+)` \|", text.split("## 11. Refusals")[1], re.M))
    assert len(codes) > 40
    for code in codes | set(SEVERITIES) | {"key-class", "policy-empty"}:
        assert remedy(code), code


# Clock


def test_a_station_with_a_right_clock() -> None:
    station = Station()
    assert findings(station, *station.seal_many(3)) == [set(), set(), set()]


def test_utc_of_readings_is_bounded_by_the_anchor() -> None:
    station = Station()
    verifier = station.verifier(Standard())
    batch = verifier.verify(station.seal())
    (group,) = batch.groups
    earliest, latest = batch.clocks[group.boot].utc(group)
    true = START_UNIX_MS + group.t_100ms.astype(np.int64) * 100
    assert (earliest <= true).all() and (true <= latest).all()
    assert int((latest - earliest).max()) < 2 * 40 + 100 + 2 * 30 + 5  # error, tick, drift


def test_bounds_between_two_anchors_are_narrower_than_by_one() -> None:
    station = Station()
    payload = station.payload()
    late = [station.boot, station.mono_ms + 10 * HOUR_MS, START_UNIX_MS, 5, 40]
    late[2] += station.mono_ms + 10 * HOUR_MS
    payload[13][0][4][0] += 9 * HOUR_MS // 100
    alone = station.verifier(Standard()).verify(station.close(payload))
    twin = Station()
    payload = twin.payload()
    payload[13][0][4][0] += 9 * HOUR_MS // 100
    payload[8].append(late)
    both = twin.verifier(Standard()).verify(twin.close(payload))
    widths = []
    for batch in (alone, both):
        earliest, latest = batch.clocks[station.boot].utc(batch.groups[0])
        widths.append(int((latest - earliest).max()))
    assert widths[1] < widths[0] / 3


def test_a_boot_without_clock_lies_between_its_neighbours() -> None:
    station = Station()
    before = station.seal()
    end_ms = START_UNIX_MS + station.mono_ms
    station.reboot(anchored=False)
    unset = station.seal()
    station.reboot()
    payload = station.payload()
    payload[8] = [station.anchor(t_unix_ms=end_ms + 5 * HOUR_MS)]
    after = station.close(payload)
    verifier = station.verifier(UnsafeNoPolicy())
    verifier.verify(before)
    batch = verifier.verify(unset)
    assert station.codes(batch) == {"clock-unset"}
    clock = batch.clocks[batch.contents.boot]
    assert clock.utc(batch.groups[0])[1][0] == UNBOUNDED_UNIX_MS
    verifier.verify(after)
    timeline = verifier.devices[batch.kid].timeline
    earliest, latest = timeline.clock(batch.contents.boot).utc(batch.groups[0])
    assert START_UNIX_MS < earliest[0] < end_ms < latest[0] < end_ms + 6 * HOUR_MS
    assert (earliest <= latest).all()


def test_a_clock_that_steps() -> None:
    for step_ms, code in ((-5_000, "clock-stepped-back"), (5_000, "clock-stepped-forward")):
        station = Station()
        first = station.seal()
        payload = station.payload()
        payload[8] = [station.anchor(step_ms=step_ms)]
        assert findings(station, first, station.close(payload)) == [set(), {code}]


def test_bounds_after_a_step_follow_the_newest_anchor_before_the_reading() -> None:
    station = Station()
    payload = station.payload()
    middle = station.mono_ms + 2 * INTERVAL_MS + 1
    payload[8].append([station.boot, middle, START_UNIX_MS + middle + DAY_MS, 5, 40])
    batch = station.verifier(UnsafeNoPolicy()).verify(station.close(payload))
    group = batch.groups[0]
    earliest, latest = batch.clocks[station.boot].utc(group)
    true = START_UNIX_MS + group.t_100ms.astype(np.int64) * 100
    true[3:] += DAY_MS
    assert ((earliest <= true) & (true <= latest)).all()
    assert int((latest - earliest).max()) < 300


def test_a_small_correction_is_no_step() -> None:
    station = Station()
    first = station.seal()
    payload = station.payload()
    payload[8] = [station.anchor(step_ms=-60)]  # both err by up to 40 ms, and drift
    assert findings(station, first, station.close(payload)) == [set(), set()]


def test_a_clock_that_goes_back_from_one_boot_to_the_next() -> None:
    station = Station()
    first = station.seal()
    station.reboot()
    payload = station.payload()
    payload[8] = [station.anchor(t_unix_ms=START_UNIX_MS - DAY_MS)]
    assert findings(station, first, station.close(payload))[1] == {"clock-stepped-back"}


def test_a_clock_of_2099() -> None:
    station = Station()
    payload = station.payload()
    payload[8] = [station.anchor(t_unix_ms=NOW_UNIX_MS + 2 * DAY_MS)]
    raw = station.close(payload)
    assert findings(station, raw) == [{"clock-far-future"}]
    assert code_of(station.verifier(Standard()).verify, raw) == "clock-far-future"


@pytest.mark.parametrize("value", [2**62, 2**63, 2**64 - 1])
def test_absurd_times_do_not_overflow(value: int) -> None:
    station = Station()
    payload = station.payload()
    payload[8] = [[station.boot, value, value, 5, value]]
    payload[13][0][4] = [value, -1, 0, b""]
    batch = station.verifier(UnsafeNoPolicy()).verify(station.close(payload))
    earliest, latest = batch.clocks[station.boot].utc(batch.groups[0])
    assert (earliest <= latest).all()


def test_readings_recovered_after_a_power_cut() -> None:
    station = Station()
    payload = station.payload()
    payload[13][0][1] = station.boot - 1
    payload[8].insert(0, station.anchor(boot=station.boot - 1, t_unix_ms=START_UNIX_MS))
    assert findings(station, station.close(payload)) == [{"recovered"}]


# Meters and registers


def energies(station: Station, *kwh: float) -> dict[int, Any]:
    """The next payload with these energies instead."""
    payload = station.payload()
    payload[13][0][6][1] = column(ENERGY, [f32(one) for one in kwh])
    return payload


@pytest.mark.parametrize(
    "kwh",
    [(100.0, 101.0, 100.5, 102.0, 103.0), (99.0, 99.1, 99.2, 99.3, 99.4), (200, 0, 1, 2, 3)],
    ids=["within", "between", "reset"],
)
def test_a_register_that_goes_backward(kwh: tuple[float, ...]) -> None:
    station = Station()
    first = station.seal()
    raw = station.close(energies(station, *kwh))
    assert "register-backward" in findings(station, first, raw)[1]
    verifier = station.verifier(Standard())
    verifier.verify(first)
    assert code_of(verifier.verify, raw) == "register-backward"


def test_a_register_that_stands_or_rises_slowly() -> None:
    station = Station()
    first = station.seal()
    raw = station.close(energies(station, *[100.2] * 5))
    assert findings(station, first, raw)[1] == set()


def test_a_register_that_rises_impossibly_fast() -> None:
    station = Station()
    first = station.seal()
    raw = station.close(energies(station, *(10_000.0 * step for step in range(1, 6))))
    assert findings(station, first, raw)[1] == {"register-implausible"}


@pytest.mark.parametrize(("rise_kwh", "flagged"), [(900.0, False), (1300.0, True)])
@pytest.mark.parametrize("known", [True, False])
def test_a_register_that_jumps_across_a_reboot(
    rise_kwh: float, flagged: bool, known: bool
) -> None:
    station = Station()
    first = station.seal()
    end_ms = station.mono_ms
    station.reboot(anchored=False)
    station.energy_kwh += rise_kwh
    payload = station.payload()
    if known:  # an hour after the last batch: 1 MW would give some 1 070 kWh
        payload[8] = [station.anchor(step_ms=end_ms + HOUR_MS)]
    found = findings(station, first, station.close(payload))[1]
    assert ("register-implausible" in found) == (flagged and known)
    assert not found & {"clock-stepped-back", "clock-stepped-forward"}


def test_values_that_the_meter_did_not_have_are_left_out() -> None:
    station = Station()
    first = station.seal()
    nan = float("nan")
    raw = station.close(energies(station, 100.5, nan, 100.6, nan, 100.7))
    assert findings(station, first, raw)[1] == set()


def test_energy_of_a_chain_is_exact() -> None:
    station = Station()
    verifier = station.verifier(Standard())
    for kwh in ((100.0, 100.0, 100.25, 100.5, 100.75), (101.0, 101.5, 102.0, 102.5, 103.125)):
        verifier.verify(station.close(energies(station, *kwh)))
    (device,) = report(verifier)
    assert device.meters[0].energy_import_mwh == 3_125_000
    assert device.meters[0].across_gaps_mwh == 0


def test_energy_across_a_gap_is_counted_apart() -> None:
    station = Station()
    verifier = station.verifier(Standard())
    verifier.verify(station.close(energies(station, *[100.0] * 5)))
    station.close(energies(station, *[105.0] * 5))  # never arrives
    verifier.verify(station.close(energies(station, 107.0, 107.0, 107.0, 107.0, 108.0)))
    (device,) = report(verifier)
    assert device.meters[0].energy_import_mwh == 8_000_000
    assert device.meters[0].across_gaps_mwh == 7_000_000


def test_another_meter_begins_anew() -> None:
    station = Station()
    verifier = station.verifier(Standard())
    verifier.verify(station.close(energies(station, 100, 100, 100, 100, 101)))
    payload = energies(station, 3, 3, 3, 3, 5)
    payload[12][0][3] = [[3, 0xFC00, b"\x09\x99\x99\x99"]]
    batch = verifier.verify(station.close(payload))
    assert station.codes(batch) == {"meter-changed"}
    assert "serial number" in batch.findings[0].text
    (device,) = report(verifier)
    assert device.meters[0].energy_import_mwh == 3_000_000


def test_a_profile_that_nobody_has() -> None:
    station = Station()
    raw = station.seal()
    assert findings(station, raw, totals=ProfileTotals({})) == [{"profile-unknown"}]
    verifier = station.verifier(UnsafeNoPolicy(), totals=ProfileTotals({}))
    verifier.verify(raw)
    assert report(verifier)[0].meters[0].energy_import_mwh is None


def test_low_word_first_registers_count_as_well() -> None:
    """The device may turn the words of a column round; what counts is what the meter sent."""
    station = Station()
    payload = station.payload()
    payload[13][0][6][1][3] = 1
    values = [f32(100.0 + step) for step in range(5)]
    turned = [(value & 0xFFFF) << 16 | value >> 16 for value in values]
    payload[13][0][6][1] = column([4, 0x48, 2, 1], turned)
    verifier = station.verifier(Standard())
    verifier.verify(station.close(payload))
    assert report(verifier)[0].meters[0].energy_import_mwh == 4_000_000


# Keys


def with_key(station: Station, **changed: Any) -> TrustedKey:
    return dataclasses.replace(station.trusted, **changed)


def test_revoked_and_expired_keys() -> None:
    station = Station()
    raw = station.seal()
    sealed_ms = START_UNIX_MS + 1_000_000 + 5 * INTERVAL_MS
    for name, code in (
        ("revoked_from_unix_ms", "key-revoked"),
        ("valid_until_unix_ms", "key-expired"),
    ):
        for since, expected in ((sealed_ms - 1000, {code}), (sealed_ms + 1000, set())):
            trust = trust_in(with_key(station, **{name: since}))
            assert findings(station, raw, trust=trust) == [expected]
    trust = trust_in(with_key(station, valid_from_unix_ms=sealed_ms + 1000))
    assert code_of(station.verifier(Standard(), trust=trust).verify, raw) == "key-expired"


def test_without_a_date_a_revoked_key_is_refused() -> None:
    station = Station()
    station.anchored = False
    trust = trust_in(with_key(station, revoked_from_unix_ms=NOW_UNIX_MS + DAY_MS))
    assert findings(station, station.seal(), trust=trust) == [{"key-revoked", "clock-unset"}]


def test_key_class_has_to_be_the_one_of_the_registry() -> None:
    station = Station(key_class="secure-element")
    assert findings(station, station.seal()) == [{"key-class-mismatch"}]


def test_without_anchor_every_batch_says_so() -> None:
    station = Station()
    trust = trust_in(station.trusted, anchored=False)
    assert findings(station, *station.seal_many(2), trust=trust) == [{"unanchored"}] * 2


def test_restart_that_the_operator_recorded() -> None:
    station = Station()
    first = station.seal()
    restarted = Station(chain=b"n" * 16)
    restarted.energy_kwh = station.energy_kwh
    payload = restarted.payload()
    payload[17] = {0: 2, 2: b"c" * 16, 3: 1, 4: station.previous}
    payload[6] = station.sequence
    raw = restarted.close(payload)
    for restarts, severity in ((frozenset(), "warning"), (frozenset((b"n" * 16,)), "notice")):
        verifier = station.verifier(
            Standard(), trust=trust_in(with_key(station, restarts=restarts))
        )
        verifier.verify(first)
        found = {one.code: one.severity for one in verifier.verify(raw).findings}
        assert found["chain-restart"] == severity


# Policies


class Accept:
    """A policy of the caller's own."""

    def check(self, batch: VerifiedBatch) -> None:
        """Accepts."""


REFUSE = Refuse("clock-unset")


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (Accept(), None),
        (AllOf(), "policy-empty"),
        (AnyOf(), "policy-empty"),
        (AllOf(Accept(), Accept()), None),
        (AllOf(Accept(), REFUSE), "clock-unset"),
        (AnyOf(REFUSE, Accept()), None),
        (AnyOf(REFUSE, RequireAnchored()), "unanchored"),
        (AllOf(AnyOf(REFUSE, Accept()), RequireKeyClass("software")), None),
        (RequireKeyClass("secure-element"), "key-class"),
        (RequireAnchored(), "unanchored"),
        (RequireClock(), "clock-unset"),
        (RequireKnownProfile(), "profile-unknown"),
        (RequireNoGap(), None),
        (Standard(), None),
    ],
)
def test_policies(policy: Policy, code: str | None) -> None:
    station = Station()
    station.anchored = False
    verifier = station.verifier(
        policy, trust=trust_in(station.trusted, anchored=False), totals=ProfileTotals({})
    )
    raw = station.seal()
    assert code_of(verifier.verify, raw) == code
    assert bool(verifier.devices) == (code is None)
    if code:
        with pytest.raises(PolicyRefused) as refusal:
            verifier.verify(raw)
        assert refusal.value.text


def test_no_gap_is_for_streams_that_must_be_complete() -> None:
    station = Station()
    batches = station.seal_many(3)
    verifier = station.verifier(RequireNoGap())
    verifier.verify(batches[0])
    assert code_of(verifier.verify, batches[2]) == "chain-gap"
    assert code_of(station.verifier(RequireNoGap()).verify, batches[1]) == "chain-start"


def test_simulated_keys_are_refused_where_it_counts() -> None:
    station = Station(key_class="sim")
    payload = station.payload()
    payload[11] = 0
    raw = station.close(payload)
    assert findings(station, raw) == [{"key-simulated"}]
    verifier = station.verifier(RequireKeyClass("software", "secure-element"))
    assert code_of(verifier.verify, raw) == "key-simulated"


def test_the_unsafe_policy_warns_every_time(caplog: pytest.LogCaptureFixture) -> None:
    station = Station()
    with caplog.at_level(logging.WARNING):
        findings(station, *station.seal_many(2))
    assert len(caplog.records) == 2


def test_policies_that_mean_nothing_are_mistakes() -> None:
    for make in (Refuse, RequireKeyClass, lambda: RequireKeyClass("gold")):
        with pytest.raises(ValueError, match="expected"):
            make()


def test_nobody_else_makes_a_verified_batch() -> None:
    station = Station()
    batch = station.verifier(Standard()).verify(station.seal())
    names = [field.name for field in dataclasses.fields(batch)]
    values = {name: getattr(batch, name) for name in names}
    with pytest.raises(TypeError, match="Verifier"):
        VerifiedBatch(**values)
    with pytest.raises(TypeError, match="Verifier"):
        dataclasses.replace(batch, fresh=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.fresh = False  # type: ignore[misc]


def test_the_verifier_opens_batches_without_judging_them() -> None:
    station = Station()
    raw = station.seal()
    verifier = Verifier(trust=station.trust, policy=AllOf())
    sealed = verifier.authenticate(raw)
    assert isinstance(sealed, SealedBatch)
    assert sealed.contents.meters[0].profile == PROFILE
    checked = list(verifier.check_each([raw, raw[:-1] + bytes([raw[-1] ^ 1]), b""]))
    assert [getattr(one, "code", None) for one in checked] == [
        None,
        "signature-invalid",
        "batch-truncated",
    ]
    assert checked[0].digest == sealed.hash
    assert [type(one) for one in verifier.authenticate_each([raw, b"", raw])] == [
        SealedBatch,
        type(next(iter(verifier.authenticate_each([b""])))),
        SealedBatch,
    ]
