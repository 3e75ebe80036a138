"""Seals a corpus by the firmware's own code: the 5000th batch of a chain, nothing trimmed.

Needs `firmware` on sys.path.
"""

import hashlib
from typing import Any

from agent import cbor, sealer_gather, sealer_payload
from agent.batch import encode_payload
from agent.columns import encode_column, encode_integers, register_value
from agent.keystore import Keystore, Mark, Origin
from agent.reading import ALL_PRESENT, Context, Meter, Reading, pack
from agent.signer import (
    CONTENT_BATCH,
    KEY_CLASS_SIM,
    SoftwareSigner,
    assemble,
    protected_header,
)

PRIVATE_32 = hashlib.sha256(b"meterseal corpus key, published and worthless").digest()
NUMBER = 5000
CONTENT_RECEIPT = 65004
FIRMWARE_VERSION = "0.1.0"
_NOON_MS = 1_790_040_000_000


class _Clock:
    """The clock of the sealing boot, an hour after the collector last told the time."""

    def __init__(self, boot: int, mono_ms: int) -> None:
        self.boot = boot
        self._mono_ms = mono_ms

    def mono_ms(self) -> int:
        return self._mono_ms

    def anchor(self) -> tuple[int, int, int, int, int]:
        return (self.boot, self._mono_ms - 3_541_217, _NOON_MS + 417, 5, 41)


def _health(uptime_s: int, blocks: int) -> dict[int, Any]:
    """What the station reports (see `_others` in app.py) after 17 days; no key is left out."""
    ok = uptime_s // 60 * blocks
    return {
        0: 61_264,
        2: 3,
        3: [(ok, 29, 6, 2, 0, 31)],
        5: 212,
        7: 1,
    }


def _registers(items: list[list[Any]]) -> tuple[tuple[int, int, bytes], ...]:
    return tuple((function, address, bytes.fromhex(words)) for function, address, words in items)


def context_of(node: dict[str, Any]) -> Context:
    """The journal's context of a corpus."""
    meter = Meter(
        node["profile"],
        bytes.fromhex(node["profile_hash"]),
        node["unit"],
        _registers(node["identity"]),
        _registers(node["setup"]),
        tuple(tuple(column) for column in node["columns"]),
    )
    return Context(node["boot"], (meter,))


def records(node: dict[str, Any]) -> list[tuple[int, bytes]]:
    """(kind, payload) as the journal holds them."""
    found = [(sealer_gather.CONTEXT, context_of(node).pack())]
    for sequence, t_100ms, words in node["readings"]:
        reading = Reading(
            sequence, node["boot"], t_100ms, 0, 0, 0, ALL_PRESENT, bytes.fromhex(words)
        )
        found.append((sealer_gather.READING, pack(reading)))
    return found


def receipt() -> bytes:
    """A receipt of the collector's size for one acknowledgement; opaque to a decoder."""
    ack = [bytes(8), bytes(16), NUMBER - 1, bytes(32)]
    content = cbor.encode({0: 1, 1: _NOON_MS, 2: [ack]})
    protected = protected_header(CONTENT_RECEIPT, bytes(8))
    return assemble(protected, content, bytes(64))


def extras(with_receipt: bool) -> dict[int, Any]:
    """What an ESP32 and a collector add: largest free block, signal strength, a receipt."""
    return {16: {1: 77_824, 4: -67}} | ({19: receipt()} if with_receipt else {})


def payload(node: dict[str, Any], more: dict[int, Any] | None = None) -> bytes:
    """Payload of the batch; `more`: what is stated besides, health keys added to the others."""
    first = node["readings"][0][0]
    gathered = sealer_gather.Gathered(first - 1, 60, 12288)
    for kind, record in records(node):
        if not gathered.take(kind, record):
            raise ValueError("expected the whole corpus in one batch")
    digest = hashlib.sha256(b"batch before").digest()
    chain_16 = hashlib.sha256(b"corpus chain").digest()[:16]
    keystore = Keystore(
        None,
        KEY_CLASS_SIM,
        PRIVATE_32,
        chain_16,
        Mark(NUMBER - 1, digest, first),
        Origin(0, bytes(16), 0, bytes(32)),
    )
    identity = sealer_payload.Identity(
        FIRMWARE_VERSION, hashlib.sha256(b"corpus configuration").digest()[:8], None
    )
    clock = _Clock(node["boot"], node["sealed_mono_ms"])
    blocks = 1 if len(node["columns"]) == 1 else 2
    others = {16: _health(node["sealed_mono_ms"] // 1000, blocks)}
    others |= {key: value for key, value in (more or {}).items() if key != 16}
    others[16] |= (more or {}).get(16, {})
    fields = sealer_payload.payload_fields(
        keystore, clock, identity, KEY_CLASS_SIM, gathered, [], others
    )
    return bytes(encode_payload(fields, gathered.contexts, gathered.rows))


def sealed(node: dict[str, Any], more: dict[int, Any] | None = None) -> bytes:
    """The whole batch: envelope, payload, signature."""
    signer = SoftwareSigner(PRIVATE_32, KEY_CLASS_SIM)
    content: bytes = signer.sign1(CONTENT_BATCH, payload(node, more))[0]
    return content


def key_file() -> dict[str, str]:
    """The published key: what a verifier needs, and what signs again."""
    signer = SoftwareSigner(PRIVATE_32, KEY_CLASS_SIM)
    return {
        "note": "Published and worthless.",
        "private_hex": PRIVATE_32.hex(),
        "public_hex": signer.public_65.hex(),
        "kid_hex": signer.kid_8.hex(),
    }


def shares(node: dict[str, Any]) -> dict[str, int]:
    """Bytes of a batch by what they are for; `rest` is everything not named."""
    whole = len(sealed(node))
    body = len(payload(node))
    meters = len(cbor.encode([m[:5] for m in context_of(node).meters]))
    columns = {}
    offset = 0
    for function, address, count, order in node["columns"]:
        words = [bytes.fromhex(r[2])[offset : offset + 2 * count] for r in node["readings"]]
        values = [register_value(w, order) for w in words]
        encoded = encode_column(function, address, count, order, values, [])
        columns[f"column {address:#06x}"] = len(cbor.encode(encoded))
        offset += 2 * count
    times = encode_integers([r[1] for r in node["readings"]], 64)
    health = len(cbor.encode(_health(node["sealed_mono_ms"] // 1000, 2)))
    named = {"envelope": whole - body, "meters": meters, "time": len(cbor.encode(times))}
    named |= {"health": health, **columns}
    return {**named, "rest": whole - sum(named.values())}
