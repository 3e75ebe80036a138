"""Hostile CBOR, signed by a known key, against the whole verifier: only VerificationError, and
memory in proportion to the bytes.
"""

import importlib.util
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meterseal.errors import VerificationError
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of
from meterseal.verify import Standard, Verifier
from support.fast_station import hour_of_readings
from support.sealed import private_key, public_bytes, seal

KEY = private_key(7)
PUBLIC = public_bytes(KEY)
TRUST = Trust({kid_of(PUBLIC): TrustedKey(kid_of(PUBLIC), PUBLIC, "sim", "x")}, "", "", True)
FUZZER = Path(__file__).resolve().parent.parent / "support" / "fuzz_atheris.py"


def head(major: int, value: int, width: int) -> bytes:
    """Head of an item, in a form of `width` bytes, shortest or not."""
    info = {0: value & 23, 1: 24, 2: 25, 4: 26, 8: 27}[width]
    return bytes([major << 5 | info]) + (value % (1 << 8 * width)).to_bytes(width, "big")


WIDTHS = st.sampled_from((0, 1, 2, 4, 8))
HEADS = st.builds(head, st.integers(0, 7), st.integers(0, 2**64 - 1), WIDTHS)
HOSTILE = st.one_of(
    st.binary(max_size=40),
    HEADS,
    st.builds(lambda one, count: one * count, HEADS, st.integers(1, 5000)),
    st.sampled_from((b"\x9f", b"\xbf", b"\xff", b"\x5f\x41\x00\xff", b"\xfb" + bytes(8), b"\xf6")),
    st.integers(-(2**80), 2**80).map(cbor2.dumps),
)
PAYLOAD = cbor2.dumps(hour_of_readings(), canonical=True)


@st.composite
def payloads(draw):
    """A good payload with hostile bytes put in, over or behind it; or nothing but such bytes."""
    piece = draw(HOSTILE)
    way = draw(st.integers(0, 4))
    at = draw(st.integers(0, len(PAYLOAD) - 1))
    if way == 0:
        return piece
    if way == 1:
        return PAYLOAD + piece
    if way == 2:
        return PAYLOAD[:at] + piece + PAYLOAD[at:]
    if way == 3:
        return PAYLOAD[:at] + piece + PAYLOAD[at + len(piece) :]
    key, value = draw(st.sampled_from(sorted(hour_of_readings().items())))
    return bytes([PAYLOAD[0] + 1]) + cbor2.dumps(key) + cbor2.dumps(value) + PAYLOAD[1:]


def verdict_on(payload: bytes) -> None:
    """Verifies or is refused by a VerificationError; memory stays in proportion."""
    if len(payload) > 65_000:
        payload = payload[:65_000]
    raw, _ = seal(payload, KEY)
    verifier = Verifier(trust=TRUST, policy=Standard())
    tracemalloc.start()
    try:
        verifier.verify(raw)
    except VerificationError as refusal:
        assert refusal.code and refusal.text
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4_000_000 + 200 * len(raw), (peak, len(raw))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(payloads())
def test_signed_hostile_payloads(payload):
    verdict_on(payload)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None, database=None)
@given(payloads())
def test_signed_hostile_payloads_long(payload):
    verdict_on(payload)


@pytest.mark.long
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this system"
)
def test_atheris(tmp_path):
    """Coverage-guided: envelope, CBOR, schema and readings; only VerificationError."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "hour").write_bytes(PAYLOAD)
    command = [sys.executable, str(FUZZER), "-runs=200000", "-max_len=4096", "-rss_limit_mb=1024"]
    done = subprocess.run(
        [*command, str(tmp_path / "corpus")],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    print(done.stderr[-400:])
    assert done.returncode == 0 and "Done 200000 runs" in done.stderr, done.stderr[-3000:]
