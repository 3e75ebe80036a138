"""PostgreSQL: batches without a key check for each row, chains with room for updates in place."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Only PostgreSQL checks keys here; SQLite keeps its table as it is."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_constraint("batches_chain_id_fkey", "batches", type_="foreignkey")
    op.execute("ALTER TABLE chains SET (fillfactor = 50)")
