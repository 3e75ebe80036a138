"""The statement with which an old device key names its successor (content type 65003).

A COSE_Sign1 like a batch; its payload is the deterministic CBOR map {0: 1, 1: <new public key, 65
bytes>}. Who has it can be sure that the holder of the old key named the new one.
"""

from typing import Final

from meterseal.errors import RegistryError, VerificationError
from meterseal.trust_keys import kid_of, load_public_key, verify_digest
from meterseal.wire.envelope import CONTENT_ROLLOVER, open_envelope

_PAYLOAD_HEAD: Final = b"\xa2\x00\x01\x01\x58\x41"


def payload(new_public_key: bytes) -> bytes:
    """What the old key signs."""
    return _PAYLOAD_HEAD + new_public_key


def check_statement(statement: bytes, old_public_key: bytes, new_public_key: bytes) -> None:
    """Raises RegistryError `rollover-statement` unless the old key signed exactly this new key."""
    try:
        envelope = open_envelope(statement, CONTENT_ROLLOVER)
        signed = verify_digest(
            load_public_key(old_public_key), envelope.digest, envelope.signature
        )
    except VerificationError as problem:
        raise _refusal(f"one that is not well-formed ({problem.code})") from problem
    if envelope.kid != kid_of(old_public_key) or not signed:
        raise _refusal("one that another key signed")
    if envelope.payload != payload(new_public_key):
        raise _refusal("one about another key")


def _refusal(found: str) -> RegistryError:
    return RegistryError(
        "rollover-statement",
        f"expected a statement of the old key on this new key, found {found}",
        "Take the statement from the board again; if the old key is lost, replace the device.",
    )
