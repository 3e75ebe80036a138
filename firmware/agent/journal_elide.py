"""Leaves out of a stored batch what the journal holds anyway: chain id and previous batch's hash.

Pure. Both stand in every batch (WIRE_FORMAT.md section 3, keys 1 and 3) and in the records around
it: 48 of about 1000 bytes. They are found as byte strings, nothing is decoded; a batch in which
they do not occur is stored whole. The CRC of the batch covers what was left out, so that a batch
put together with the wrong hash is found out like any other damage.
"""

from binascii import crc32

from agent.constant import const

_WITHIN = const(254)  # both places fit a byte each; 0 means: not left out


def places(data, chain, before):
    """(place of the chain id, place of the hash), each offset + 1, or 0 if it stays in."""
    head = bytes(data[:_WITHIN])
    chain_at = head.find(chain) + 1
    hash_at = head.find(before) + 1
    if chain_at and hash_at and -len(chain) < chain_at - hash_at < len(before):
        return chain_at, 0  # they overlap: no batch of ours
    return chain_at, hash_at


def cuts(chain_at, hash_at, chain, before):
    """[(offset, bytes left out)] in ascending order."""
    found = []
    if chain_at:
        found.append((chain_at - 1, chain))
    if hash_at:
        found.append((hash_at - 1, before))
    return sorted(found)


def left_out(found):
    """Bytes that these cuts leave out."""
    return sum(len(string) for _, string in found)


def stored_len(batch):
    """Bytes of a batch that are stored."""
    return batch.length - 16 * (batch.chain_at > 0) - 32 * (batch.hash_at > 0)


def stored(data, found):
    """The pieces of `data` that are stored, without copying more than its beginning."""
    head = b""
    position = 0
    for offset, string in found:
        head += bytes(data[position:offset])
        position = offset + len(string)
    return [memoryview(head), memoryview(data)[position:]]


def restore(buffer, found):
    """`buffer` ends in what was stored; put back what was left out, in place."""
    position = 0
    source = left_out(found)
    for offset, string in found:
        length = offset - position
        buffer[position:offset] = bytes(buffer[source : source + length])
        buffer[offset : offset + len(string)] = string
        source += length
        position = offset + len(string)


def checksum(crc, found):
    """CRC of a batch: that of the stored bytes, continued over what was left out."""
    for _, string in found:
        crc = crc32(string, crc)
    return crc & 0xFFFFFFFF
