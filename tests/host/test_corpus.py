"""The frozen corpus is what the generator and the firmware give, and it is sound."""

import json
import struct
import sys
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
sys.path.append(str(CORPUS))

import generate  # noqa: E402


def load(name):
    return json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))


def test_committed_files_are_what_the_generator_gives():
    for name, content in generate.files().items():
        assert (CORPUS / name).read_bytes() == content, name


@pytest.mark.parametrize("name", generate.CORPORA)
def test_batches_verify_with_the_published_key(name):
    public = bytes.fromhex(json.loads((CORPUS / "key.json").read_text())["public_hex"])
    batch = cbor2.loads((CORPUS / f"{name}.cbor").read_bytes())
    protected, unprotected, payload, signature = batch.value
    structure = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    key.verify(utils.encode_dss_signature(r, s), structure, ec.ECDSA(SHA256()))
    fields = cbor2.loads(payload)
    assert (unprotected, fields[2], fields[6], fields[7]) == ({}, 5000, 300_000, 60)


def test_the_hour_is_what_the_readme_says():
    volts, watts, kwh = [], [], []
    for _, _, words in load("4q_float_sdm120")["readings"]:
        energy, power, voltage, current = struct.unpack(">4f", bytes.fromhex(words))
        assert current > 0
        volts.append(voltage)
        watts.append(power)
        kwh.append(energy)
    assert min(volts) > 225 and max(volts) < 235
    starts = [i for i in range(1, 60) if watts[i] > 1000 and watts[i - 1] < 10]
    assert len(starts) == 2
    assert kwh == sorted(kwh) and 1 < kwh[-1] - kwh[0] < 2


def test_both_meters_tell_of_the_same_hour():
    floats, integers = load("4q_float_sdm120"), load("4q_int_em340")
    for one, other in zip(floats["readings"], integers["readings"], strict=True):
        power = struct.unpack(">4f", bytes.fromhex(one[2]))[1]
        low, high = struct.unpack(">HH", bytes.fromhex(other[2])[4:8])
        assert one[:2] == other[:2]
        assert abs(power - (high << 16 | low) / 10) <= 0.0501
