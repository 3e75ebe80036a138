"""Trust files: what is accepted, and every way to forge one by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from meterseal import trust_json, trust_keys, trust_write
from meterseal.errors import EnvironmentProblem, TrustError
from meterseal.trust import entry_hash, load_trust, parse_trust, unix_ms
from support.host import KEYS, code_of
from support.sealed import kid_of, private_key, public_bytes

OPERATOR, STRANGER = private_key(1001), private_key(1002)
ANCHOR = trust_keys.fingerprint(public_bytes(OPERATOR))
AT = "2026-01-31T08:00:00Z"
DEVICES = [private_key(number) for number in (11, 12, 13)]


def entries() -> list[dict[str, Any]]:
    """Three devices; the second was revoked, the third restarted and retired."""
    found: list[dict[str, Any]] = []
    for number, key in enumerate(DEVICES):
        trust_write.enrol(found, public_bytes(key), f"station {number} ភ្នំពេញ", "software", AT)
    second, third = kid_of(DEVICES[1]).hex(), kid_of(DEVICES[2]).hex()
    trust_write.append(
        found, "revoke", AT, device_id=second, since="2026-03-01T00:00:00Z", reason="stolen"
    )
    restart = trust_write.append(found, "restart", AT, device_id=third, chain="ab" * 16)
    trust_write.countersign(found, restart["n"], STRANGER, AT)
    trust_write.append(found, "restart", AT, device_id=third, chain="cd" * 16)
    trust_write.append(found, "retire", AT, device_id=third, since="2026-04-01T00:00:00Z")
    trust_write.append(found, "note", AT, text="audit", items=[1, {"a": ["b"]}])
    return found


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trust_write.sign(entries(), OPERATOR))
    return found


def code(changed: dict[str, Any] | bytes, *anchors: str) -> str | None:
    data = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
    return code_of(parse_trust, data, anchors)


def test_what_the_registry_says_about_each_key() -> None:
    trust = parse_trust(trust_write.sign(entries(), OPERATOR), [ANCHOR])
    assert trust.anchored and trust.operator == ANCHOR
    first, second, third = (trust.keys[kid_of(key)] for key in DEVICES)
    assert first.public_key == public_bytes(DEVICES[0])
    assert first.station == "station 0 ភ្នំពេញ"
    assert first.revoked_from_unix_ms is None and first.valid_until_unix_ms is None
    assert second.revoked_from_unix_ms == 1_772_323_200_000
    assert second.revocation == "stolen"
    assert third.valid_until_unix_ms == 1_775_001_600_000
    assert third.restarts == {bytes.fromhex("ab" * 16)}
    assert trust.key(kid_of(DEVICES[0])) is first
    assert trust.key(b"12345678") is None


def test_without_anchor_it_is_unanchored_and_with_a_wrong_one_refused() -> None:
    data = trust_write.sign(entries(), OPERATOR)
    assert not parse_trust(data).anchored
    assert code(data, "00" * 32) == "trust-anchor"
    assert code(data, "00" * 32, ANCHOR.upper()) is None


def test_signed_by_a_stranger_is_not_signed_by_the_operator() -> None:
    data = trust_write.sign(entries(), STRANGER)
    assert code(data) is None
    assert code(data, ANCHOR) == "trust-anchor"
    both = trust_write.sign(entries(), STRANGER, OPERATOR)
    assert parse_trust(both, [ANCHOR]).operator == ANCHOR


@pytest.mark.parametrize("name", ["at", "station", "key_class", "public_key", "device_id", "n"])
def test_no_field_of_an_entry_can_be_changed(name: str) -> None:
    changed = document()
    value = changed["entries"][1][name]
    changed["entries"][1][name] = 7 if isinstance(value, int) else value[:-1] + "0"
    assert code(changed) == "trust-chain"


def test_entries_can_not_be_removed_reordered_or_added() -> None:
    for edit in (
        lambda found: found.pop(0),
        lambda found: found.pop(2),
        lambda found: found.insert(0, found.pop(1)),
        lambda found: found.insert(1, dict(found[1])),
    ):
        changed = document()
        edit(changed["entries"])
        assert code(changed) == "trust-chain"
    cut = document()
    cut["entries"].pop()
    assert code(cut) == "trust-head"
    cut["head"] = entry_hash(cut["entries"][-1])
    assert code(cut) == "trust-signature"
    longer = document()
    trust_write.append(longer["entries"], "note", AT)
    longer["head"] = entry_hash(longer["entries"][-1])
    assert code(longer) == "trust-signature"


def test_signatures() -> None:
    for edit, expected in (
        (lambda one: one.update(signature=one["signature"][:-2] + "00"), "trust-signature"),
        (lambda one: one.update(signature="00" * 64), "trust-signature"),
        (lambda one: one.update(signature="zz"), "trust-signature"),
        (lambda one: one.update(public_key=public_bytes(STRANGER).hex()), "trust-signature"),
        (lambda one: one.update(public_key="04" + "11" * 64), "trust-key"),
        (lambda one: one.update(role="second"), "trust-unsigned"),
        (lambda one: one.pop("role"), "trust-signature"),
    ):
        changed = document()
        edit(changed["signatures"][0])
        assert code(changed) == expected
    unsigned = document()
    unsigned["signatures"] = []
    assert code(unsigned) == "trust-unsigned"
    unsigned["signatures"] = [7]
    assert code(unsigned) == "trust-signature"


def signed(*found: dict[str, Any]) -> str | None:
    """Code of a file with these entries, properly linked and signed."""
    chained: list[dict[str, Any]] = []
    for one in found:
        trust_write.append(chained, **{"kind": "enrol", "at": AT} | one)
    return code(trust_write.sign(chained, OPERATOR))


def enrolment(key: ec.EllipticCurvePrivateKey = DEVICES[0], **changed: Any) -> dict[str, Any]:
    made: list[dict[str, Any]] = []
    trust_write.enrol(made, public_bytes(key), "s", "software", AT)
    values = {name: made[0][name] for name in made[0] if name not in ("n", "previous", "type")}
    return values | changed


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"valid_from": AT, "valid_until": "2027-01-31T08:00:00Z"}, None),
        ({"key_class": "gold"}, "trust-entry"),
        ({"key_class": 1}, "trust-entry"),
        ({"station": 5}, "trust-entry"),
        ({"at": "2026-01-31"}, "trust-entry"),
        ({"at": "2026-02-30T08:00:00Z"}, "trust-entry"),
        ({"at": "2026-01-31T08:00:00+00:00"}, "trust-entry"),
        ({"device_id": "00" * 8}, "trust-key"),
        ({"thumbprint": "00" * 32}, "trust-key"),
        ({"public_key": "04" + "22" * 64}, "trust-key"),
        ({"public_key": "02" + "22" * 32}, "trust-entry"),
        ({"public_key": 4}, "trust-entry"),
        ({"valid_until": "soon"}, "trust-entry"),
        ({"kind": "grant"}, "trust-entry-unknown"),
        ({"kind": "note"}, None),
    ],
)
def test_entries_that_make_no_sense(changed: dict[str, Any], expected: str | None) -> None:
    assert signed(enrolment(**changed)) == expected


def test_entries_about_devices() -> None:
    kid = kid_of(DEVICES[0]).hex()
    revocation = {"kind": "revoke", "device_id": kid, "since": AT, "reason": "lost"}
    assert signed(enrolment(), revocation) is None
    assert signed(enrolment(), enrolment()) == "trust-kid-conflict"
    assert signed(revocation) == "trust-entry"
    assert signed(enrolment(), revocation | {"since": "never"}) == "trust-entry"
    assert signed(enrolment(), revocation | {"reason": 3}) == "trust-entry"
    assert signed(enrolment(), {"kind": "restart", "device_id": kid}) == "trust-entry"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "trust-json"),
        ("[]", "trust-json"),
        ("nonsense", "trust-json"),
        ('{"format": "meterseal-trust", "format": "x"}', "trust-duplicate-key"),
        ('{"a": 1.0}', "trust-float"),
        ('{"a": 1e3}', "trust-float"),
        ('{"a": NaN}', "trust-float"),
        ('{"a": true}', "trust-json"),
        ('{"a": null}', "trust-json"),
        ('{"a": 9007199254740992}', "trust-json"),
        ('{"ключ": 1}', "trust-json"),
        ('{"a": "\\ud800"}', "trust-json"),
        ("[" * 5000 + "]" * 5000, "trust-json"),
        ("{}", "trust-format"),
        ('{"format": "meterseal-trust", "version": 2}', "trust-version"),
        ('{"format": "meterseal-trust", "version": 1}', "trust-format"),
    ],
)
def test_what_is_no_trust_file(text: str, expected: str) -> None:
    assert code(text.encode()) == expected


def test_more_members_than_known_are_refused() -> None:
    assert code(document() | {"comment": "x"}) == "trust-format"
    assert code(document() | {"entries": {}}) == "trust-format"


def test_layout_does_not_matter_content_does() -> None:
    changed = document()
    assert code(json.dumps(changed, indent=7, ensure_ascii=True).encode()) is None
    assert code(json.dumps(changed, sort_keys=True).encode()) is None


def test_canonical_form_is_that_of_rfc_8785() -> None:
    value = {"b": [1, -5, 'é\n\x01"\\/'], "a": {"z": "", "y": 0}}
    expected = '{"a":{"y":0,"z":""},"b":[1,-5,"é\\n\\u0001\\"\\\\/"]}'
    assert trust_json.canonical(value) == expected.encode()
    for bad in ({"a": 1.5}, {"a": None}, {"a": True}, {"a": 2**53}, {"é": 1}, b"x"):
        with pytest.raises(TrustError):
            trust_json.canonical(bad)


def test_missing_file_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        load_trust(tmp_path / "none.json")
    assert problem.value.code == "trust-unreadable"
    path = tmp_path / "trust.json"
    path.write_bytes(trust_write.sign(entries(), OPERATOR))
    assert load_trust(path, [ANCHOR]).anchored


def test_anchor_as_fingerprint_or_key_file(tmp_path: Path) -> None:
    path = tmp_path / "operator.pem"
    pem = OPERATOR.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path.write_bytes(pem)
    pairs = ":".join(ANCHOR[at : at + 2].upper() for at in range(0, 64, 2))
    for text in (ANCHOR, pairs, str(path)):
        assert trust_keys.read_anchor(text) == ANCHOR
    with pytest.raises(EnvironmentProblem) as problem:
        trust_keys.read_anchor("nothing")
    assert problem.value.code == "anchor-unreadable"
    other = rsa.generate_private_key(65537, 2048).public_key()
    path.write_bytes(
        other.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    assert code_of(trust_keys.read_anchor, str(path)) == "trust-key"
    path.write_text("no key", encoding="utf-8")
    assert code_of(trust_keys.read_anchor, str(path)) == "trust-key"


def test_device_ids_are_those_of_the_vectors() -> None:
    for key in KEYS.values():
        public = bytes.fromhex(key["public_hex"])
        assert trust_keys.kid_of(public).hex() == key["kid_hex"]


def test_signatures_have_a_low_s() -> None:
    for number in range(20):
        signature = trust_keys.sign_message(OPERATOR, bytes((number,)))
        assert int.from_bytes(signature[32:], "big") <= trust_keys._ORDER // 2
        public = public_bytes(OPERATOR)
        assert trust_keys.message_verifies(public, bytes((number,)), signature)
        assert not trust_keys.message_verifies(public, b"other", signature)


@pytest.mark.parametrize("r", [1, 2**255, 2**256 - 2**200])
@pytest.mark.parametrize("s", [1, 255, 2**255 - 1])
def test_signatures_as_asn1(r: int, s: int) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert trust_keys._der(signature) == encode_dss_signature(r, s)


def test_times() -> None:
    assert unix_ms("1970-01-01T00:00:01Z") == 1000
