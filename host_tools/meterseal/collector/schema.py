"""Tables of the collector.

`batches` holds what verified, byte for byte; a second batch with the same device, chain and number
but other signed content stands beside the first as evidence of equivocation. `quarantine` holds
bounded bytes that did not verify: they claim no number. `heads` is the contiguous prefix that
acknowledgements name; it can be computed anew from `batches`. `follows` is the number that a batch
continues from: its own less one, or less where it states batches as lost.
"""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData()

BATCHES = Table(
    "batches",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("device", LargeBinary(8), nullable=False),
    Column("chain", LargeBinary(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(32), nullable=True),
    Column("follows", Integer, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_unix_ms", Integer, nullable=False),
    UniqueConstraint("device", "chain", "number", "hash"),
)

HEADS = Table(
    "heads",
    METADATA,
    Column("device", LargeBinary(8), primary_key=True),
    Column("chain", LargeBinary(16), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

QUARANTINE = Table(
    "quarantine",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    Column("code", String(40), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_unix_ms", Integer, nullable=False),
)

Index("batches_by_device", BATCHES.c.device, BATCHES.c.chain, BATCHES.c.number)
