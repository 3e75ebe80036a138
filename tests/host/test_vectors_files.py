"""The vector files themselves: their form, the CDDL, and a COSE library that is not ours.

Nothing here uses the project's own decoder or encoder, so that a fault common to both would show.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import cbor2
import pycddl
import pytest
from cddl_verifier import Validator
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cwt import COSE, COSEKey
from cwt.exceptions import VerifyError

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
CDDL = ROOT / "wire_format.cddl"
WIRE_FORMAT = (ROOT / "WIRE_FORMAT.md").read_text(encoding="utf-8")
CODES = set(re.findall(r"^\| `([a-z0-9-]+)` \|", WIRE_FORMAT.split("## 11. Refusals")[1], re.M))
CHAIN_CODES = set(re.findall(r"^\| `([a-z-]+)` \| \(chain\)", WIRE_FORMAT, re.M))
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in VECTORS.glob("*_v1.json")}
BATCH = FILES["batch_v1"]
KEYS = {key["id"]: key for key in BATCH["keys"]}
VALID = [test for test in BATCH["tests"] if test["result"] == "valid"]
INVALID = [test for test in BATCH["tests"] if test["result"] == "invalid"]
BATCH_MEMBERS = "id comment flags key input payload_hex bytes_hex hash_hex result error"
INPUT_MEMBERS = (
    "chain_hex number previous_hex boot sealed_mono_ms first_sequence anchors firmware "
    "config_hash_hex key_class contexts readings events lost health genesis extra"
)
# Kinds of defects that CDDL can express, as far as no value depends on another.
CDDL_FLAGS = {"field-missing", "field-type", "field-unexpected", "key-critical-unknown"}


def public_key(key: dict[str, str]) -> ec.EllipticCurvePublicKey:
    """Return the public key of the vectors' JSON object."""
    point = bytes.fromhex(key["public_hex"])
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def thumbprint(point: bytes) -> bytes:
    """Return the COSE Key Thumbprint (RFC 9679, SHA-256) of the 65-byte public key."""
    key = cbor2.dumps({1: 2, -1: 1, -2: point[1:33], -3: point[33:]}, canonical=True)
    return hashlib.sha256(key).digest()


def cose_key(name: str) -> COSEKey:
    """Return the key for the foreign COSE library, from nothing but the public key."""
    point = bytes.fromhex(KEYS[name]["public_hex"])
    kid = thumbprint(point)[:8]
    return COSEKey.new({1: 2, 2: kid, -1: 1, 3: -7, -2: point[1:33], -3: point[33:]})


def der(signature: bytes) -> bytes:
    """Return the DER form of r || s."""
    r, s = signature[:32], signature[32:]
    return utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def check_signature(data: bytes, key: dict[str, str]) -> tuple[bytes, bytes]:
    """Return (Sig_structure, payload) of a batch whose signature holds; raise otherwise."""
    protected, _, payload, signature = cbor2.loads(data).value
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    public_key(key).verify(der(signature), signed, ec.ECDSA(hashes.SHA256()))
    return signed, payload


def names(tests: list[dict[str, Any]]) -> list[str]:
    """Return the ids for pytest."""
    return [test["id"] for test in tests]


