"""What the host tests of verification share: vectors, keys, trust, verifiers."""

import json
from pathlib import Path
from typing import Any

from meterseal.errors import VerificationError
from meterseal.trust import Trust, TrustedKey
from meterseal.verify import Policy, UnsafeNoPolicy, Verifier

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
NOW_UNIX_MS = 1_790_100_000_000
KEY_CLASSES = ("sim", "software", "secure-element")


def vectors(name: str) -> dict[str, Any]:
    """A vector file."""
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return found


BATCHES = vectors("batch_v1")
VALID = [test for test in BATCHES["tests"] if test["result"] == "valid"]
INVALID = [test for test in BATCHES["tests"] if test["result"] == "invalid"]
CHAINS = vectors("chain_v1")
KEYS = {key["id"]: key for key in (*BATCHES["keys"], *CHAINS["keys"])}


def by_id(name: str) -> dict[str, Any]:
    """A batch vector."""
    return next(test for test in BATCHES["tests"] if test["id"] == name)


def trusted_key(name: str, **more: Any) -> TrustedKey:
    """A key of the vectors as the registry might have it."""
    key = KEYS[name]
    kid, public_key = bytes.fromhex(key["kid_hex"]), bytes.fromhex(key["public_hex"])
    return TrustedKey(kid, public_key, **{"key_class": "software", "station": name} | more)


def trust_in(*keys: TrustedKey, anchored: bool = True) -> Trust:
    """Trust in these keys."""
    return Trust({key.kid: key for key in keys}, "ab" * 32, "cd" * 32, anchored)


def make_verifier(*names: str, policy: Policy | None = None, **more: Any) -> Verifier:
    """A verifier that trusts keys of the vectors; without a policy unless one is given."""
    trust = more.pop("trust", None) or trust_in(*(trusted_key(name) for name in names))
    return Verifier(
        trust=trust,
        policy=policy or UnsafeNoPolicy(),
        **{"now_unix_ms": lambda: NOW_UNIX_MS} | more,
    )


def code_of(run: Any, *arguments: Any) -> str | None:
    """Code with which a call is refused; None if it is not."""
    try:
        run(*arguments)
    except VerificationError as problem:
        assert problem.text
        return problem.code
    return None


def raw(test: dict[str, Any]) -> bytes:
    """Bytes of a batch vector."""
    return bytes.fromhex(test["bytes_hex"])
