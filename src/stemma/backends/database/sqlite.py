"""SQLite: how its files are opened, and where they may lie.

Opening never creates and never migrates. Writers are durable (`synchronous=FULL` on a write-ahead log); readers cannot
write. WAL keeps its index in memory that all processes share, so the file must lie on a disk of this machine.
"""

import json
import random
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Table, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from stemma.backends.database.dialect import CHECK_HINT, Connection, Dialect, Statement
from stemma.backends.database.schema import IDENTIFY, LEVEL, level, refuse_foreign, refuse_level
from stemma.backends.database.transaction import ALL_TABLES
from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    InvalidError,
    NotFoundError,
    StemmaError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)

APPLICATION_ID = 0x53544D41  # "STMA", so that `file` and SQLite tools can tell what this is
BUSY_SECONDS = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.000_2, 0.005
_STATEMENT_CACHE = 512
_STAMP = Statement(insert(level))
_MOUNT_POINT = 4  # its field in a line of mountinfo, proc(5)
_OCTAL = re.compile(r"\\([0-7]{3})")
_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "pvfs2", "smb3", "smbfs"}
    | {f"fuse.{name}" for name in ("ceph", "curlftpfs", "davfs2", "gcsfuse", "glusterfs", "goofys", "juicefs")}
    | {f"fuse.{name}" for name in ("mount.davfs", "moosefs", "rclone", "s3fs", "seaweedfs", "sshfs", "weed")}
)


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """One database file. `busy_seconds` is how long a writer waits for another process."""

    path: Path
    busy_seconds: float = BUSY_SECONDS

    def open_writer(self) -> Connection:
        """Return a connection that may write, each commit durable when it returns."""
        connection = self._open()
        pragmas = (
            "journal_mode = WAL",
            "synchronous = FULL",
            "wal_autocheckpoint = 4000",
            "fullfsync = ON",
            "foreign_keys = ON",
        )
        return _with_pragmas(connection, *pragmas, "busy_timeout = 0")

    def open_reader(self) -> Connection:
        """Return a connection that cannot write."""
        return _with_pragmas(self._open(), "query_only = ON")

    def begin(self, connection: Connection, logs: frozenset[str] = frozenset()) -> None:
        """Begin a transaction that may write, to all logs; waits for other processes at most `busy_seconds`.

        Pauses are short and uneven, so that two busy processes take turns; SQLite's own would grow to 100 ms.
        """
        del logs  # a writer holds the one lock of the whole file
        deadline = time.monotonic() + self.busy_seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                connection.script("BEGIN IMMEDIATE")
            except UnavailableError as error:
                if not _is_busy(error):
                    raise
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"another process has been writing for {self.busy_seconds:g} s",
                        place=str(self.path),
                        hint="Try again when it is done; 'stemma doctor' shows who holds the repository.",
                    ) from error
            else:
                return
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - to break step, not to keep a secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def check_level(self, identity: str | None = None, *, older: bool = False) -> None:
        """Raise UnsupportedError unless the tables are those of this release, or with `older` of one before.

        ConflictError where they belong to another repository than `identity`. Nothing is changed.
        """
        connection = self.open_reader()
        try:
            refuse_level(connection, older=older)
            if identity is not None:
                refuse_foreign(connection, identity)
        finally:
            connection.close()

    def create(self, identity: str | None = None) -> None:
        """Create the file with every declared table; AlreadyExistsError where there is one already."""
        refuse_network(self.path.parent)
        try:
            self.path.touch(exist_ok=False)
        except FileExistsError as error:
            raise AlreadyExistsError(f"there is a database at {self.path} already") from error
        connection = self.open_writer()
        try:
            connection.script(f"PRAGMA application_id = {APPLICATION_ID}")
            self.begin(connection)
            create_tables(connection)
            if identity is not None:
                connection.run(IDENTIFY, identity=identity)
            connection.script("COMMIT")
        finally:
            connection.close()

    def drop(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _open(self) -> Connection:
        if not self.path.is_file():
            raise NotFoundError(f"there is no database at {self.path}", hint="'stemma init' makes a repository.")
        refuse_network(self.path.parent)
        try:
            driver = sqlite3.connect(
                f"file:{quote(str(self.path.absolute()))}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENT_CACHE,
            )
        except sqlite3.Error as error:
            raise SQLITE.translate(error, str(self.path)) or error from error
        prepare_sqlite(driver)
        pragmas = ("trusted_schema = OFF", "cell_size_check = ON", "temp_store = MEMORY", "cache_size = -32768")
        return _with_pragmas(Connection(driver, SQLITE, str(self.path)), *pragmas)


def _as_json(values: Sequence[Any]) -> str:
    return json.dumps([value.hex() if isinstance(value, bytes) else value for value in values])


_EXISTS = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)
_DAMAGED = (CorruptError, "the database is damaged", CHECK_HINT)
_BUSY = (UnavailableError, "the database is busy", "Another process is writing; try again.")
_FAILED = (UnavailableError, "the disk failed", "Check the disk and who may write there.")
_MEANINGS: Mapping[int, tuple[type[StemmaError], str, str]] = {
    sqlite3.SQLITE_CONSTRAINT: (ConflictError, "the database refuses it", "Read the present state, then try again."),
    sqlite3.SQLITE_MISMATCH: (InvalidError, "a value cannot be stored", "Numbers have 64 bits, text is Unicode."),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FORMAT: _DAMAGED,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_INTERRUPT: _BUSY,
    sqlite3.SQLITE_FULL: (UnavailableError, "no room is left", "Free space on this disk, then try again."),
    sqlite3.SQLITE_READONLY: (UnavailableError, "the database cannot be written", "Check who owns the file."),
    sqlite3.SQLITE_IOERR: _FAILED,
    sqlite3.SQLITE_CANTOPEN: _FAILED,
    sqlite3.SQLITE_NOMEM: _FAILED,
    sqlite3.SQLITE_PERM: _FAILED,
    sqlite3.SQLITE_NOLFS: _FAILED,
    sqlite3.SQLITE_AUTH: _FAILED,
    sqlite3.SQLITE_TOOBIG: (TooLargeError, "over a limit of the database", "Store less at once."),
}


