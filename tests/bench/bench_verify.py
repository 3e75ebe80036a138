"""Verification speed on one core, over `openssl speed` in the same run, on the frozen corpus.

`openssl speed` counts CPU time, and so does this: they take turns, and the best turn of each is
what counts, since whatever else the processor does only ever slows.

`verify_ratio_openssl`: envelope and signature (`Verifier.check_each`).
`verify_ratio_openssl_schema`: also CBOR and schema (`Verifier.authenticate_each`).
`verify_ratio_openssl_decoded`: also all readings of the four columns (`Verifier.decode_each`).
`verify_ratio_openssl_whole`: everything (`Verifier.verify_each`): also chain, clock, register and
policy.
"""

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of, public_bytes
from meterseal.verify import Decoded, SealedBatch, Standard, Verifier
from meterseal.wire.envelope import Envelope
from support.sealed import seal

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
BATCH = "4q_float_sdm120.cbor"
CHAIN_LEN = 1024
ROUNDS = 7
SECONDS = 1
ENERGY = [4, 72, 2]
HOUR_MS = 3_600_000


def corpus_key() -> ec.EllipticCurvePrivateKey:
    """The published key of the corpus."""
    text = json.loads((CORPUS / "key.json").read_text(encoding="utf-8"))["private_hex"]
    return ec.derive_private_key(int(text, 16), ec.SECP256R1())


def chain(key: ec.EllipticCurvePrivateKey, length: int) -> list[bytes]:
    """Batches as large as the corpus batch, one an hour, linked: its payload moved on in time."""
    payload = cbor2.loads(cbor2.loads((CORPUS / BATCH).read_bytes()).value[2])
    profile = (profiles_dir() / f"{payload[12][0][0]}.json").read_bytes()
    # the profile may be newer than the corpus
    payload[12][0][1] = hashlib.sha256(profile).digest()[:16]
    batches = []
    for _ in range(length):
        raw, batch_hash = seal(payload, key)
        batches.append(raw)
        move_on(payload, batch_hash)
    return batches


def move_on(payload: dict[int, Any], previous: bytes) -> None:
    """The next hour: the same readings, later and with a higher register."""
    payload[2] += 1
    payload[3] = previous
    payload[5] += HOUR_MS
    payload[6] += payload[7]
    for anchor in payload.get(8, ()):
        anchor[1] += HOUR_MS
        anchor[2] += HOUR_MS
    for group in payload[13]:
        group[4][0] += HOUR_MS // 100
        for column in group[6]:
            if column[:3] == ENERGY:
                column[4] += 8192  # 2 kWh: more than the register rises within the hour


def openssl_per_s() -> float:
    """P-256 verifications a second, by CPU time."""
    program = shutil.which("openssl")
    if program is None:
        raise RuntimeError("openssl is needed for this figure: apt-get install openssl")
    command = [program, "speed", "-seconds", str(SECONDS), "ecdsap256"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(one for one in text.splitlines() if "nistp256" in one)
    return float(re.findall(r"[\d.]+", line)[-1])


def per_s(run: Callable[[], int]) -> float:
    """Batches a second of CPU time."""
    start_s = time.process_time()
    done = 0
    while time.process_time() - start_s < SECONDS:
        done += run()
    return done / (time.process_time() - start_s)


def check_all(verifier: Verifier, batches: list[bytes]) -> int:
    """Envelope and signature; every batch has to be right."""
    for envelope in verifier.check_each(batches):
        assert isinstance(envelope, Envelope), envelope
    return len(batches)


def authenticate_all(verifier: Verifier, batches: list[bytes]) -> int:
    """The same with CBOR and schema."""
    for sealed in verifier.authenticate_each(batches):
        assert isinstance(sealed, SealedBatch), sealed
    return len(batches)


def decode_all(verifier: Verifier, batches: list[bytes]) -> int:
    """The same with the readings."""
    readings = 0
    for decoded in verifier.decode_each(batches):
        assert isinstance(decoded, Decoded), decoded
        readings += sum(len(column.values) for column in decoded.groups[0].columns)
    assert readings == 4 * 60 * len(batches)
    return len(batches)


def verify_all(verifier: Verifier, batches: list[bytes]) -> int:
    """Everything, from the beginning of the chain."""
    verifier.devices.clear()
    for verdict in verifier.verify_each(batches):
        assert verdict.batch is not None, verdict.refusal
    return len(batches)


WAYS = {"": check_all, "_schema": authenticate_all, "_decoded": decode_all, "_whole": verify_all}


def figures() -> dict[str, float]:
    """The ratios of the best turns: as many, as long, for the reference and for each way."""
    key = corpus_key()
    public = public_bytes(key)
    trusted = TrustedKey(kid_of(public), public, "sim", "bench")
    verifier = Verifier(trust=Trust({trusted.kid: trusted}, "", "", True), policy=Standard())
    batches = chain(key, CHAIN_LEN)
    best = dict.fromkeys(WAYS, 0.0)
    reference = 0.0
    for _ in range(ROUNDS):
        for way, run in WAYS.items():
            best[way] = max(best[way], per_s(partial(run, verifier, batches)))
        reference = max(reference, openssl_per_s())
    return {f"verify_ratio_openssl{way}": rate / reference for way, rate in best.items()}
