"""The signing table: multiples of the base point, so that k * G takes 31 additions.

A signed comb (Lim and Lee, CRYPTO '94; every digit odd, so none is zero). The 256 bits of an odd
scalar, read as +1 and -1, are 8 blocks of 4 columns of 8 bits: column c of block b is the bits
64*(b//2) + 4*(b%2) + c + 8*t, and t = 7 is the sign. A block has 128 entries of 68 bytes for
column 0, 68 KiB in all: x || y || tag, big-endian. The tag is (m + x + y) mod 2^32 - 5 for the
point m * G, so that the tags of what was read and added up tell which multiple of G came of it:
an entry of another place, or one that changed, gives another number (but for one in 2^32).

Where it comes from: `use_table`; else the frozen module `agent.p256_table_frozen` (one bytes
object `TABLE`, written by `firmware/tools/make_p256_table.py --frozen`), which costs no RAM; else
the file `p256_table.bin` beside this module: in place on ROMFS, by seek, an entry at a time,
elsewhere.
It must never sign before `check_table` has seen its hash, and must never be written by the board.
"""

from binascii import hexlify
from hashlib import sha256

from agent.constant import const
from agent.errors import SignerError

TABLE_LEN = 69632
TABLE_SHA256 = "1269c373f0e528cd5ee4389da2179189301ef76e843eadd3b559246de427669e"

TAG_PRIME = 4294967291

_ENTRY_LEN = const(68)
_BLOCK_LEN = const(8704)
_CHUNK_LEN = const(1024)
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


def file_reader(file):
    """A reader for `use_table` on an open binary file."""

    def read(offset, length):
        try:
            file.seek(offset)
            return file.read(length)
        except OSError as error:
            raise SignerError("signer-table", "cannot read the signing table (%s)" % error)

    return read


def _find_table():
    """The frozen table, else the file beside this module."""
    try:
        from agent.p256_table_frozen import TABLE
    except ImportError:
        TABLE = None  # not a build with frozen code
    if TABLE is not None:
        return memoryview(TABLE)
    path = __file__.rsplit(".", 1)[0] + ".bin"
    try:
        file = open(path, "rb")
    except OSError as error:
        raise SignerError(
            "signer-table",
            "expected the signing table %s (%s): copy it to the board" % (path, error),
        )
    try:
        return memoryview(file)  # ROMFS: the flash itself
    except TypeError:
        return file_reader(file)


def _source():
    """The table in use, found at the first call."""
    global _table
    if _table is None:
        _table = _find_table()
    return _table


def _read(source, offset, length):
    return source(offset, length) if callable(source) else source[offset : offset + length]


def check_table():
    """Refuse (`signer-table`) a signing table whose SHA-256 is not the one built in."""
    source = _source()
    digest = sha256()
    for offset in range(0, TABLE_LEN + 1, _CHUNK_LEN):  # the last one must find nothing
        digest.update(_read(source, offset, _CHUNK_LEN))
    found = hexlify(digest.digest()).decode()
    if found != TABLE_SHA256:
        raise SignerError(
            "signer-table",
            "expected a signing table with SHA-256 %s, found %s: write p256_table.bin again"
            % (TABLE_SHA256, found),
        )


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
