"""Write the SQL of the first level from the declared tables: `python -m tests.backends.database.freeze_schema`.

Only until the first release; from then on a change of tables is a revision of its own.
"""

from pathlib import Path

from stemma.backends.database.maintenance.migrate import SCRIPTS
from stemma.backends.database.schema import level
from stemma.backends.database.sqlite import open_memory

INITIAL = SCRIPTS / "versions" / "0001_initial.sql"


def declared_sql() -> str:
    """Return the statements that make every declared table but the one that Alembic makes itself."""
    connection = open_memory()
    rows = connection.script("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    connection.close()
    lines = (
        f"{line.rstrip()}\n" for name, sql in rows if name != level.name for line in f"{sql.strip()};".splitlines()
    )
    return "".join(line for line in lines if line.strip())


if __name__ == "__main__":
    Path(INITIAL).write_text(declared_sql(), encoding="utf-8")
