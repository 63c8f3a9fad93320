"""Making a backup while the repository is used, and written to.

1. The folder is new, or holds a backup of the same repository; its lock keeps other backups away.
2. All rows are written from one snapshot of the database, which names the packs that belong to it.
3. Packs that the folder lacks are copied, each checked as it passes; packs never change, so they may come later.
4. The listing is put in place by a rename. From then on the backup is this one; before, it was the last one.
5. What only older listings named is deleted.

Whoever kills this at any point finds the old backup whole, or the new one.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

from stemma.artifacts.packs.pack import PackId
from stemma.backends.backup.files import replace, writing
from stemma.backends.backup.listing import FILE, STATES, TABLES, Listing, SmallFile, StoredTable, read_listing
from stemma.backends.backup.packs import Passage, pack_path
from stemma.backends.backup.rows import kept_tables, write_rows
from stemma.backends.blobs.disk import Disk, disk_errors
from stemma.backends.database.schema import LEVEL
from stemma.backends.database.transaction import Transaction
from stemma.errors import ConflictError, CorruptError, NotFoundError, UnavailableError
from stemma.system import Executor

LOCK = "backup.lock"
KEY_FILES = ("keys/log.pem", "keys/paging.key")
PLAIN_FILES = ("identity", "format.json", "config.toml")
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_MAX_SMALL = 1 << 20
_OWNER_ONLY = 0o700


@dataclass(frozen=True, slots=True)
class Making:
    """What is asked of a backup: `keys` takes unencrypted keys too, `link` gives packs a second name instead of copies.

    `source` is the `.stemma` folder; `progress` is told the bytes of packs as they pass.
    """

    source: Path
    target: Path
    keys: bool = False
    link: bool = False
    progress: Callable[[int], None] = lambda _: None
    disk: Disk = field(default_factory=Disk)


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: `copied` packs of `copied_bytes` are new in the folder; the rest was there."""

    listing: Listing
    copied: int
    copied_bytes: int


def back_up(making: Making, executor: Executor, identity: str, release: str, now: int) -> Made:
    """Bring the backup in `making.target` up to the repository; `now` in µs."""
    target, disk = making.target, making.disk
    _prepare(making, identity)
    with _locked(target / LOCK):
        stamp = datetime.fromtimestamp(now / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
        state = f"{stamp}-{secrets.token_hex(4)}"
        unfinished = target / STATES / f"{state}.tmp"
        disk.make_directory(unfinished / TABLES)

        def snapshot(tx: Transaction) -> tuple[list[StoredTable], dict[PackId, int]]:
            tables = [_write_table(disk, unfinished, tx, table.name) for table in kept_tables()]
            return tables, {pack.id: pack.size for pack in tx.artifacts.packs()}

        try:
            tables, packs = executor.read(snapshot)  # type: ignore[arg-type]  # it is the database's own transaction
            files = _copy_small(making, unfinished)
            disk.sync_directory(unfinished / TABLES)
            disk.sync_directory(unfinished)
            copied = _copy_packs(making, packs)
        except BaseException:
            rmtree(unfinished, ignore_errors=True)
            raise
        disk.rename(unfinished, target / STATES / state)
        disk.sync_directory(target / STATES)
        listing = Listing(identity, now, release, LEVEL, state, tuple(tables), tuple(files), packs)
        replace(disk, target / FILE, listing.encode())
        _delete_older(disk, target, listing)
    return Made(listing, len(copied), sum(copied.values()))


def _prepare(making: Making, identity: str) -> None:
    target, disk = making.target, making.disk
    if target.resolve().is_relative_to(making.source.resolve()):
        raise ConflictError("a backup cannot lie inside the repository", place=str(target), hint="Give another folder.")
    try:
        held = read_listing(target).identity
    except NotFoundError:
        strange = [path.name for path in target.iterdir()] if target.is_dir() else []
        if set(strange) - {LOCK, STATES, "packs"}:
            raise ConflictError(
                f"the folder holds something else: {min(strange)!r}",
                place=str(target),
                hint="Give a new folder, or one that holds a backup of this repository.",
            ) from None
    else:
        if held != identity:
            raise ConflictError(
                "the folder holds the backup of another repository", place=str(target), hint="Give another folder."
            )
    if not target.exists():
        disk.make_directory(target)
        with disk_errors(target):
            target.chmod(_OWNER_ONLY)  # texts and keys are not for everybody
    elif not target.is_dir():
        raise ConflictError("this is no folder", place=str(target))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with disk_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError("another backup is being made here", place=str(path.parent)) from error
        yield
    finally:
        os.close(descriptor)


def _write_table(disk: Disk, folder: Path, tx: Transaction, name: str) -> StoredTable:
    table = next(each for each in kept_tables() if each.name == name)
    path = folder / TABLES / f"{name}.rows"
    with writing(disk, path) as write:
        return write_rows(tx.connection, table, write)


def _copy_small(making: Making, folder: Path) -> list[SmallFile]:
    """Copy identity, format and settings, and keys: encrypted ones always, others where they were asked for."""
    kept: list[SmallFile] = []
    for name in (*PLAIN_FILES, *KEY_FILES):
        path = making.source / name
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_SMALL)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error
        if name in KEY_FILES and not making.keys and not data.startswith(_ENCRYPTED):
            continue
        making.disk.make_directory((folder / name).parent)
        with writing(making.disk, folder / name) as write:
            write(data)
        kept.append(SmallFile(name, len(data), hashlib.sha256(data).hexdigest()))
    if (folder / "keys").is_dir():
        making.disk.sync_directory(folder / "keys")
    return kept


def _copy_packs(making: Making, packs: Mapping[PackId, int]) -> dict[PackId, int]:
    """Copy what the folder lacks; a pack that is there in another size is copied again."""
    lacking: dict[PackId, int] = {}
    for pack, size in packs.items():
        path = pack_path(making.target, pack)
        if path.is_file() and path.stat().st_size == size:
            making.progress(size)
        else:
            making.disk.remove(path)
            lacking[pack] = size
    try:
        Passage(making.disk, making.source, making.target, making.progress).carry(lacking, link=making.link)
    except NotFoundError as error:
        raise CorruptError(
            "a pack of the repository is missing", place=error.place, hint="Run 'stemma verify --all'."
        ) from error
    return lacking


def _delete_older(disk: Disk, target: Path, listing: Listing) -> None:
    for path in sorted((target / STATES).iterdir()):
        if path.name != listing.state:
            disk.boundary(f"remove {path.name}")
            rmtree(path, ignore_errors=True)
    for path in sorted((target / "packs").glob("??/*")):
        if PackId(path.stem) not in listing.packs or path.suffix != ".pack":
            disk.remove(path)
