"""Quarantine within bounds: whose the bytes claim to be, how long they are, what speaks for them.

Never changed: what stands here about codes and the layout of batches is that of this release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_UNSIGNED = "code = 'key-unknown' OR code LIKE 'batch-%' OR code LIKE 'cose-%' OR code LIKE"
_STANDING = (
    f"CASE WHEN code = 'signature-invalid' THEN 1 WHEN {_UNSIGNED} 'signature-%' THEN 0 ELSE 2 END"
)
_OPENING = "d28451a301260319fde90448"
_ROW_COST = 256


def upgrade() -> None:
    """Add the columns, fill them from the bytes, count what is there."""
    empty = sa.text("''")
    op.add_column(
        "quarantine",
        sa.Column("device", sa.LargeBinary(8), nullable=False, server_default=empty),
    )
    for name in ("length", "standing"):
        op.add_column(
            "quarantine", sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
        )
    op.create_index("quarantine_device", "quarantine", ["device", "id"])
    op.create_index("quarantine_standing", "quarantine", ["standing", "id"])
    op.create_table(
        "quarantine_use",
        sa.Column("scope", sa.LargeBinary(8), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    _fill(op.get_bind().dialect.name == "sqlite")


def _fill(sqlite: bool) -> None:
    opening = f"X'{_OPENING}'" if sqlite else f"'\\x{_OPENING}'::bytea"
    nothing, total = ("X''", "X'746f74616c'") if sqlite else ("''::bytea", "'total'::bytea")
    op.execute(
        f"UPDATE quarantine SET length = length(raw), standing = {_STANDING}, device = CASE WHEN "
        f"length(raw) >= 20 AND substr(raw, 1, 12) = {opening} THEN substr(raw, 13, 8) "
        f"ELSE {nothing} END"
    )
    used = f"SUM(length + {_ROW_COST})"
    into = "INSERT INTO quarantine_use (scope, bytes)"
    op.execute(f"{into} SELECT device, {used} FROM quarantine GROUP BY device")
    op.execute(f"{into} SELECT {total}, COALESCE({used}, 0) FROM quarantine")
