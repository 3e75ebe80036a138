"""The table of the registry; a migration of the collector's database makes it.

One row an entry. `body` is the entry's canonical JSON, `hash` the SHA-256 of it; triggers refuse
every change and removal, and each reader checks the chain of hashes.
"""

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table, Text

REGISTRY_ENTRIES = Table(
    "registry_entries",
    MetaData(),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(40), nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("body", Text, nullable=False),
)
