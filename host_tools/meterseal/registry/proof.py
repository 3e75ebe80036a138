"""Whether a board holds the key that an enrolment names (WIRE_FORMAT.md section 9)."""

from typing import Any

from meterseal.errors import RegistryError, VerificationError
from meterseal.models import KEY_CLASSES
from meterseal.trust_keys import kid_of, load_public_key, verify_digest
from meterseal.wire.cbor import decode_map
from meterseal.wire.envelope import CONTENT_POSSESSION, open_envelope


def check_proof(proof: bytes, nonce: bytes, public_key: bytes, key_class: str) -> None:
    """Raises RegistryError `possession-proof` unless this key signed exactly this nonce."""
    expected = {0: 1, 1: nonce, 2: public_key, 3: KEY_CLASSES.index(key_class)}
    try:
        envelope = open_envelope(proof, CONTENT_POSSESSION)
        key = load_public_key(public_key)
        signed = verify_digest(key, envelope.digest, envelope.signature)
        right = dict(decode_map(envelope.payload)) == expected
    except VerificationError as problem:
        raise _refusal(f"one that is not well-formed ({problem.code})") from problem
    if not signed or envelope.kid != kid_of(public_key):
        raise _refusal("one that another key signed")
    if not right:
        raise _refusal("one about another nonce, key or key class")


def check_enrolment(fields: dict[str, Any], needed: bool) -> None:
    """The proof among the fields of an enrolment; without one refused if it is `needed`.

    Raises RegistryError `possession-proof`.
    """
    if "proof" in fields and "nonce" in fields:
        names = "proof", "nonce", "public_key"
        proof, nonce, public_key = (bytes.fromhex(fields[name]) for name in names)
        check_proof(proof, nonce, public_key, fields["key_class"])
    elif needed or "proof" in fields or "nonce" in fields:
        raise _refusal("none")


def _refusal(found: str) -> RegistryError:
    return RegistryError(
        "possession-proof",
        f"expected a proof of the board's key over a nonce, found {found}",
        "Do not put this board into service; `meterseal provision` takes the proof.",
    )
