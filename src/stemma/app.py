"""The composition root: the only file that names a concrete backend.

`create_folder` and `open_folder` give a repository in a folder, everything in this process. Its layout is
docs/spec/repository.md.
"""

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stemma.access import Access, Caller, enter_refusal, local_owner
from stemma.artifacts.artifacts import Artifacts
from stemma.artifacts.packs.pack import PackId  # noqa: TC001  # beside what is used with it
from stemma.backends.blobs.disk import Disk
from stemma.backends.blobs.local import LocalPackStore
from stemma.backends.contents import ContentChecks
from stemma.backends.database.executor import Executor
from stemma.backends.database.maintenance.format import KNOWN, POSTGRESQL, Format
from stemma.backends.database.sqlite import BUSY_SECONDS, SqliteFile
from stemma.backends.database.transaction import Clock, SystemClock, Transaction
from stemma.errors import (
    AlreadyExistsError,
    CorruptError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from stemma.ledger import Actor
from stemma.ledger.evidence.checkpoint import Signer
from stemma.ledger.ledger import Ledger
from stemma.lineage import Lineage
from stemma.operations import Subjects
from stemma.operations import Transaction as AnyTransaction
from stemma.operations.server import release
from stemma.operations.upkeep.health import BACKUP
from stemma.paging import Pager
from stemma.registry import ProtectedNames, Registry
from stemma.settings import REPOSITORY_FOLDER
from stemma.system import System
from stemma.upkeep import Report
from stemma.webhooks import Rules, Vault, Webhooks

if TYPE_CHECKING:
    from stemma.backends.backup.listing import Listing as Listing  # noqa: PLC0414  # re-exported
    from stemma.backends.backup.making import Made as Made  # noqa: PLC0414  # re-exported
    from stemma.backends.database.maintenance.check import Finding as Finding  # noqa: PLC0414  # re-exported
    from stemma.backends.database.maintenance.migrate import Migrated as Migrated  # noqa: PLC0414  # re-exported
    from stemma.backends.database.maintenance.rebuild import Rebuilt as Rebuilt  # noqa: PLC0414  # re-exported
    from stemma.backends.database.postgresql.server import PostgresqlServer
    from stemma.http.process.service import Service as Service  # noqa: PLC0414  # re-exported

DATABASE = "stemma.db"
IDENTITY = "identity"
KEYS = "keys"
BACKUPS = "backups"
PAGING = "paging.key"
PURPOSE = "log"
_SECRET = 32
_PAGE = 500
_SYSTEM = Actor("system", "x_" + "0" * 32)


class Boundary(Protocol):
    """Told of every fsync, rename and commit just before it happens; a test may end the process there."""

    def __call__(self, event: str, /) -> None:
        """Take note of `event`."""


@dataclass(frozen=True, slots=True)
class RepositoryFolder:
    """A repository in a folder: `system` runs operations; the rest is upkeep that only its owner can ask for."""

    root: Path
    system: System
    database: "SqliteFile | PostgresqlServer"
    clock: Clock
    access: Access

    @property
    def is_near(self) -> bool:
        """Whether the database is a file here, so that a look-up waits for no network."""
        return isinstance(self.database, SqliteFile)

    def owner(self, name: str) -> Caller:
        """Return the folder's owner under the pseudonym of `name`, which is introduced when it is new."""
        executor = self.system.executor
        known = executor.read(lambda tx: _find_principal(self.access, tx, name))
        if known is None:
            introducer = Caller(_SYSTEM, local_owner(_SYSTEM.id).roles)
            known = executor.write(
                lambda tx: (
                    _find_principal(self.access, tx, name) or self.access.introduce(tx, introducer, "user", name).id
                )
            )
        return local_owner(known)

    def check(self) -> "tuple[Finding, ...]":
        """Return what is wrong with the database, and between it, the packs and the log; nothing where all is well."""
        checks = ContentChecks(self.system)
        more = (checks.packs, checks.records, checks.logs)
        if isinstance(self.database, SqliteFile):
            from stemma.backends.database.maintenance.check import check

            return check(self.database, more)
        from stemma.backends.database.postgresql.check import check as check_postgresql

        return check_postgresql(self.database, more)

    def migrate(self) -> "Migrated":
        """Bring the database to the level of this release, after a backup."""
        backups, now = self.root / REPOSITORY_FOLDER / BACKUPS, self.clock.now()
        if isinstance(self.database, SqliteFile):
            from stemma.backends.database.maintenance.migrate import migrate

            return migrate(self.database, backups, now)
        from stemma.backends.database.postgresql.migrate import migrate as migrate_postgresql

        return migrate_postgresql(self.database, backups, now)

    def rebuild(self, *, repair: bool) -> "Rebuilt":
        """Make the projected tables again from entries, records and packs, and compare.

        A pack that was published by an upload that never ended is no difference, as long as no version needs it.
        """
        subjects = self.system.subjects
        artifacts, registry, webhooks = subjects.artifacts, subjects.registry, subjects.webhooks
        waiting: frozenset[PackId] = frozenset()
        if not repair and not self.system.executor.read(lambda tx: list(ContentChecks(self.system).records(tx))):
            waiting = frozenset(self.system.executor.read(artifacts.unindexed))

        def adopt(tx: Transaction) -> None:
            artifacts.adopt(tx, but=waiting)

        projectors = (self.access.project, registry.project, webhooks.project)
        if isinstance(self.database, SqliteFile):
            from stemma.backends.database.maintenance.rebuild import rebuild

            return rebuild(self.database, projectors, (adopt,), repair=repair)
        from stemma.backends.database.postgresql.rebuild import rebuild as rebuild_postgresql

        return rebuild_postgresql(self.database, projectors, (adopt,), repair=repair)

    def back_up(
        self,
        target: Path,
        *,
        keys: bool = False,
        link: bool = False,
        progress: Callable[[int], None] = lambda _: None,
        on_boundary: Boundary = lambda _: None,
    ) -> "Made":
        """Bring the backup in `target` up to this repository, while it is used; remember when that was."""
        from stemma.backends.backup.making import Making, back_up

        source, executor = self.root / REPOSITORY_FOLDER, self.system.executor
        making = Making(source, target, keys, link, progress, Disk(on_boundary))
        made = back_up(making, executor, self.system.subjects.ledger.repository, release(), self.clock.now())
        executor.write(lambda tx: tx.upkeep.put(Report(BACKUP, tx.now, detail=str(target))), frozenset())
        return made

    def close(self) -> None:
        """Let go of everything."""
        self.system.executor.close()


def create_folder(root: Path, passphrase: str | None = None, *, database_url: str | None = None) -> None:
    """Make a repository in `root`, which is made if need be; AlreadyExistsError where there is one.

    It is made beside its place and renamed when it is whole, so that of two that begin at once one wins, and nothing
    that is there is ever removed: a `.stemma` that holds anything but a repository is a CorruptError. With a URL its
    database is made there, on PostgreSQL, and the folder holds all else.
    """
    from stemma.backends.signers.keyfile import create_keys

    folder = root / REPOSITORY_FOLDER
    _refuse_present(root, folder)
    identity = uuid.uuid4().hex
    unfinished = root / f"{REPOSITORY_FOLDER}-{uuid.uuid4().hex}.tmp"
    database = SqliteFile(unfinished / DATABASE) if database_url is None else _postgresql(database_url, BUSY_SECONDS)
    made = False
    try:
        unfinished.mkdir(parents=True)
        create_keys(unfinished / KEYS, PURPOSE, passphrase.encode() if passphrase else None)
        _write_new(unfinished / KEYS / PAGING, os.urandom(_SECRET))
        _write_new(unfinished / IDENTITY, identity.encode() + b"\n")
        Format(features={} if database_url is None else {POSTGRESQL: KNOWN[POSTGRESQL]}).write(unfinished)
        database.create(identity)
        made = True
        unfinished.rename(folder)
        made = False
        _sync_folder(root)
    except OSError as error:
        _refuse_present(root, folder)  # somebody else was faster
        raise UnavailableError(
            f"cannot make a repository: {error.strerror}", place=str(error.filename or folder)
        ) from error
    finally:
        if made:  # by this call, and nobody else knows of it
            database.drop()
        shutil.rmtree(unfinished, ignore_errors=True)


def _postgresql(url: str, lock_seconds: float) -> "PostgresqlServer":
    try:
        from stemma.backends.database.postgresql.server import PostgresqlServer
    except ImportError as error:  # psycopg itself, or the library that it stands on
        raise UnsupportedError(
            "PostgreSQL needs psycopg, which is not installed", hint="pip install 'stemma-ml[postgres]'"
        ) from error
    return PostgresqlServer(url, lock_seconds)


def restore_folder(
    source: Path,
    root: Path,
    *,
    passphrase: str | None = None,
    database_url: str | None = None,
    keys: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> "Listing":
    """Make a repository in `root` from the backup in `source`; with a URL its database is there, else in the folder.

    AlreadyExistsError where there is a repository already; CorruptError where the backup is not whole. Nothing is seen
    unless all of it is right.
    """
    from stemma.backends.backup.contents import FolderContents
    from stemma.backends.backup.listing import read_listing
    from stemma.backends.backup.places import NewFile
    from stemma.backends.backup.restoring import NewDatabase, Restoring, restore

    target, identity = root / REPOSITORY_FOLDER, read_listing(source).identity
    _refuse_present(root, target)

    def open_database(folder: Path) -> NewDatabase:
        if database_url is None:
            return NewFile(folder / DATABASE)
        from stemma.backends.database.postgresql.restoring import NewServer

        return NewServer(_postgresql(database_url, BUSY_SECONDS))

    form = Format() if database_url is None else Format(features={POSTGRESQL: KNOWN[POSTGRESQL]})
    return restore(
        Restoring(
            source,
            target,
            form,
            open_database,
            lambda folder: FolderContents.open(folder, identity, passphrase),
            keys,
            progress,
        )
    )


def verify_backup(source: Path, progress: Callable[[int], None] = lambda _: None) -> "Listing":
    """Read every byte of the backup in `source`; a CorruptError says where it is not what was written."""
    from stemma.backends.backup.verifying import verify_backup as verify

    return verify(source, progress)


def _refuse_present(root: Path, folder: Path) -> None:
    try:
        Format.read(folder)
    except NotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise CorruptError(
                "there is something here, but no format.json",
                place=str(folder),
                hint="Restore format.json from a backup, or move the folder away.",
            ) from None
    else:
        raise AlreadyExistsError(f"there is a repository in {str(root)!r} already", hint="Use it as it is.")


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_folder(
    root: Path,
    *,
    passphrase: str | None = None,
    lock_timeout: float = BUSY_SECONDS,
    database_url: str | None = None,
    clock: Clock | None = None,
    on_boundary: Boundary | None = None,
    webhook_rules: Rules | None = None,
    older: bool = False,
) -> RepositoryFolder:
    """Open the repository in `root`; it is neither created nor migrated.

    With `older` its database may be one of an earlier release, which can be checked and migrated but not used. Raises
    NotFoundError where there is none, UnsupportedError where this release cannot use it, CorruptError where it is
    damaged.
    """
    folder = root / REPOSITORY_FOLDER
    form = Format.read(folder)
    form.check(folder)
    identity = _read_small(folder / IDENTITY).decode("ascii", "replace").strip()
    database: SqliteFile | PostgresqlServer = SqliteFile(folder / DATABASE, lock_timeout)
    if POSTGRESQL in form.features:
        if database_url is None:
            raise InvalidError(
                "this repository's database is on PostgreSQL, and nothing says where",
                place=str(folder),
                hint="Set STEMMA_DATABASE_URL to postgresql://USER@HOST/DATABASE.",
            )
        database = _postgresql(database_url, lock_timeout)
    database.check_level(identity, older=older)
    clock = clock or SystemClock()
    disk = Disk() if on_boundary is None else Disk(on_boundary)
    executor = Executor(database, clock=clock, on_refusal=enter_refusal, on_boundary=on_boundary)
    access = Access()
    pager = Pager(_read_small(folder / KEYS / PAGING))
    signers = _signers(folder / KEYS, passphrase)
    subjects = Subjects(
        registry=Registry(ProtectedNames()),
        lineage=Lineage(pager),
        ledger=Ledger(
            identity,
            lambda: tuple(signer.public_key for signer in signers()),
        ),
        access=access,
        artifacts=Artifacts(LocalPackStore(folder, disk)),
        webhooks=Webhooks(_vault(folder / KEYS / PAGING), webhook_rules or Rules()),
        pager=pager,
    )
    return RepositoryFolder(root, System(subjects, executor, signers), database, clock, access)


def _signers(folder: Path, passphrase: str | None) -> Callable[[], tuple[Signer, ...]]:
    @lru_cache(maxsize=1)
    def load() -> tuple[Signer, ...]:
        from stemma.backends.signers.keyfile import load_keys

        return load_keys(folder, PURPOSE, passphrase.encode() if passphrase else None)

    return load


def _vault(path: Path) -> Callable[[], Vault]:
    @lru_cache(maxsize=1)
    def load() -> Vault:
        from stemma.backends.signers.vault import KeyVault

        return KeyVault.of(_read_small(path), "webhooks")

    return load


def _read_small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(4096)
    except FileNotFoundError as error:
        raise CorruptError("this file is missing", place=str(path), hint="Restore it from a backup.") from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error
    if len(data) < _SECRET:
        raise CorruptError("this file is cut short", place=str(path), hint="Restore it from a backup.")
    return data


def _find_principal(access: Access, tx: AnyTransaction, name: str) -> str | None:
    try:
        return access.find(tx, name).id
    except NotFoundError:
        return None
