"""The first schema. Never changed: a database of that release begins here."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of the first release."""
    _chains()
    _batches()
    _statements()
    op.create_table(
        "quarantine",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("received_unix_ms", sa.BigInteger, nullable=False),
    )


def _chains() -> None:
    op.create_table(
        "chains",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("device", sa.LargeBinary(8), nullable=False, index=True),
        sa.Column("chain", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("highest", sa.BigInteger, nullable=False),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("forked", sa.Integer, nullable=False),
        sa.UniqueConstraint("chain", "device", name="chains_chain_device"),
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("chain_id", sa.BigInteger, sa.ForeignKey("chains.id"), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=True),
        sa.Column("linked", sa.Integer, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("received_unix_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("chain_id", "number", "hash", name="batches_chain_number_hash"),
    )
    waiting = sa.text("linked = 0")
    op.create_index(
        "batches_waiting",
        "batches",
        ["chain_id", "number"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def _statements() -> None:
    op.create_table(
        "lost_ranges",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("chain_id", sa.BigInteger, sa.ForeignKey("chains.id"), nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("last_hash", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("chain_id", "first", "last", "last_hash", name="lost_ranges_all"),
    )
    op.create_table(
        "equivocations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("chain_id", sa.BigInteger, sa.ForeignKey("chains.id"), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("noticed_unix_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("chain_id", "number", "hash", name="equivocations_all"),
    )