def _translate_sqlite(error: Exception, place: str) -> StemmaError | None:
    match error:
        case OverflowError() | UnicodeEncodeError():
            return InvalidError(f"a value cannot be stored: {error}", hint="Numbers have 64 bits, text is Unicode.")
        case sqlite3.Error():
            code = getattr(error, "sqlite_errorcode", 0)
            if code in _EXISTS:
                return AlreadyExistsError(f"already taken: {error}", hint="Read what is there before writing again.")
            return _by_primary_code(code & 0xFF, str(error), place)
        case _:
            return None


def _by_primary_code(code: int, message: str, place: str) -> StemmaError | None:
    if message.startswith("Could not decode to UTF-8"):
        code = sqlite3.SQLITE_CORRUPT
    if code == sqlite3.SQLITE_ERROR and message.startswith(("no such table", "no such column")):
        what = "the database lacks a part of its schema"
        return CorruptError(f"{what}: {message}", place=place, hint=CHECK_HINT)
    kind, what, hint = _MEANINGS.get(code, (None, "", ""))
    return None if kind is None else kind(f"{what}: {message}", place=place, hint=hint)


def prepare_sqlite(driver: sqlite3.Connection) -> None:
    """Give a connection the one function that `member_of` calls on SQLite before its release 3.41."""
    driver.create_function("blob_of", 1, bytes.fromhex, deterministic=True)


def _in_sqlite_transaction(driver: sqlite3.Connection) -> bool:
    return driver.in_transaction


def _sqlite_generation(driver: sqlite3.Connection) -> int:
    """Return a number that is fixed inside a snapshot, and changes with every commit of another connection."""
    return int(driver.execute("PRAGMA data_version").fetchone()[0])


SQLITE = Dialect(
    "sqlite",
    sqlite.dialect(paramstyle="named"),
    _as_json,
    _translate_sqlite,
    _in_sqlite_transaction,
    sqlite3.Connection.execute,
    generation=_sqlite_generation,
)


def _with_pragmas(connection: Connection, *pragmas: str) -> Connection:
    try:
        for pragma in pragmas:
            connection.script(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_busy(error: UnavailableError) -> bool:
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }


def open_memory() -> Connection:
    """Return a connection to a new database in memory that has every declared table; for tests of stores."""
    driver = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    prepare_sqlite(driver)
    connection = Connection(driver, SQLITE, ":memory:")
    connection.script("PRAGMA foreign_keys = ON")
    create_tables(connection)
    return connection


def create_tables(connection: Connection) -> None:
    """Create every declared table and index, at the present level."""
    for table in ALL_TABLES.sorted_tables:
        create_table(connection, table)
    connection.run(_STAMP, version_num=LEVEL)


def create_table(connection: Connection, table: Table) -> None:
    """Create one table and its indexes."""
    connection.define(CreateTable(table))
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        connection.define(CreateIndex(index))


@cache
def refuse_network(folder: Path) -> None:
    """Raise UnsupportedError where `folder` lies on a network file system, which WAL does not survive.

    9p and virtiofs are let through: containers and virtual machines use them for disks of one machine. Where the
    system has no `/proc`, nothing is known and nothing refused.
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = mount_type(folder.resolve(), mounts)
    if kind in _NETWORK:
        raise UnsupportedError(
            f"{folder} lies on a network file system ({kind})",
            place=str(folder),
            hint="Keep the repository on a local disk and share it with 'stemma serve'; use it with --repo URL.",
        )


def mount_type(path: Path, mounts: str) -> str | None:
    """Return the type of file system that holds the absolute `path`, from the text of `/proc/self/mountinfo`."""
    best, kind = -1, None
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) <= _MOUNT_POINT or not right:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[_MOUNT_POINT])
        if path.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), right.split(" ")[0]
    return kind
