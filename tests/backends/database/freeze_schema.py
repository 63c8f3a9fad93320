"""Write the SQL of the first level from the declared tables: `python -m tests.backends.database.freeze_schema`.

Only until the first release; from then on a change of tables is a revision of its own.
"""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from stemma.backends.database.maintenance.migrate import SCRIPTS
from stemma.backends.database.postgresql.dialect import POSTGRESQL
from stemma.backends.database.postgresql.server import FORBID
from stemma.backends.database.schema import level
from stemma.backends.database.sqlite import open_memory
from stemma.backends.database.transaction import ALL_TABLES

INITIAL = SCRIPTS / "versions" / "0001_initial.sql"
INITIAL_POSTGRESQL = SCRIPTS / "versions" / "0001_initial.postgresql.sql"


def declared_sql() -> str:
    """Return the statements that make every declared table on SQLite, but the one that Alembic makes itself."""
    connection = open_memory()
    rows = connection.script("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    connection.close()
    return _joined(sql for name, sql in rows if name != level.name)


def declared_postgresql() -> str:
    """Return the same for PostgreSQL."""
    statements: list[CreateTable | CreateIndex] = []
    for table in ALL_TABLES.sorted_tables:
        if table is not level:
            statements.append(CreateTable(table))
            statements += [CreateIndex(index) for index in sorted(table.indexes, key=lambda each: str(each.name))]
    return _joined([*(str(each.compile(dialect=POSTGRESQL.compiler)) for each in statements), FORBID])


def _joined(statements: Iterable[str]) -> str:
    lines = (f"{line.rstrip()}\n" for sql in statements for line in f"{sql.strip()};".splitlines())
    return "".join(line for line in lines if line.strip())


if __name__ == "__main__":
    Path(INITIAL).write_text(declared_sql(), encoding="utf-8")
    Path(INITIAL_POSTGRESQL).write_text(declared_postgresql(), encoding="utf-8")
