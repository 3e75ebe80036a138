"""Where the signing table comes from, and that it is the right one: loaded with it, see forget.

The frozen module `agent.p256_table_frozen` (one bytes object `TABLE`, written by
`firmware/tools/make_p256_table.py --frozen`), which costs no RAM; else the file `p256_table.bin`
beside this module: in place on ROMFS, by seek, an entry at a time, elsewhere. Must never write.
"""

from binascii import hexlify
from hashlib import sha256

from agent.constant import const
from agent.errors import SignerError

TABLE_LEN = 69632
TABLE_SHA256 = "1269c373f0e528cd5ee4389da2179189301ef76e843eadd3b559246de427669e"

_CHUNK_LEN = const(1024)


def file_reader(file):
    """A `reader(offset, length)` of an open binary file."""

    def read(offset, length):
        try:
            file.seek(offset)
            return file.read(length)
        except OSError as error:
            raise SignerError("signer-table", "cannot read the signing table (%s)" % error)

    return read


def find_table():
    """The frozen table, else the file beside this module."""
    try:
        from agent.p256_table_frozen import TABLE
    except ImportError:
        TABLE = None  # not a build with frozen code
    if TABLE is not None:
        return memoryview(TABLE)
    path = __file__.rsplit("/", 1)[0] + "/p256_table.bin"
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


def check(source):
    """Refuse (`signer-table`) a table whose SHA-256 is not the one built in."""
    digest = sha256()
    for offset in range(0, TABLE_LEN + 1, _CHUNK_LEN):  # the last one must find nothing
        if callable(source):
            digest.update(source(offset, _CHUNK_LEN))
        else:
            digest.update(source[offset : offset + _CHUNK_LEN])
    found = hexlify(digest.digest()).decode()
    if found != TABLE_SHA256:
        raise SignerError(
            "signer-table",
            "expected a signing table with SHA-256 %s, found %s: write p256_table.bin again"
            % (TABLE_SHA256, found),
        )
