"""Tables of the collector; the migrations in `migrations/versions` make them.

`batches` holds what verified, byte for byte. `linked` is 1 if the chain is whole from its first
batch to this one, with gaps only where the device states them (`lost_ranges`). `chains` holds the
state of each chain: the linked batch with the highest number (0: none), the highest number stored,
whether batches wait for others before them, whether two contents for one number were seen. All of
it can be computed anew from `batches`. `equivocations` names every second content for a number;
the bytes of both are in `batches`. `quarantine` holds bytes that did not verify: they claim no
number; `device` is the kid that they name (empty: none), `standing` what speaks for them
(records.py). `quarantine_use` counts the bytes of each device and of all. On PostgreSQL no key
constraint ties `batches` to `chains`: the check of each row would cost more than the row, and the
one writer has the chain at hand. `registry_entries` is the registry's own (registry/table.py).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from meterseal.registry.table import REGISTRY_ENTRIES

METADATA = MetaData()
REGISTRY_ENTRIES.to_metadata(METADATA)
_Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers INTEGER PRIMARY KEY alone by itself; its integers have 64 bits anyway."""

CHAINS = Table(
    "chains",
    METADATA,
    Column("id", _Id, primary_key=True),
    Column("device", LargeBinary(8), nullable=False, index=True),
    Column("chain", LargeBinary(16), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("forked", Integer, nullable=False),
    UniqueConstraint("chain", "device", name="chains_chain_device"),
)

BATCHES = Table(
    "batches",
    METADATA,
    Column("id", _Id, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(32), nullable=True),
    Column("linked", Integer, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_unix_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(["chain_id"], ["chains.id"]).ddl_if(dialect="sqlite"),
    UniqueConstraint("chain_id", "number", "hash", name="batches_chain_number_hash"),
)
Index(
    "batches_waiting",
    BATCHES.c.chain_id,
    BATCHES.c.number,
    sqlite_where=BATCHES.c.linked == 0,
    postgresql_where=BATCHES.c.linked == 0,
)

LOST_RANGES = Table(
    "lost_ranges",
    METADATA,
    Column("id", _Id, primary_key=True),
    Column("chain_id", BigInteger, ForeignKey("chains.id"), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("last_hash", LargeBinary(32), nullable=False),
    UniqueConstraint("chain_id", "first", "last", "last_hash", name="lost_ranges_all"),
)

EQUIVOCATIONS = Table(
    "equivocations",
    METADATA,
    Column("id", _Id, primary_key=True),
    Column("chain_id", BigInteger, ForeignKey("chains.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("noticed_unix_ms", BigInteger, nullable=False),
    UniqueConstraint("chain_id", "number", "hash", name="equivocations_all"),
)

QUARANTINE = Table(
    "quarantine",
    METADATA,
    Column("id", _Id, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    Column("code", String(40), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_unix_ms", BigInteger, nullable=False),
    Column("device", LargeBinary(8), nullable=False),
    Column("length", Integer, nullable=False),
    Column("standing", Integer, nullable=False),
    Index("quarantine_device", "device", "id"),
    Index("quarantine_standing", "standing", "id"),
)

QUARANTINE_USE = Table(
    "quarantine_use",
    METADATA,
    Column("scope", LargeBinary(8), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)
