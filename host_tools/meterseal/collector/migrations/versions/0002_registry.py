"""The registry's entries, which nobody changes or removes once they are there."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_REFUSAL = "registry entries are only ever added"


def upgrade() -> None:
    """Make the table and the triggers that keep it append-only."""
    op.create_table(
        "registry_entries",
        sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER registry_no_{verb.lower()} BEFORE {verb} ON registry_entries "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION registry_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER registry_keep BEFORE UPDATE OR DELETE ON registry_entries "
        "FOR EACH ROW EXECUTE FUNCTION registry_refuse()"
    )
