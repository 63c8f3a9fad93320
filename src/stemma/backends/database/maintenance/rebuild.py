"""Rebuilding: make every projected table again from entries and records, compare, and perhaps put it in place.

The new tables are made in a file of their own, to which the real database is attached for reading: a projection that
reads records finds them there, and one that tried to write anything but projected tables would fail. Entries are
replayed in the order in which they were written, so that ids which count up come out the same.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote

from sqlalchemy import Table, select

from stemma.backends.database.dialect import Connection, Statement
from stemma.backends.database.ledger import entries
from stemma.backends.database.maintenance.check import schema_of
from stemma.backends.database.schema import TableClass, tables_of
from stemma.backends.database.sqlite import SQLITE, SqliteFile, create_table, prepare_sqlite
from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, StemmaError
from stemma.ledger import Entry

Projector: TypeAlias = Callable[[Transaction, Entry], None]
"""Brings a subject's projected tables up to an entry."""
Filler: TypeAlias = Callable[[Transaction], None]
"""Fills projected tables from what is not in the database, such as the footers of packs."""

MAX_DIFFERENCES = 100
_ENTRIES = Statement(select(entries.c.data).order_by(entries.c.position))


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is `missing` from the database, `extra` in it, `different` there, or a table that is `unreadable`."""

    table: str
    key: tuple[object, ...]
    what: str

    def __str__(self) -> str:
        key = ", ".join(part.hex() if isinstance(part, bytes) else str(part) for part in self.key)
        return f"{self.table}({key}) is {self.what}"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many entries were replayed, what differed (the first of each table), and whether it was put right."""

    entries: int
    differences: tuple[Difference, ...]
    is_repaired: bool


def rebuild(
    file: SqliteFile, projectors: Sequence[Projector], fillers: Sequence[Filler] = (), *, repair: bool = False
) -> Rebuilt:
    """Make the projected tables again and compare them with those in `file`; with `repair`, replace them.

    A repair holds off other writers from its beginning and happens in one transaction. Entries that no longer decode
    are a CorruptError that says which; nothing is changed then.
    """
    with tempfile.TemporaryDirectory(prefix="rebuild-", dir=file.path.parent) as folder:
        scratch = Path(folder) / "projected.db"
        with closing(file.open_writer() if repair else file.open_reader()) as connection:
            if repair:
                file.begin(connection)
            with closing(_open_scratch(scratch, file.path)) as new:
                count = replay(new, projectors, fillers)
                differences = tuple(_compare(new))
                new.script("COMMIT")
            if repair and differences:
                _swap(connection, scratch)
            return Rebuilt(count, differences, is_repaired=repair and bool(differences))


def _open_scratch(scratch: Path, source: Path) -> Connection:
    """Return a connection whose own tables are the projected ones, and whose others are those of `source`."""
    driver = sqlite3.connect(scratch, isolation_level=None, uri=True)
    prepare_sqlite(driver)
    connection = Connection(driver, SQLITE, str(source))
    connection.script("PRAGMA journal_mode = OFF")
    connection.script("PRAGMA synchronous = OFF")
    driver.execute("ATTACH ? AS source", (f"file:{quote(str(source.absolute()))}?mode=ro",))
    connection.script("BEGIN")
    for table in tables_of(TableClass.PROJECTED):
        create_table(connection, table)
    return connection


def replay(new: Connection, projectors: Sequence[Projector], fillers: Sequence[Filler]) -> int:
    """Project every entry, in the order of writing; return how many there were."""
    count = 0
    for (data,) in new.stream(_ENTRIES):
        count += 1
        entry = Entry.decode(data)
        if entry.outcome != "done":
            continue
        tx = Transaction(new, entry.time, entropy=_refuse_entropy)
        try:
            for project in projectors:
                project(tx, entry)
        except StemmaError as error:
            place = f"{entry.namespace}/{entry.sequence} ({entry.action})"
            raise CorruptError(f"an entry does not follow from those before: {error}", place=place) from error
    for fill in fillers:
        fill(Transaction(new, 0, entropy=_refuse_entropy))
    return count


def _refuse_entropy(_size: int) -> NoReturn:
    raise RuntimeError("a projection asks for randomness: it must follow from its entry alone")


def _compare(new: Connection) -> Iterator[Difference]:
    for table in tables_of(TableClass.PROJECTED):
        try:
            missing = _without(new, table, "main", "source")
            extra = _without(new, table, "source", "main")
        except CorruptError as error:
            yield Difference(table.name, (), f"unreadable: {error.message}")
            continue
        yield from tell_rows(table, missing, extra)


def tell_rows(table: Table, missing: set[tuple[Any, ...]], extra: set[tuple[Any, ...]]) -> Iterator[Difference]:
    """Yield the differences between two tables, from the keys of rows that only one of them has."""
    both = missing & extra
    yield from _told(table, missing - both, "missing")
    yield from _told(table, extra - both, "extra")
    yield from _told(table, both, "different")


def _without(new: Connection, table: Table, one: str, other: str) -> set[tuple[Any, ...]]:
    """Return the keys of the first rows that `one` has and `other` lacks."""
    quoted = SQLITE.compiler.identifier_preparer.quote
    columns = ", ".join(quoted(column.name) for column in table.columns)
    keys = ", ".join(quoted(column.name) for column in table.primary_key.columns) or columns
    name = quoted(table.name)
    rows = new.script(
        f"SELECT {keys} FROM (SELECT {columns} FROM {one}.{name} EXCEPT SELECT {columns} FROM {other}.{name}) "  # noqa: S608 - names of tables declared here
        f"ORDER BY {keys} LIMIT {MAX_DIFFERENCES}"
    )
    return set(rows)


def _told(table: Table, keys: Iterable[tuple[Any, ...]], what: str) -> Iterator[Difference]:
    return (Difference(table.name, key, what) for key in sorted(keys, key=repr))


def _swap(connection: Connection, scratch: Path) -> None:
    """Replace the projected tables, in the transaction that is open."""
    quoted = SQLITE.compiler.identifier_preparer.quote
    tables = tables_of(TableClass.PROJECTED)
    driver = connection.driver
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("only SQLite is rebuilt here")
    driver.execute("ATTACH ? AS rebuilt", (f"file:{quote(str(scratch))}?mode=ro",))
    connection.script("PRAGMA defer_foreign_keys = ON")
    present = schema_of(connection)
    for table in tables:
        if table.name not in present:
            create_table(connection, table)
    for table in reversed(tables):
        connection.script(f"DELETE FROM main.{quoted(table.name)}")  # noqa: S608 - names of tables declared here
    for table in tables:
        columns = ", ".join(quoted(column.name) for column in table.columns)
        connection.script(
            f"INSERT INTO main.{quoted(table.name)} ({columns}) SELECT {columns} FROM rebuilt.{quoted(table.name)}"  # noqa: S608 - names of tables declared here
        )
    connection.script("COMMIT")
