"""PostgreSQL: how its connections are opened, and how writers keep out of each other's way.

Opening never creates and never migrates. A batch takes one transaction lock for each log that it appends to, all in one
statement and in one order, and reads after it what others have committed (READ COMMITTED). It also shares one lock with
all other batches, which `*` takes alone. Readers see one snapshot (REPEATABLE READ) and cannot write.
"""

import hashlib
import time
from contextlib import closing
from functools import cache
from typing import Any

import psycopg
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import insert
from sqlalchemy.schema import CreateIndex, CreateTable

from stemma.backends.database.dialect import Connection, Statement
from stemma.backends.database.postgresql.address import Address
from stemma.backends.database.postgresql.dialect import POSTGRESQL
from stemma.backends.database.postgresql.pipeline import PipelinedConnection
from stemma.backends.database.schema import IDENTIFY, LEVEL, level, refuse_foreign, refuse_level
from stemma.backends.database.transaction import ALL_TABLES
from stemma.errors import AlreadyExistsError, NotFoundError, UnavailableError, UnsupportedError
from stemma.names import EVERY_LOG

LOCK_SECONDS = 15.0
STATEMENT_SECONDS = 60.0
RESTART_SECONDS = 5.0
LEAST_VERSION = 140000
FORBID = "REVOKE UPDATE, DELETE, TRUNCATE ON entries FROM PUBLIC, CURRENT_USER"
"""Takes the right to change entries from everybody. The owner could take it back: that would be evidence."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_PREPARED = 1000
_IDLE_MILLISECONDS = 60_000
_FIRST_MEASURE = 16
_UNKNOWN = """
    SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND reltuples < 0
    AND pg_relation_size(oid) > 0 AND pg_has_role(relowner, 'USAGE')"""
_STAMP = Statement(insert(level))
_PRESENT = "SELECT to_regclass('schema_level') IS NOT NULL, current_setting('server_version_num')::int, "
_ENCODING = "current_setting('server_encoding')"


class PostgresqlServer:
    """One database of a PostgreSQL server, at `url`.

    `lock_seconds` is how long a writer waits for another process, `statement_seconds` how long one statement may take.
    """

    def __init__(
        self,
        url: str,
        lock_seconds: float = LOCK_SECONDS,
        *,
        statement_seconds: float = STATEMENT_SECONDS,
        restart_seconds: float = RESTART_SECONDS,
    ) -> None:
        self.url = url
        self.address = Address.parse(url)
        self.lock_seconds = lock_seconds
        self._statement_seconds = statement_seconds
        self._restart_seconds = restart_seconds
        self._answers = False
        self._begun = 0
        self._measures_at = _FIRST_MEASURE

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        return self.address.place

    def open_writer(self, *, patient: bool = False) -> Connection:
        """Return a connection that may write, each commit durable when it returns.

        A server that answered before and is restarting now is waited for, once. A `patient` connection lets statements
        take as long as they need.
        """
        connection = self._open_waiting()
        statement = 0 if patient else self._statement_seconds
        settings = [
            *self._limits(statement),
            "SET default_transaction_isolation = 'read committed'",
            "SET default_transaction_read_only = off",
            f"SET idle_in_transaction_session_timeout = {0 if patient else _IDLE_MILLISECONDS}",
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        ]
        return _set(connection, settings)

    def open_reader(self) -> Connection:
        """Return a connection that cannot write; a transaction on it sees one snapshot."""
        settings = [
            *self._limits(self._statement_seconds),
            "SET default_transaction_isolation = 'repeatable read'",
            "SET default_transaction_read_only = on",
        ]
        return _set(self._open(), settings)

    def begin(self, connection: Connection, logs: frozenset[str]) -> frozenset[str] | None:
        """Begin a transaction that alone appends to `logs`; waits for other processes at most `lock_seconds`."""
        self._begun += 1
        if self._begun == self._measures_at:
            self._measures_at *= 8
            _measure(connection)
        if EVERY_LOG in logs:
            connection.script(f"BEGIN; SELECT pg_advisory_xact_lock({_key(EVERY_LOG)})")
            return None
        keys = ",".join(map(str, sorted(_key(log) for log in logs)))
        together = f"BEGIN; SELECT pg_advisory_xact_lock_shared({_key(EVERY_LOG)})"
        each = f"SELECT pg_advisory_xact_lock(key) FROM unnest('{{{keys}}}'::bigint[]) AS key"  # noqa: S608 - numbers
        connection.script(f"{together}; {each}" if logs else together)
        return logs

    def create(self, identity: str | None = None) -> None:
        """Create every declared table, for a repository; AlreadyExistsError where there are some already."""
        with closing(self.begin_new(identity)) as connection:
            connection.commit()

    def begin_new(self, identity: str | None = None) -> Connection:
        """Return a connection in a transaction that has created every declared table, and commits nothing by itself.

        AlreadyExistsError where there are some already.
        """
        connection = self.open_writer(patient=True)
        try:
            self.begin(connection, frozenset({EVERY_LOG}))
            self._check_server(connection, is_empty=True)
            for table in ALL_TABLES.sorted_tables:
                connection.define(CreateTable(table))
                for index in sorted(table.indexes, key=lambda each: str(each.name)):
                    connection.define(CreateIndex(index))
            connection.run(_STAMP, version_num=LEVEL)
            if identity is not None:
                connection.run(IDENTIFY, identity=identity)
            connection.script(FORBID)
        except BaseException:
            connection.close()
            raise
        return connection

    def drop(self) -> None:
        """Drop every declared table, with all that is in it."""
        connection = self.open_writer()
        try:
            self.begin(connection, frozenset({EVERY_LOG}))
            names = ", ".join(f'"{table.name}"' for table in ALL_TABLES.sorted_tables)
            connection.script(f"DROP TABLE IF EXISTS {names}")
            connection.commit()
        finally:
            connection.close()

    def check_level(self, identity: str | None = None, *, older: bool = False) -> None:
        """Raise UnsupportedError unless the tables are those of this release, or with `older` of one before.

        Nothing is changed. Also raises NotFoundError where there are none, and ConflictError where they belong to
        another repository than `identity`.
        """
        connection = self.open_reader()
        try:
            connection.script("BEGIN")
            self._check_server(connection, is_empty=False)
            refuse_level(connection, older=older)
            if identity is not None:
                refuse_foreign(connection, identity)
        finally:
            connection.close()

    def _check_server(self, connection: Connection, *, is_empty: bool) -> None:
        ((present, version, encoding),) = connection.script(_PRESENT + _ENCODING)
        if version < LEAST_VERSION:
            raise UnsupportedError(
                f"PostgreSQL {version // 10000} is too old", place=self.place, hint="Use PostgreSQL 14 or newer."
            )
        if encoding != "UTF8":
            raise UnsupportedError(
                f"the database is encoded in {encoding}", place=self.place, hint="CREATE DATABASE ... ENCODING 'UTF8'."
            )
        if present and is_empty:
            raise AlreadyExistsError(
                "there is a repository in this database already",
                place=self.place,
                hint="Give a database that is empty; DROP DATABASE and CREATE DATABASE make this one so.",
            )
        if not present and not is_empty:
            raise NotFoundError(
                "there is no repository in this database",
                place=self.place,
                hint="'stemma init --database URL' makes one, and the folder that belongs to it.",
            )

    def _limits(self, statement_seconds: float) -> list[str]:
        return [
            "SET plan_cache_mode = force_generic_plan",  # to plan each time costs more than a better plan saves
            f"SET lock_timeout = {round(self.lock_seconds * 1000)}",
            f"SET statement_timeout = {round(statement_seconds * 1000)}",
        ]

    def _open_waiting(self) -> Connection:
        deadline = time.monotonic() + (self._restart_seconds if self._answers else 0)
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = self._open()
            except UnavailableError:
                if time.monotonic() + pause > deadline:
                    self._answers = False
                    raise
            else:
                self._answers = True
                return connection
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self) -> Connection:
        try:
            driver: psycopg.Connection[Any] = psycopg.connect(
                **self.address.parameters,  # type: ignore[arg-type]  # libpq's own options, all text
                autocommit=True,
                prepare_threshold=0,
            )
        except psycopg.Error as error:
            raise _unreachable(error, self.place) from None
        driver.prepared_max = _PREPARED
        driver.adapters.register_dumper(int, Int8Dumper)
        return PipelinedConnection(driver, POSTGRESQL, self.place)


def _measure(connection: Connection) -> None:
    """Gather statistics of tables that have none yet, as autovacuum would within minutes.

    Without them the planner takes any index on namespace and model for as good as the one that finds a single row.
    """
    ((tables,),) = connection.script(_UNKNOWN)
    if tables:
        connection.script(f"ANALYZE {tables}")


def _unreachable(error: psycopg.Error, place: str) -> UnavailableError:
    said = " ".join(str(error).split())
    return UnavailableError(
        f"the database cannot be reached: {said}",
        place=place,
        hint="Look whether it runs, and at STEMMA_DATABASE_URL.",
    )


def _set(connection: Connection, settings: list[str]) -> Connection:
    try:
        connection.script("; ".join(settings))
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def _key(log: str) -> int:
    """Return the key of a log's lock: 64 bits of a hash, so that two logs may share one, which is only slower."""
    digest = hashlib.sha256(b"stemma log\0" + log.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
