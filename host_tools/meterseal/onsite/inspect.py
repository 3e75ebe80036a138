"""What a running station tells: state, self-test, log, journaled batches, a sealed challenge."""

from dataclasses import dataclass
from typing import Any

from meterseal.models import KEY_CLASSES
from meterseal.onsite.cable import Answer, Cable, InspectionError
from meterseal.profiles import find
from meterseal.resources import profiles_dir
from meterseal.serials import serial_of
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of
from meterseal.verify import Refuse, VerifiedBatch, Verifier
from meterseal.verify.totals import ProfileTotals

CHALLENGE_S = 300.0
"""How long a station with slow meters may take to read and seal."""
NONCES = 21


@dataclass(frozen=True)
class Register:
    """The energy register of a meter at the moment of a challenge; None: unknown profile.

    `serial`: as the meter gave it, "" if the profile has none or it was not read.
    """

    unit: int
    profile: str
    identity: str
    energy_import_mwh: int | None
    serial: str = ""


@dataclass(frozen=True)
class Sealed:
    """A challenge that the station answered: the batch, verified under the board's own key."""

    raw: bytes
    number: int
    batch_hash: bytes
    registers: tuple[Register, ...]


def state(cable: Cable) -> dict[str, Any]:
    """Figures by name; times in ms, registers and secrets are not among them."""
    first, *meters = cable.ask("state")
    boot, mono_ms = first[4]
    fill, records, waiting, erased = first[10]
    acknowledged, bad, damaged = first[11]
    dropped, missed, lost = first[14]
    return {
        "device_id": kid_of(first[2]).hex(),
        "public_key": first[2].hex(),
        "key_class": KEY_CLASSES[first[3]],
        "firmware": first[1],
        "boot": boot,
        "running_ms": mono_ms,
        "utc_unix_ms": first.get(5),
        "chain": first[6].hex(),
        "batch": first[7][0],
        "next_sequence": first[8],
        "read_interval_s": first[9],
        "journal": {
            "fill_permille": fill,
            "unsealed_permille": records,
            "waiting": waiting,
            "acknowledged": acknowledged,
            "erased": erased,
            "bad_sectors": bad,
            "damaged": damaged,
            "lost_ranges": lost,
        },
        "dropped_records": dropped,
        "missed_polls": missed,
        "free_heap": first[13],
        "tasks": [dict(zip(("name", "state", "failures"), one, strict=True)) for one in first[12]],
        "meters": [
            {"profile": one[1], "unit_id": one[2], "state": one[3], "counters": one[4]}
            for one in meters
        ],
    }


def check(cable: Cable) -> list[tuple[str, bool, str]]:
    """The self-test of a running station: what, whether it is right, what was found."""
    return [(one[1], bool(one[2]), one[3]) for one in cable.ask("check")]


def set_time(cable: Cable, t_unix_ms: int) -> tuple[int, int]:
    """Tell the station the time; (Unix milliseconds, source) that it believes then.

    Sources: WIRE_FORMAT.md section 5. What a collector said is believed before a technician.
    """
    (told,) = cable.ask(f"time {t_unix_ms}")
    return told[1], told[2]


def last_lines(cable: Cable) -> list[str]:
    """Newest lines of the log, oldest first."""
    return [one[1] for one in cable.ask("log")]


def pull(cable: Cable, first_number: int = 1) -> list[tuple[int, bytes]]:
    """(number, bytes) of every batch of the present chain that the journal holds."""
    return _batches(cable.ask(f"pull {first_number}"))


def challenge(cable: Cable, nonce: bytes, totals: ProfileTotals) -> Sealed:
    """Have the nonce sealed together with a reading that is taken for it.

    Raises InspectionError `challenge-nonce` if the answer does not hold this nonce alone;
    VerificationError if it is not signed by the key that the board names.
    """
    about = state(cable)
    found = _batches(cable.ask(f"challenge {nonce.hex()}", CHALLENGE_S))
    if len(found) != 1:
        raise InspectionError("challenge-nonce", f"expected one batch, found {len(found)}")
    ((number, raw),) = found
    verifier = Verifier(trust=_trust(about), policy=Refuse("key-class-mismatch"), totals=totals)
    batch = verifier.verify(raw)
    answered = [bytes(one[0]) for one in batch.contents.extra.get(NONCES, ())]
    if answered != [nonce]:
        raise InspectionError(
            "challenge-nonce",
            f"expected the nonce {nonce.hex()} in the batch, found {[x.hex() for x in answered]}",
            "Do not accept this station: it answered with something else.",
        )
    return Sealed(raw, number, batch.sealed.hash, _registers(verifier, batch, totals))


def _trust(about: dict[str, Any]) -> Trust:
    """The key that the board itself names: whose it is, the registry has to say."""
    public_key = bytes.fromhex(about["public_key"])
    key = TrustedKey(kid_of(public_key), public_key, about["key_class"], "")
    return Trust({key.kid: key}, "", "", False)


def _registers(
    verifier: Verifier, batch: VerifiedBatch, totals: ProfileTotals
) -> tuple[Register, ...]:
    found = []
    for unit, one in verifier.devices[batch.kid].meters.by_unit.items():
        total = totals.of(one.meter)
        energy = total.exact_mwh(one.last.rank) if total and one.last else None
        identity = " ".join(registers.words.hex() for registers in one.meter.identity)
        profile = find(profiles_dir(), one.meter.profile) if total else None
        serial = serial_of(one.meter, profile) if profile else ""
        found.append(Register(unit, one.meter.profile, identity, energy, serial))
    return tuple(found)


def _batches(answers: Any) -> list[tuple[int, bytes]]:
    """Batches out of their parts, each as long as was said."""
    found: list[tuple[int, int, bytearray]] = []
    for one in answers:
        if one[0] == "batch":
            found.append((one[1], one[3], bytearray()))
        elif one[0] == "part":
            found[-1][2].extend(_part(one, len(found[-1][2])))
    for number, length, data in found:
        if len(data) != length:
            text = f"batch {number}: expected {length} bytes, found {len(data)}"
            raise InspectionError("inspect-garbled", text, "Ask again.")
    return [(number, bytes(data)) for number, _, data in found]


def _part(one: Answer, at: int) -> bytes:
    if one[1] != at:
        text = f"expected the part from byte {at}, found {one[1]}"
        raise InspectionError("inspect-garbled", text, "Ask again.")
    part: bytes = one[2]
    return part
