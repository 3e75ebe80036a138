"""Manifests of updates: a COSE_Sign1 by an owner's key that names version, boards and every file.

Pure. The form is that of docs/updates.md; the envelope is that of WIRE_FORMAT.md section 2 with
content type 65005, which no device ever signs. Files are decoded one at a time, as they are asked
for: a list of them all would take more memory than some boards have. Must never let anything of a
manifest be used before its signature was found to hold, nor accept what it does not wholly know.
"""

import hashlib

from agent.constant import const
from agent.errors import UpdateError
from agent.signer import kid_of, protected_header, structure_hash

CONTENT_UPDATE = 65005
CODE, SETTINGS, IMAGE, OWNERS = 0, 1, 2, 3
MOST_BYTES = 16384

_ENVELOPE_LEN = const(21)  # tag, array, protected header, empty map
_TAIL_LEN = const(66)
_PATH_LEN = const(64)
_PATH = const("abcdefghijklmnopqrstuvwxyz0123456789_-./")
_MOST_FILES = const(256)
_VERSION_LEN = const(32)


class Manifest:
    """What an owner signed; `files()` yields (path, length, sha256_32)."""

    def __init__(self, payload, digest_32, owner_65):
        self.digest_32 = digest_32
        self.owner_65 = owner_65
        self._payload = payload
        reader = Reader(payload)
        values = [self._member(reader, key) for key in range(reader.head(0xA0, 8))]
        if len(values) != 8 or reader.at != len(payload):
            raise _malformed("a map of the keys 0 to 7")
        if values[0] != 1 or values[1] > OWNERS:
            raise _malformed("format 1 and a known kind")
        _, self.kind, self.boards, self.number, self.version, self._files_at = values[:6]
        self.journal_format, self.keys = values[6:]

    def _member(self, reader, key):
        if reader.uint() != key:
            raise _malformed("the keys 0 to 7 in order")
        if key == 2:
            return [reader.text(_PATH_LEN) for _ in range(reader.head(0x80, 16))]
        if key == 4:
            return reader.text(_VERSION_LEN)
        if key == 5:
            at = reader.at
            for _ in self._read_files(reader):
                pass
            return at
        if key == 7:
            return [reader.bytes(65) for _ in range(reader.head(0x80, 2))]
        return reader.uint()

    def files(self):
        """Yield (path, length, sha256_32) of each file."""
        return self._read_files(Reader(self._payload, self._files_at))

    def _read_files(self, reader):
        for _ in range(reader.head(0x80, _MOST_FILES)):
            if reader.head(0x80, 3) != 3:
                raise _malformed("path, length and SHA-256 of each file")
            path = reader.text(_PATH_LEN)
            if not is_path(path):
                raise UpdateError("update-path", "expected a plain relative path, found %r" % path)
            yield path, reader.uint(), reader.bytes(32)


class Reader:
    """Strict CBOR, as far as manifests need it: shortest heads, definite lengths."""

    def __init__(self, data, at=0):
        self._data = data
        self.at = at

    def head(self, major, most):
        """Argument of a head of this major type, at most `most`."""
        if self.at >= len(self._data) or self._data[self.at] & 0xE0 != major:
            raise _malformed("another type at byte %d" % self.at)
        info = self._data[self.at] & 0x1F
        length = {24: 1, 25: 2, 26: 4}.get(info, 0)
        value = int.from_bytes(self._data[self.at + 1 : self.at + 1 + length], "big")
        value = value if length else info
        least = {0: 0, 1: 24, 2: 0x100, 4: 0x10000}[length]
        self.at += 1 + length
        if value < least or info > 26 or value > most or self.at > len(self._data):
            raise _malformed("a number of at most %d at byte %d" % (most, self.at))
        return value

    def uint(self):
        """An unsigned integer of up to 32 bits."""
        return self.head(0, 0xFFFFFFFF)

    def bytes(self, length):
        """A byte string of exactly this length."""
        if self.head(0x40, length) != length:
            raise _malformed("%d bytes" % length)
        return self._piece(length)

    def text(self, most):
        """A text of 1 to `most` bytes."""
        length = self.head(0x60, most)
        try:
            return self._piece(length).decode()
        except UnicodeError:
            raise _malformed("UTF-8")

    def _piece(self, length):
        piece = bytes(self._data[self.at : self.at + length])
        self.at += length
        if not length or len(piece) != length:
            raise _malformed("%d bytes more" % length)
        return piece


def open_manifest(data, owners):
    """The Manifest in `data`; `owners.key(kid_8)` gives the public key or refuses."""
    if not 0 < len(data) <= MOST_BYTES or data[:3] != b"\xd2\x84\x51" or data[20:21] != b"\xa0":
        raise _malformed("a COSE_Sign1 of at most %d bytes" % MOST_BYTES)
    kid_8 = bytes(data[12:20])
    protected = protected_header(CONTENT_UPDATE, kid_8)
    reader = Reader(data, _ENVELOPE_LEN)
    length = reader.head(0x40, MOST_BYTES)
    end = reader.at + length
    if (
        data[3:20] != protected
        or len(data) != end + _TAIL_LEN
        or data[end : end + 2] != b"\x58\x40"
    ):
        raise _malformed("an envelope of content type %d" % CONTENT_UPDATE)
    payload = memoryview(data)[reader.at : end]
    public_65 = owners.key(kid_8)
    from agent.p256_verify import holds

    digest_32 = structure_hash(protected, payload)
    if kid_of(public_65) != kid_8 or not holds(public_65, digest_32, data[end + 2 :]):
        raise UpdateError(
            "update-signature", "expected the signature of an owner, found one that does not hold"
        )
    return Manifest(payload, digest_32, public_65)


def is_path(path):
    """Whether a path stays below its directory and is plain."""
    parts = path.split("/")
    strange = [letter for letter in path if letter not in _PATH]
    return not strange and "" not in parts and "." not in parts and ".." not in parts


def sha256_of(pieces):
    """SHA-256 over pieces of bytes."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _malformed(expected):
    return UpdateError(
        "update-malformed", "expected %s in the manifest; nothing was changed" % expected
    )
