"""Merkle trees as RFC 6962 section 2.1 has them, streamed: a leaf at a time, log n of memory.

Two levels: each device has a tree over its batches in canonical order, and one tree over the
devices says how many batches each has and under which root. A proof is a path in both.
"""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """MTH of one leaf: SHA-256 of 0x00 and the data."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """Root over leaves that come one after the other."""

    def __init__(self) -> None:
        self.size = 0
        self._full: list[bytes] = []

    def add(self, data: bytes) -> None:
        """The next leaf."""
        node, index = leaf_hash(data), self.size
        while index & 1:
            node, index = node_hash(self._full.pop(), node), index >> 1
        self._full.append(node)
        self.size += 1

    def root(self) -> bytes:
        """MTH of all leaves so far, 32 bytes."""
        if not self._full:
            return EMPTY_ROOT
        node = self._full[-1]
        for left in reversed(self._full[:-1]):
            node = node_hash(left, node)
        return node


def device_leaf(device: str, size: int, root: bytes) -> bytes:
    """Leaf of the upper tree for one device."""
    return bytes.fromhex(device) + size.to_bytes(8, "big") + root


def upper_root(devices: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Root over (device, number of batches, root), ascending by device."""
    tree = Tree()
    for device, size, root in sorted(devices):
        tree.add(device_leaf(device, size, root))
    return tree.root()


def audit_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index, leaves) of RFC 6962 section 2.1.1, from the leaf upwards. `leaves`: hashes."""
    if len(leaves) <= 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*audit_path(leaves[:split], index), _root(leaves[split:])]
    return [*audit_path(leaves[split:], index - split), _root(leaves[:split])]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Root that a path leads to (RFC 9162 section 2.1.3.2); None if it does not fit the size."""
    if not 0 <= index < size:
        return None
    node, position, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return node if last == 0 else None


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(_root(leaves[:split]), _root(leaves[split:]))
