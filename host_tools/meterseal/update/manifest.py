"""Manifests of updates (docs/updates.md): written, signed, and read back strictly.

The writer shares nothing with the device's reader: each checks the other.
"""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.errors import UpdateError, VerificationError
from meterseal.trust_keys import kid_of, load_public_key, public_bytes, sign_message, verify_digest
from meterseal.wire.cbor import Item, decode, decode_map

CONTENT_TYPE: Final = 65005
MOST_BYTES: Final = 16384
_FORMAT: Final = 1
_TAG: Final = b"\xd2\x84\x51"
_HEAD_LEN: Final = 21
_SIGNATURE_LEN: Final = 64


class Kind(IntEnum):
    """What an update brings."""

    CODE = 0
    SETTINGS = 1
    IMAGE = 2
    OWNERS = 3


@dataclass(frozen=True)
class FileEntry:
    """A file of an update: path on the board, length in bytes, SHA-256."""

    path: str
    length: int
    sha256: bytes


@dataclass(frozen=True)
class Manifest:
    """What an owner signs. `number` only rises; `keys`: of owners, 65 bytes each.

    `journal`: format of the journal that it writes.
    """

    kind: Kind
    boards: tuple[str, ...]
    number: int
    version: str
    files: tuple[FileEntry, ...] = ()
    keys: tuple[bytes, ...] = field(default=())
    journal: int = 1

    def payload(self) -> bytes:
        """The deterministic CBOR map (RFC 8949 section 4.2.1)."""
        files: list[Item] = [[one.path, one.length, one.sha256] for one in self.files]
        boards, keys = list[Item](self.boards), list[Item](self.keys)
        head: list[Item] = [_FORMAT, int(self.kind), boards, self.number, self.version]
        members: list[Item] = [*head, files, self.journal, keys]
        return _map(members)

    def sign(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        """The tagged COSE_Sign1, ES256. Raises UpdateError `update-too-large`."""
        payload = self.payload()
        protected = _protected(kid_of(public_bytes(key)))
        signature = sign_message(key, _structure(protected, payload))
        signed = _TAG + protected + b"\xa0" + _bytes(payload) + _bytes(signature)
        if len(signed) > MOST_BYTES:
            raise UpdateError(
                "update-too-large",
                f"expected a manifest of at most {MOST_BYTES} bytes, found {len(signed)}",
                "Leave files out, or give them shorter names.",
            )
        return signed


def read_manifest(data: bytes, owner: bytes | None = None) -> tuple[Manifest, bytes]:
    """(manifest, kid) of signed bytes; with `owner` (65 bytes) the signature is verified.

    Raises UpdateError `update-malformed`, `update-signature`.
    """
    kid, payload_item, signature = data[12:20], data[_HEAD_LEN:-66], data[-_SIGNATURE_LEN:]
    if data[:_HEAD_LEN] != _TAG + _protected(kid) + b"\xa0" or data[-66:-64] != b"\x58\x40":
        raise _malformed("a COSE_Sign1 of content type 65005")
    try:
        payload = decode(payload_item)
        if not isinstance(payload, bytes):
            raise _malformed("a payload in bytes")
        found = _from_map(decode_map(payload))
    except (VerificationError, TypeError, ValueError) as problem:
        raise _malformed(str(problem)) from problem
    if owner is not None:
        digest = hashlib.sha256(_structure(_protected(kid), payload)).digest()
        if kid != kid_of(owner) or not verify_digest(load_public_key(owner), digest, signature):
            raise UpdateError(
                "update-signature",
                "expected the signature of this owner, found another",
                "Sign it.",
            )
    return found, kid


def _from_map(members: dict[int, Item]) -> Manifest:
    if sorted(members) != list(range(8)) or members[0] != _FORMAT:
        raise ValueError("the keys 0 to 7 of format 1")
    boards, files, keys = members[2], members[5], members[7]
    number, version = members[3], members[4]
    if not (isinstance(boards, list) and isinstance(files, list) and isinstance(keys, list)):
        raise ValueError("lists of boards, files and keys")
    journal = members[6]
    if not isinstance(number, int) or not isinstance(version, str) or not isinstance(journal, int):
        raise ValueError("a number, a version and a format of the journal")
    entries = tuple(_entry(one) for one in files)
    kind = Kind(members[1])  # type: ignore[arg-type]
    names = tuple(str(board) for board in boards)
    return Manifest(kind, names, number, version, entries, tuple(map(_key, keys)), journal)


def _entry(item: Item) -> FileEntry:
    match item:
        case [str(path), int(length), bytes(digest)] if len(digest) == 32:
            return FileEntry(path, length, digest)
    raise ValueError("path, length and SHA-256 of each file")


def _key(item: Item) -> bytes:
    if not isinstance(item, bytes) or len(item) != 65:
        raise ValueError("keys of 65 bytes")
    return item


def _protected(kid: bytes) -> bytes:
    return b"\xa3\x01\x26\x03\x19" + CONTENT_TYPE.to_bytes(2, "big") + b"\x04\x48" + kid


def _structure(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 section 4.4."""
    return b"\x84\x6aSignature1" + _bytes(protected) + b"\x40" + _bytes(payload)


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes((major | value,))
    size = next(size for size in range(4) if value < 1 << (8 << size))
    return bytes((major | (24 + size),)) + value.to_bytes(1 << size, "big")


def _bytes(data: bytes) -> bytes:
    return _head(0x40, len(data)) + data


def _map(members: list[Item]) -> bytes:
    pairs = (_head(0, key) + _item(value) for key, value in enumerate(members))
    return _head(0xA0, len(members)) + b"".join(pairs)


def _item(value: Item) -> bytes:
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, str):
        text = value.encode()
        return _head(0x60, len(text)) + text
    assert isinstance(value, list)
    return _head(0x80, len(value)) + b"".join(map(_item, value))


def _malformed(expected: str) -> UpdateError:
    return UpdateError(
        "update-malformed",
        f"not a signed manifest: expected {expected}",
        "Build and sign it again.",
    )
