"""Keys of people and servers: operator, second role, owner, collector. P-256 in PEM files.

`NAME.key` is the private key (PKCS#8, encrypted if there is a passphrase, readable by its owner
alone), `NAME.pem` the public key, which may go anywhere. Never overwrites a key.
"""

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.errors import ConfigurationError, EnvironmentProblem
from meterseal.trust_keys import fingerprint, public_bytes

ROLES: Final = ("operator", "second", "owner", "collector")
MIN_PASSPHRASE_LEN: Final = 8
_PEM: Final = serialization.Encoding.PEM


def make_key(path: Path, passphrase: str = "") -> str:
    """Make a key at `path` (*.key) and its public part beside it (*.pem); the fingerprint.

    Raises EnvironmentProblem `key-exists`, `key-unwritable`; ConfigurationError `key-passphrase`.
    """
    if passphrase and len(passphrase) < MIN_PASSPHRASE_LEN:
        raise ConfigurationError(
            "key-passphrase",
            f"expected a passphrase of {MIN_PASSPHRASE_LEN} characters or more, found fewer",
            "Choose a longer one.",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption)
    public = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write_new(path, private, 0o600)
    _write_new(path.with_suffix(".pem"), public, 0o644)
    return fingerprint(public_bytes(key))


def load_key(path: Path, passphrase: str = "") -> ec.EllipticCurvePrivateKey:
    """The private key at `path`.

    Raises EnvironmentProblem `key-unreadable`; ConfigurationError `key-passphrase`, `key-kind`.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            "key-unreadable",
            f"expected a private key in PEM: {problem}",
            "Make one with `meterseal keys make ROLE`.",
        ) from problem
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() or None)
    except TypeError as problem:
        text = f"{path}: expected a passphrase exactly if the key is encrypted: {problem}"
        raise ConfigurationError(
            "key-passphrase", text, "Give --passphrase-file, or set METERSEAL_PASSPHRASE."
        ) from None
    except ValueError as problem:
        text = f"{path}: expected a private key in PEM and its passphrase: {problem}"
        raise ConfigurationError("key-passphrase", text, "Check file and passphrase.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        text = f"{path}: expected a P-256 key, found another kind"
        raise ConfigurationError("key-kind", text, "Make one with `meterseal keys make ROLE`.")
    return key


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """A new file, whole and durable; never over another one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except FileExistsError:
        text = f"expected no file {path} yet, found one; nothing was overwritten"
        raise EnvironmentProblem("key-exists", text, "Choose another name with --out.") from None
    except OSError as problem:
        text = f"expected to write {path}: {problem}"
        raise EnvironmentProblem("key-unwritable", text, "Choose another --out.") from problem
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
