"""Migrating: forward only, after a backup, in one transaction. Nothing else imports Alembic."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from stemma.backends.database.dialect import Driver
from stemma.backends.database.schema import LEVEL, level, level_of
from stemma.backends.database.sqlite import SQLITE, SqliteFile
from stemma.errors import StemmaError, UnavailableError, UnsupportedError

SCRIPTS = Path(__file__).parent.parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migrated:
    """The levels before and after, and where the backup lies; None where there was nothing to do."""

    before: str
    after: str
    backup: Path | None


def migrate(file: SqliteFile, backups: Path, now: int) -> Migrated:
    """Bring the database up to this release, with a copy in the folder `backups` first; `now` in µs names the copy.

    Where a step fails, nothing has changed, and the error says where the backup is.
    """
    with closing(file.open_writer()) as connection:
        before = level_of(connection)
        if before == LEVEL:
            return Migrated(before, before, None)
        refuse_newer(before)
        backup = back_up(file, backups, f"level-{before or 'none'}-{stamp(now)}")
        if not isinstance(connection.driver, sqlite3.Connection):
            raise UnsupportedError("only SQLite is migrated here")
        try:
            upgrade("sqlite://", connection.driver, partial(file.begin, connection))
        except (SQLAlchemyError, sqlite3.Error, StemmaError) as error:
            raise UnavailableError(
                f"the migration from {before or 'none'} to {LEVEL} failed and changed nothing: {error}",
                place=str(file.path),
                hint=f"Report this; a copy lies at {backup}.",
            ) from error
        return Migrated(before, level_of(connection), backup)


def back_up(file: SqliteFile, folder: Path, name: str) -> Path:
    """Copy the database, as it is at one moment, durably to `folder`/`name`.db while others go on."""
    target = folder / f"{name}.db"
    temporary = folder / f"{name}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(file.open_reader()) as source, closing(sqlite3.connect(temporary)) as copy:
            if not isinstance(source.driver, sqlite3.Connection):
                raise UnsupportedError("only SQLite is copied here")
            source.driver.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        sync(temporary)
        temporary.replace(target)
        sync(folder)
    except sqlite3.Error as error:
        temporary.unlink(missing_ok=True)
        raise SQLITE.translate(error, str(file.path)) or error from error
    except OSError as error:
        raise UnavailableError(f"cannot make a backup: {error.strerror}", place=str(target)) from error
    return target


def refuse_newer(before: str) -> None:
    """Raise UnsupportedError for a level that this release does not know."""
    if before > LEVEL:
        raise UnsupportedError(
            f"the database stands at level {before}, beyond {LEVEL}", hint="Install a newer release of Stemma."
        )


def upgrade(url: str, driver: Driver, begin: Callable[[], object]) -> None:
    """Run the revisions that are missing in one transaction, which `begin` begins; `url` names the kind of `driver`.

    SQLAlchemy rolls back when it first meets a connection, so its own transaction, which is only a wish to commit or
    roll back at the end, must be there before.
    """
    script = ScriptDirectory(str(SCRIPTS))
    engine = create_engine(url, creator=lambda: driver, poolclass=StaticPool, pool_reset_on_return=None)
    with engine.connect() as connection, connection.begin():
        begin()
        with EnvironmentContext(
            Config(),
            script,
            fn=lambda revision, _context: script._upgrade_revs("head", revision),  # noqa: SLF001 - as Alembic's own `upgrade` does
        ) as environment:
            environment.configure(connection=connection, version_table=level.name)
            environment.run_migrations()


def stamp(now: int) -> str:
    """Return a time in µs as it stands in names of files."""
    return datetime.fromtimestamp(now / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
