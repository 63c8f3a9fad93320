"""The databases that one test is run on in turn: what asks for the fixture `each_database` is run on each.

`new_connection` is for tests of stores: a transaction on every table, which is never committed. A test uses at most
SHARED at a time; the first lasts longest. `new_database` is for tests that commit. Both give what the present turn
says, SQLite where a test asks for none.
"""

import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stemma.backends.database.dialect import Connection
from stemma.backends.database.maintenance.check import Check, Finding
from stemma.backends.database.maintenance.check import check as check_sqlite
from stemma.backends.database.maintenance.rebuild import Filler, Projector, Rebuilt
from stemma.backends.database.maintenance.rebuild import rebuild as rebuild_sqlite
from stemma.backends.database.postgresql.check import check as check_postgresql
from stemma.backends.database.postgresql.rebuild import rebuild as rebuild_postgresql
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.sqlite import SqliteFile, open_memory
from stemma.names import EVERY_LOG
from tests.postgresql import Databases

KINDS = ("sqlite", "postgresql")
SHARED = 6
"""How many databases there are in which no test commits, and so how many connections a test can use at a time."""


@dataclass
class Turn:
    """Which kind of database it is, and what must be closed at the end of the test."""

    kind: str = "sqlite"
    databases: Databases | None = None
    shared: Sequence[str] = ()
    closing: ExitStack = field(default_factory=ExitStack)
    opened: list[Connection] = field(default_factory=list)
    gate: threading.Lock = field(default_factory=threading.Lock)

    def server(self) -> PostgresqlServer:
        """Return a database of this test's own, which is dropped at its end."""
        assert self.databases is not None
        server = PostgresqlServer(self.databases.new())
        self.closing.callback(self.drop, server)
        return server

    def drop(self, server: PostgresqlServer) -> None:
        """Drop a database, or one that is dropped already."""
        assert self.databases is not None
        self.databases.server.drop(server.address.parameters["dbname"])


_turns = [Turn()]


@contextmanager
def turn(kind: str, databases: Callable[[], Databases], shared: Callable[[], Sequence[str]]) -> Iterator[Turn]:
    """Let all that is opened be of one kind."""
    with ExitStack() as closing:
        present = Turn(closing=closing) if kind == "sqlite" else Turn(kind, databases(), shared(), closing)
        _turns.append(present)
        try:
            yield present
        finally:
            _turns.pop()


def new_connection() -> Connection:
    """Return a connection to an empty repository's tables, inside a transaction."""
    present = _turns[-1]
    if present.kind == "sqlite":
        return open_memory()
    with present.gate:
        number, others = len(present.opened), len(present.shared) - 1
        if number > others:
            present.opened[number - others].close()  # generated tests make many, one after the other
        server = PostgresqlServer(present.shared[1 + (number - 1) % others if number else 0])
        connection = server.open_writer(patient=True)  # the first may lie idle while others work
        present.opened.append(connection)
        present.closing.callback(connection.close)
        server.begin(connection, frozenset({EVERY_LOG}))
    return connection


def new_database(folder: Path | None = None) -> SqliteFile | PostgresqlServer:
    """Return an empty repository's database."""
    present = _turns[-1]
    if present.kind == "postgresql":
        return present.server()
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="stemma-test-"))
        present.closing.callback(shutil.rmtree, folder, ignore_errors=True)
    file = SqliteFile(folder / "stemma.db")
    file.create()
    return file


def discard(database: SqliteFile | PostgresqlServer) -> None:
    """Remove a database before the end of the test: generated tests make many."""
    if isinstance(database, SqliteFile):
        shutil.rmtree(database.path.parent)
    else:
        _turns[-1].drop(database)


def open_database(place: str) -> SqliteFile | PostgresqlServer:
    """Return the database at a path or URL, as `place_of` says it."""
    return PostgresqlServer(place) if place.startswith("postgresql:") else SqliteFile(Path(place))


def place_of(database: SqliteFile | PostgresqlServer) -> str:
    """Return what another process opens it by."""
    return str(database.path) if isinstance(database, SqliteFile) else database.url


def rebuild(
    database: SqliteFile | PostgresqlServer,
    projectors: Sequence[Projector],
    fillers: Sequence[Filler] = (),
    *,
    repair: bool = False,
) -> Rebuilt:
    """Rebuild either kind."""
    if isinstance(database, SqliteFile):
        return rebuild_sqlite(database, projectors, fillers, repair=repair)
    return rebuild_postgresql(database, projectors, fillers, repair=repair)


def check(database: SqliteFile | PostgresqlServer, more: Sequence[Check] = ()) -> tuple[Finding, ...]:
    """Check either kind."""
    return check_sqlite(database, more) if isinstance(database, SqliteFile) else check_postgresql(database, more)


def change(connection: Connection, sql: str, *values: object) -> int:
    """Run SQL behind Stemma's back, written for SQLite: `?` for a value, `zeroblob(n)` for n zero bytes."""
    if connection.dialect.name == "postgresql":
        sql = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", sql).replace("?", "%s")
    cursor = connection.driver.cursor()
    cursor.execute(sql, values)
    return int(cursor.rowcount)