def test_generator_makes_exactly_these_files() -> None:
    command = [sys.executable, str(VECTORS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_generator_imports_neither_side() -> None:
    source = "\n".join(path.read_text("utf-8") for path in VECTORS.glob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.M))
    modules = {path.stem for path in VECTORS.glob("vec_*.py")}
    assert imported - modules <= set(sys.stdlib_module_names)


def test_no_file_without_generator() -> None:
    assert set(FILES) == {"batch_v1", "cbor_v1", "chain_v1", "columns_v1", "p256_v1"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_form(name: str) -> None:
    content = FILES[name]
    assert content["format"] == 1
    ids = names(content["tests"])
    assert len(ids) == len(set(ids))
    used = {flag for test in content["tests"] for flag in test["flags"]}
    assert used == set(content["notes"])
    lines = (VECTORS / f"{name}.json").read_text("utf-8").splitlines()
    tests = [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"id"')]
    assert tests[-len(ids) :] == content["tests"], "each test stands on a line of its own"


def test_batch_members() -> None:
    for test in BATCH["tests"]:
        assert " ".join(test) == BATCH_MEMBERS, test["id"]
        assert test["key"] in KEYS
        if test["result"] == "valid":
            assert test["error"] is None
            assert (test["input"] is None) == ("DecoderOnly" in test["flags"]), test["id"]
            assert " ".join(test["input"] or INPUT_MEMBERS.split()) == INPUT_MEMBERS, test["id"]
        else:
            assert (test["input"], test["payload_hex"], test["hash_hex"]) == (None, None, None)


def test_every_code_of_the_format_has_a_case() -> None:
    assert len(VALID) >= 40
    assert len(INVALID) >= 120
    assert {test["error"] for test in INVALID} == CODES - CHAIN_CODES
    found = {test["expected"]["error"] for test in FILES["chain_v1"]["tests"]}
    assert found - {None, "signature-invalid"} == CHAIN_CODES


@pytest.mark.parametrize("name", ["columns_v1", "cbor_v1"])
def test_refused_items_have_codes_of_the_format(name: str) -> None:
    for test in FILES[name]["tests"]:
        assert (test["error"] is None) == (test["result"] == "valid"), test["id"]
        assert test["error"] is None or test["error"] in CODES, test["id"]


@pytest.mark.parametrize("test", VALID, ids=names(VALID))
def test_valid_batch_verifies_with_a_foreign_cose_library(test: dict[str, Any]) -> None:
    payload = COSE.new().decode(bytes.fromhex(test["bytes_hex"]), cose_key(test["key"]))
    assert payload.hex() == test["payload_hex"]


def test_foreign_cose_library_refuses_wrong_signatures() -> None:
    wrong = [test for test in INVALID if test["error"] == "signature-invalid"]
    key = cose_key("device")
    for test in wrong:
        with pytest.raises(VerifyError):
            COSE.new().decode(bytes.fromhex(test["bytes_hex"]), key)


@pytest.mark.parametrize("test", VALID, ids=names(VALID))
def test_valid_batch_is_canonical(test: dict[str, Any]) -> None:
    """The hash, the deterministic encoding, the low s and the length, by foreign code."""
    data = bytes.fromhex(test["bytes_hex"])
    signed, payload = check_signature(data, KEYS[test["key"]])
    assert hashlib.sha256(signed).hexdigest() == test["hash_hex"]
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload
    assert len(data) <= 65_535
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    assert int.from_bytes(data[-32:], "big") <= (order - 1) // 2


def test_defects_behind_the_signature_are_signed_properly() -> None:
    inner = [t for t in INVALID if t["flags"] != ["Envelope"]]
    assert len(inner) > 250
    for test in inner:
        check_signature(bytes.fromhex(test["bytes_hex"]), KEYS[test["key"]])


def test_cddl_parses_with_a_second_parser() -> None:
    pycddl.Schema(CDDL.read_text("utf-8"))


def test_cddl_accepts_every_valid_batch() -> None:
    validator = Validator(CDDL)
    for test in VALID:
        result = validator.validate(bytes.fromhex(test["bytes_hex"]), root_type="batch")
        assert result.valid, (test["id"], result.diagnostics)


def test_cddl_refuses_what_it_can_express() -> None:
    validator = Validator(CDDL)
    tests = [t for t in INVALID if t["error"] in CDDL_FLAGS]
    accepted = [
        test["id"]
        for test in tests
        if validator.validate(bytes.fromhex(test["bytes_hex"]), root_type="batch").valid
    ]
    assert len(tests) > 80
    assert accepted == []


def test_p256_signatures_hold_by_a_foreign_library() -> None:
    tests = [t for t in FILES["p256_v1"]["tests"] if t["kind"] == "sign"]
    assert len(tests) >= 42
    for test in tests:
        digest, signature = bytes.fromhex(test["digest_hex"]), bytes.fromhex(test["signature_hex"])
        private = ec.derive_private_key(int(test["private_hex"], 16), ec.SECP256R1())
        prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        private.public_key().verify(der(signature), digest, prehashed)
        deterministic = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
        expected = utils.decode_dss_signature(private.sign(digest, deterministic))
        rfc6979 = bytes.fromhex(test["rfc6979_hex"])
        halves = int.from_bytes(rfc6979[:32], "big"), int.from_bytes(rfc6979[32:], "big")
        assert halves == expected, test["id"]


def test_p256_verdicts_hold_by_a_foreign_library() -> None:
    prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
    for test in FILES["p256_v1"]["tests"]:
        if test["kind"] != "verify":
            continue
        signature = der(bytes.fromhex(test["signature_hex"]))
        digest = bytes.fromhex(test["digest_hex"])
        if test["result"] == "valid" or "TextbookValid" in test["flags"]:
            public_key(test).verify(signature, digest, prehashed)
        elif "BadKey" in test["flags"]:
            with pytest.raises(ValueError):
                public_key(test)
        else:
            with pytest.raises(InvalidSignature):
                public_key(test).verify(signature, digest, prehashed)


def test_kids_are_thumbprints() -> None:
    for test in FILES["p256_v1"]["tests"]:
        if test["kind"] == "thumbprint":
            found = thumbprint(bytes.fromhex(test["public_hex"])).hex()
            assert found == test["thumbprint_hex"]
            assert test["thumbprint_hex"].startswith(test["kid_hex"])
