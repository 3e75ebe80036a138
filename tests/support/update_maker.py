"""Makes updates for tests on either interpreter, with the device's own writer and signer."""

import hashlib

from agent import cbor, p256
from agent.signer import assemble, kid_of, protected_header, structure_hash

OWNER, OTHER, STRANGER = b"\x11" * 32, b"\x22" * 32, b"\x33" * 32
CONTENT = 65005


def public(private_32):
    return p256.public_key(private_32)


def payload(files, **changes):
    """The map of a manifest; `files`: path -> content."""
    listed = [[path, len(files[path]), sha256(files[path])] for path in sorted(files)]
    members = {"format": 1, "kind": 0, "boards": ["BENCH"], "number": 2000000000}
    members.update({"version": "9.0.0", "files": listed, "journal": 1, "keys": []})
    members.update(changes)
    names = ("format", "kind", "boards", "number", "version", "files", "journal", "keys")
    return {i: members[names[i]] for i in range(8)}


def signed(members, private_32=OWNER, content=CONTENT):
    """The COSE_Sign1 of a map."""
    data = cbor.encode(members)
    protected = protected_header(content, kid_of(public(private_32)))
    signature = p256.sign_digest(private_32, structure_hash(protected, data))
    return assemble(protected, data, signature)


def manifest(files, private_32=OWNER, **changes):
    """A signed manifest of these files."""
    return signed(payload(files, **changes), private_32)


def sha256(data):
    return hashlib.sha256(data).digest()


def pack(contents):
    """The file code.pack of these modules."""
    index, offset = "", 0
    for path in sorted(contents):
        index += f"{path} {offset} {len(contents[path])}\n"
        offset += len(contents[path])
    head = f"{len(index)}\n{index}".encode()
    return head + b"".join(contents[path] for path in sorted(contents))


class Server:
    """Gives files by their hash, as the collector does; `spoil(sha256, offset, piece)`."""

    def __init__(self, files):
        self.files = {sha256(content): content for content in files.values()}
        self.spoil = lambda sha256_32, offset, piece: piece
        self.fetched = 0

    async def fetch(self, sha256_32, offset, length):
        self.fetched += length
        piece = self.files[sha256_32][offset : offset + length]
        return self.spoil(sha256_32, offset, piece)


async def no_pause():
    """Nobody else is there."""
