"""The signing table: multiples of the base point, so that k * G takes 31 additions.

A signed comb (Lim and Lee, CRYPTO '94; every digit odd, so none is zero). The 256 bits of an odd
scalar, read as +1 and -1, are 8 blocks of 4 columns of 8 bits: column c of block b is the bits
64*(b//2) + 4*(b%2) + c + 8*t, and t = 7 is the sign. A block has 128 entries of 68 bytes for
column 0, 68 KiB in all: x || y || tag, big-endian. The tag is (m + x + y) mod 2^32 - 5 for the
point m * G, so that the tags of what was read and added up tell which multiple of G came of it:
an entry of another place, or one that changed, gives another number (but for one in 2^32).

Where it comes from: `use_table`, else see p256_source.
It must never sign before `check_table` has seen its hash, and must never be written by the board.
"""

from agent.constant import const

TAG_PRIME = 4294967291

_ENTRY_LEN = const(68)
_BLOCK_LEN = const(8704)
_MASK = (1 << 256) - 1

# Masks of the 8 x 8 bit transposition, four lanes at once (Warren, Hacker's Delight, 7-3).
_LANES = 1 | 1 << 64 | 1 << 128 | 1 << 192
_SWAP_7 = 0x00AA00AA00AA00AA * _LANES
_SWAP_14 = 0x0000CCCC0000CCCC * _LANES
_SWAP_28 = 0x00000000F0F0F0F0 * _LANES

_table = None


def use_table(source):
    """Use a bytes-like object or a `reader(offset, length) -> bytes`; None: look for it again."""
    global _table
    _table = source if source is None or callable(source) else memoryview(source)


def _source():
    """The table in use, found at the first call."""
    global _table
    if _table is None:
        from agent.p256_source import find_table  # only now: see forget

        _table = find_table()
    return _table


def check_table():
    """Refuse (`signer-table`) a signing table whose SHA-256 is not the one built in."""
    from agent.p256_source import check

    check(_source())


def comb_columns(scalar):
    """Columns of an odd scalar as 32 bytes: column c of block b at 4*b + c; bit 7 means plus."""
    bits = (scalar + _MASK) >> 1  # bit i of this is 1 for +2^i, 0 for -2^i
    t = (bits ^ bits >> 7) & _SWAP_7
    bits ^= t ^ t << 7
    t = (bits ^ bits >> 14) & _SWAP_14
    bits ^= t ^ t << 14
    t = (bits ^ bits >> 28) & _SWAP_28
    bits ^= t ^ t << 28
    return bits.to_bytes(32, "little")


def comb_points(columns, chosen):
    """The 8 points (x, y) of each chosen column of `comb_columns`, y < 0 where it subtracts; and
    the multiple of G that is their sum, modulo TAG_PRIME, by their tags.
    """
    source = _source()
    reader = source if callable(source) else None
    from_bytes = int.from_bytes
    points = []
    multiple = 0
    for column in chosen:
        offset = part = 0
        for i in range(column, 32, 4):
            digit = columns[i]
            at = offset + _ENTRY_LEN * (digit - 128 if digit > 127 else 127 - digit)
            entry = reader(at, _ENTRY_LEN) if reader else source[at : at + _ENTRY_LEN]
            x, y = from_bytes(entry[:32], "big"), from_bytes(entry[32:64], "big")
            tag = from_bytes(entry[64:], "big")
            if digit > 127:
                points.append((x, y))
                part += tag - x - y
            else:
                points.append((x, -y))
                part -= tag - x - y
            offset += _BLOCK_LEN
        multiple += part << column
    return points, multiple
