"""A station on paper: seals chains of small batches for host tests, honest or not.

Payloads are written with cbor2 and columns with the device's encoder; whatever a test wants to be
wrong it changes in `payload()` before `close()` seals it.
"""

import hashlib
import struct
from typing import Any

from agent.columns import encode_integers
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of, public_bytes
from meterseal.verify import Policy, VerifiedBatch, Verifier
from meterseal.verify.totals import ProfileTotals

from support.host import NOW_UNIX_MS, trust_in
from support.sealed import private_key, seal

PROFILE = "eastron-sdm120"
PROFILE_HASH = hashlib.sha256((profiles_dir() / f"{PROFILE}.json").read_bytes()).digest()[:16]
TOTALS = ProfileTotals.load(profiles_dir())
ENERGY, POWER = [4, 0x48, 2, 0], [4, 0x0C, 2, 0]
READINGS = 5
INTERVAL_MS = 60_000
START_UNIX_MS = NOW_UNIX_MS - 30 * 24 * 3_600_000


def f32(value: float) -> int:
    """The bits of a float, as the meter sends them."""
    return int.from_bytes(struct.pack(">f", value), "big")


class Station:
    """Seals one batch of five readings after the other."""

    def __init__(self, key_number: int = 5, chain: bytes = b"c" * 16, **trusted: Any) -> None:
        self.key = private_key(key_number)
        public = public_bytes(self.key)
        known = {"key_class": "software", "station": "test"} | trusted
        self.trusted = TrustedKey(kid_of(public), public, **known)
        self.trust: Trust = trust_in(self.trusted)
        self.chain = chain
        self.number = 1
        self.previous = b""
        self.sequence = 1
        self.boot = 3
        self.mono_ms = 1_000_000
        self.energy_kwh = 100.0
        self.power_w = 1200.0
        self.anchored = True

    def verifier(self, policy: Policy, **more: Any) -> Verifier:
        """A verifier that trusts this station; totals of the shipped profiles."""
        arguments: dict[str, Any] = {"trust": self.trust, "totals": TOTALS}
        arguments["now_unix_ms"] = lambda: NOW_UNIX_MS
        return Verifier(policy=policy, **arguments | more)

    @staticmethod
    def codes(batch: VerifiedBatch) -> set[str]:
        """Codes of what was found."""
        return {finding.code for finding in batch.findings}

    def seal_many(self, count: int) -> list[bytes]:
        """The next batches."""
        return [self.seal() for _ in range(count)]

    def seal(self, power: float | None = None) -> bytes:
        """The next batch; `power` changes what the meter showed."""
        if power is not None:
            self.power_w = power
        return self.close(self.payload())

    def payload(self) -> dict[int, Any]:
        """Payload of the next batch."""
        payload = {
            0: 1,
            1: self.chain,
            2: self.number,
            4: self.boot,
            5: self.mono_ms + READINGS * INTERVAL_MS,
            6: self.sequence,
            7: READINGS,
            9: "1.0.0",
            10: b"k" * 8,
            11: 1,
            12: [[PROFILE, PROFILE_HASH, 1, [[3, 0xFC00, b"\x01\x31\xf2\xa7"]], []]],
            13: [self.group()],
            16: {0: 60_000},
        }
        if self.previous:
            payload[3] = self.previous
        else:
            payload[17] = {0: 0, 1: b"p" * 32}
        if self.anchored:
            payload[8] = [self.anchor()]
        return payload

    def anchor(self, step_ms: int = 0, **changed: int) -> list[int]:
        """A time anchor at the first reading, right unless it is stepped or changed."""
        values = {
            "boot": self.boot,
            "mono_ms": self.mono_ms,
            "t_unix_ms": START_UNIX_MS + self.mono_ms + step_ms,
            "source": 5,
            "error_ms": 40,
        }
        return list((values | changed).values())

    def group(self) -> list[Any]:
        """Five readings of energy and power; the energy rises as the power says."""
        energies, powers = [], []
        for _ in range(READINGS):
            energies.append(f32(self.energy_kwh))
            powers.append(f32(self.power_w))
            self.energy_kwh += self.power_w * INTERVAL_MS / 3_600_000 / 1000
        columns = [column(POWER, powers), column(ENERGY, energies)]
        time = [self.mono_ms // 100, INTERVAL_MS // 100, 0, b""]
        return [0, self.boot, READINGS, [], time, [], columns]

    def close(self, payload: dict[int, Any]) -> bytes:
        """Seal a payload and make the next batch follow it."""
        raw, self.previous = seal(dict(sorted(payload.items())), self.key)
        self.number = payload[2] + 1
        self.sequence = payload[6] + payload[7]
        self.mono_ms += READINGS * INTERVAL_MS
        return raw

    def reboot(self, anchored: bool = True) -> None:
        """Power off and on: monotonic time begins anew."""
        self.boot += 1
        self.mono_ms = 5_000
        self.anchored = anchored


def column(register: list[int], values: list[int]) -> list[Any]:
    """A column as the device packs it."""
    first, base, width, packed, patches = encode_integers(values, 16 * register[2])
    found = [*register, first, base, width, bytes(packed)]
    return [*found, list(patches)] if patches else found
