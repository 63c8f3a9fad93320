"""The first level: the tables as 0001_initial.sql (SQLite) and 0001_initial.postgresql.sql have them."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table and index."""
    suffix = ".sql" if op.get_bind().dialect.name == "sqlite" else ".postgresql.sql"
    for statement in Path(__file__).with_suffix(suffix).read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)
