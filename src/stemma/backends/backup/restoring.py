"""Restoring: a repository from a backup, on SQLite or PostgreSQL, seen when it is whole and checked, or never.

1. The place must be empty, and so must the database.
2. Packs, keys and small files are written beside the place, each checked as it passes.
3. In one transaction every table is made, all rows are loaded, and every projected table is made again from entries,
   records and packs.
4. Every log is recomputed against the keys, in the same transaction: what does not hold is not committed.
5. The folder is put in place by a rename.
"""

import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Protocol

from stemma.artifacts.packs.pack import PackId
from stemma.backends.backup.files import writing
from stemma.backends.backup.listing import STATES, Listing, read_listing
from stemma.backends.backup.making import KEY_FILES, PLAIN_FILES
from stemma.backends.backup.packs import Passage
from stemma.backends.backup.rows import kept_tables, load_rows, read_rows
from stemma.backends.backup.verifying import HINT, read_small
from stemma.backends.blobs.disk import Disk, disk_errors
from stemma.backends.database.dialect import Connection
from stemma.backends.database.maintenance.format import Format
from stemma.backends.database.maintenance.rebuild import Projector, replay
from stemma.backends.database.schema import LEVEL
from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, NotFoundError, UnsupportedError

IDENTITY, PAGING, LOG_KEYS = "identity", "keys/paging.key", "keys/log.pem"
_SECRET = 32
_MAX_SMALL = 1 << 20
_FOREIGN = frozenset({"format.json"})  # says what the database is, which may be another now


class NewDatabase(Protocol):
    """A database that is empty, or AlreadyExistsError says that it is not."""

    def begin(self, identity: str) -> Connection:
        """Return a connection in a transaction that alone writes, with every table made, for a repository.

        Whoever does not commit, or is killed before, leaves the database as empty as it was.
        """

    def settle(self, connection: Connection) -> None:
        """Do what is due after rows were loaded with their numbers, in the transaction."""

    def drop(self) -> None:
        """Take back what was committed."""


class Contents(Protocol):
    """What the repository in a folder is made of, for projecting and checking."""

    @property
    def projectors(self) -> Sequence[Projector]:
        """What brings projected tables up to an entry."""

    def fill(self, tx: Transaction, /) -> None:
        """Fill projected tables from packs."""

    def check(self, tx: Transaction, /) -> None:
        """Raise a CorruptError where a log does not hold, or a pack is missing."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """What is asked: the backup `source` becomes the folder `target`; `open_contents` opens it before it is there.

    `keys` is a folder with the keys of the log, for a backup that holds none. `progress` is told bytes of packs.
    """

    source: Path
    target: Path
    format: Format
    open_database: Callable[[Path], NewDatabase]
    open_contents: Callable[[Path], Contents]
    keys: Path | None = None
    progress: Callable[[int], None] = lambda _: None
    disk: Disk = field(default_factory=Disk)


def restore(asked: Restoring) -> Listing:
    """Restore a backup into an empty place; return its listing."""
    listing = read_listing(asked.source)
    if listing.level != LEVEL:
        raise UnsupportedError(
            f"the backup was made at level {listing.level}, this release works at {LEVEL}",
            place=str(asked.source),
            hint=f"Restore it with Stemma {listing.release}, then migrate; or install a newer release.",
        )
    disk = asked.disk
    unfinished = asked.target.with_name(f"{asked.target.name}-{uuid.uuid4().hex}.tmp")
    try:
        disk.make_directory(unfinished)
        _write_small(asked, listing, unfinished)
        _write_packs(asked, unfinished, listing.packs)
        with _filled(asked, listing, unfinished):
            with disk_errors(unfinished):
                asked.format.write(unfinished)
            disk.sync_directory(unfinished)
            disk.rename(unfinished, asked.target)
        disk.sync_directory(asked.target.parent)
    finally:
        rmtree(unfinished, ignore_errors=True)
    return listing


def _write_small(asked: Restoring, listing: Listing, folder: Path) -> None:
    state = asked.source / STATES / listing.state
    files = {file.name: read_small(state / file.name, file) for file in listing.files if file.name not in _FOREIGN}
    if asked.keys is not None:
        files |= _given_keys(asked.keys)
    if LOG_KEYS not in files:
        raise NotFoundError(
            "the keys of the log are not in the backup, and without them it can be neither checked nor continued",
            place=str(asked.source),
            hint="Give the folder that holds log.pem with --keys.",
        )
    files.setdefault(PAGING, secrets.token_bytes(_SECRET))
    if files.get(IDENTITY, b"").strip() != listing.identity.encode():
        raise CorruptError("the identity is not that of the backup", place=str(state / IDENTITY), hint=HINT)
    for name, data in files.items():
        if name not in (*KEY_FILES, *PLAIN_FILES):
            raise CorruptError(f"{name!r} is no file of a repository", place=str(state / name), hint=HINT)
        asked.disk.make_directory((folder / name).parent)
        with writing(asked.disk, folder / name) as write:
            write(data)
    with disk_errors(folder):
        (folder / "keys").chmod(0o700)
    asked.disk.sync_directory(folder / "keys")


def _given_keys(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in KEY_FILES:
        path = folder / Path(name).name
        if path.is_file():
            with disk_errors(path), path.open("rb") as file:
                found[name] = file.read(_MAX_SMALL)
    if LOG_KEYS not in found:
        raise NotFoundError("there is no log.pem", place=str(folder), hint="Give the folder that holds it with --keys.")
    return found


def _write_packs(asked: Restoring, folder: Path, packs: Mapping[PackId, int]) -> None:
    try:
        Passage(asked.disk, asked.source, folder, asked.progress).carry(packs)
    except NotFoundError as error:
        raise CorruptError("a pack is missing", place=error.place, hint=HINT) from error
    except CorruptError as error:
        raise CorruptError(error.message, place=f"{asked.source}: {error.place}", hint=HINT) from error


@contextmanager
def _filled(asked: Restoring, listing: Listing, folder: Path) -> Iterator[None]:
    """Fill the database, commit, and keep it only if the block ends well."""
    database, committed = asked.open_database(folder), False
    try:
        with closing(database.begin(listing.identity)) as connection:
            _load(asked, listing, connection)
            database.settle(connection)
            contents = asked.open_contents(folder)
            replay(connection, contents.projectors, (contents.fill,))
            contents.check(Transaction(connection, listing.time, reads_only=True))
            committed = True
            connection.commit()
        yield
    except BaseException:
        if committed:  # or perhaps so; what was not is nobody's to take back
            database.drop()
        raise


def _load(asked: Restoring, listing: Listing, connection: Connection) -> None:
    state = asked.source / STATES / listing.state
    declared = {table.name: table for table in kept_tables()}
    if {stored.name for stored in listing.tables} != declared.keys():
        raise CorruptError("the backup does not hold the tables of its level", place=str(asked.source), hint=HINT)
    for stored in sorted(listing.tables, key=lambda each: each.name):
        table = declared[stored.name]
        if stored.columns != tuple(column.name for column in table.columns):
            raise CorruptError(f"the columns of {stored.name} are not those of its level", place=str(asked.source))
        load_rows(connection, table, read_rows(state / stored.file, stored))
