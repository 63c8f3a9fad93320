"""Migrating on PostgreSQL: forward only, after a dump, in one transaction that nobody else writes beside."""

import os
import subprocess
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import which

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import SQLAlchemyError

from stemma.backends.database.maintenance.migrate import Migrated, refuse_newer, stamp, sync, upgrade
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.schema import LEVEL, level_of
from stemma.errors import StemmaError, UnavailableError, UnsupportedError
from stemma.names import EVERY_LOG

_OURS = ("application_name", "client_encoding", "tcp_user_timeout")


def migrate(server: PostgresqlServer, backups: Path, now: int) -> Migrated:
    """Bring the database up to this release, after a dump in the folder `backups`; `now` in µs names the dump.

    Where a step fails, nothing has changed, and the error says where the dump is.
    """
    with closing(server.open_writer(patient=True)) as connection:
        before = level_of(connection)
        if before == LEVEL:
            return Migrated(before, before, None)
        refuse_newer(before)
        backup = dump(server, backups, f"level-{before or 'none'}-{stamp(now)}")
        begin = partial(server.begin, connection, frozenset({EVERY_LOG}))
        if not isinstance(connection.driver, psycopg.Connection):
            raise UnsupportedError("only PostgreSQL is migrated here")
        connection.driver.prepare_threshold = None  # else DROP and ALTER make psycopg deallocate our statements too
        try:
            upgrade("postgresql+psycopg://", connection.driver, begin)
        except (SQLAlchemyError, StemmaError) as error:
            raise UnavailableError(
                f"the migration from {before or 'none'} to {LEVEL} failed and changed nothing: {error}",
                place=server.place,
                hint=f"Report this; a dump lies at {backup}.",
            ) from error
        return Migrated(before, level_of(connection), backup)


def dump(server: PostgresqlServer, folder: Path, name: str) -> Path:
    """Write a dump of the database, as it is at one moment, durably to `folder`/`name`.dump, for `pg_restore`.

    UnsupportedError where PostgreSQL's own `pg_dump` is missing or older than the server.
    """
    program = which("pg_dump")
    if program is None:
        raise UnsupportedError(
            "pg_dump is not installed, which makes the backup before a migration",
            hint="Install PostgreSQL's client programs of the server's release (Debian: postgresql-client).",
        )
    target, temporary = folder / f"{name}.dump", folder / f"{name}.{os.getpid()}.tmp"
    parameters = {name: value for name, value in server.address.parameters.items() if name not in _OURS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", prefix="stemma-", suffix=".pgpass") as passfile:
            if password := parameters.pop("password", None):
                escaped = password.replace("\\", "\\\\").replace(":", "\\:")
                passfile.write(f"*:*:*:*:{escaped}\n")
                passfile.flush()
                parameters["passfile"] = passfile.name
            command = [program, "--format=custom", f"--file={temporary}", f"--dbname={make_conninfo(**parameters)}"]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - PostgreSQL's own program
        if done.returncode != 0:
            said = " ".join(done.stderr.split())
            raise UnsupportedError(f"the dump failed: {said}", place=server.place, hint="Nothing was changed.")
        sync(temporary)
        temporary.replace(target)
        sync(folder)
    except OSError as error:
        raise UnavailableError(f"cannot make a backup: {error.strerror}", place=str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
