"""Verification speed on one core, over `openssl speed` in the same run, on the frozen corpus.

`openssl speed` counts CPU time, and so does this: they take turns, and the median of the
turns is what counts, so that a busy machine disturbs little.

`verify_ratio_openssl`: envelope, signature, CBOR and schema (`Verifier.authenticate_each`).
`verify_ratio_openssl_decoded`: everything (`Verifier.verify_each`): also all readings of four
columns decoded, chain, clock, register and policy checked.
"""

import hashlib
import json
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of, public_bytes
from meterseal.verify import SealedBatch, Standard, Verifier
from meterseal.verify.totals import ProfileTotals
from support.sealed import seal

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
BATCH = "4q_float_sdm120.cbor"
CHAIN_LEN = 1024
ROUNDS = 5
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
    payload[12][0][1] = hashlib.sha256(
        profile
    ).digest()  # the profile may be newer than the corpus
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
        group[3][0] += group[2]
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


def verify_all(trust: Trust, batches: list[bytes], totals: ProfileTotals) -> int:
    """The whole way, from a fresh verifier; every batch has to be accepted."""
    verifier = Verifier(trust=trust, policy=Standard(), totals=totals)
    readings = 0
    for verdict in verifier.verify_each(batches):
        assert verdict.batch is not None, verdict.refusal
        readings += sum(len(group.columns[0].values) for group in verdict.batch.groups)
    assert readings == 60 * len(batches)
    return len(batches)


def figures() -> dict[str, float]:
    """Both ratios; medians of rounds in which the three are measured in turn."""
    key = corpus_key()
    public = public_bytes(key)
    trusted = TrustedKey(kid_of(public), public, "sim", "bench")
    trust = Trust({trusted.kid: trusted}, "", "", True)
    batches = chain(key, CHAIN_LEN)
    totals = ProfileTotals.load(profiles_dir())
    verifier = Verifier(trust=trust, policy=Standard(), totals=totals)

    def authenticate_all() -> int:
        for sealed in verifier.authenticate_each(batches):
            assert isinstance(sealed, SealedBatch), sealed
        return len(batches)

    sealed, decoded = [], []
    for _ in range(ROUNDS):
        reference = openssl_per_s()
        sealed.append(per_s(authenticate_all) / reference)
        decoded.append(per_s(lambda: verify_all(trust, batches, totals)) / reference)
    return {
        "verify_ratio_openssl": statistics.median(sealed),
        "verify_ratio_openssl_decoded": statistics.median(decoded),
    }
