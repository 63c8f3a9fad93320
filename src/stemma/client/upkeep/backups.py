"""Backups, as the SDK offers them: restoring needs no repository, only a backup and an empty place."""

from pathlib import Path
from typing import TYPE_CHECKING

from stemma.client.answers import BackupState
from stemma.client.files.transfer import told
from stemma.client.progress import SILENCE, Progress
from stemma.ledger import format_time
from stemma.settings import load_settings

if TYPE_CHECKING:
    from stemma.app import Listing


def restore(
    source: str | Path,
    where: str | Path = ".",
    *,
    database_url: str | None = None,
    keys: str | Path | None = None,
    progress: Progress = SILENCE,
) -> BackupState:
    """Make a repository in `where` from the backup in `source`, whole and checked, or not at all.

    Its database is a file there, or on PostgreSQL with `database_url`. `keys` is a folder with `log.pem`, for a backup
    that holds no keys. AlreadyExistsError where there is a repository already.
    """
    from stemma.app import restore_folder

    passphrase = load_settings().text("key.passphrase")
    with told(progress, "Restoring", None):
        listing = restore_folder(
            Path(source).absolute(),
            Path(where).absolute(),
            passphrase=passphrase,
            database_url=database_url,
            keys=None if keys is None else Path(keys).absolute(),
            progress=progress.advance,
        )
    return state_of(listing, Path(source))


def verify_backup(source: str | Path, progress: Progress = SILENCE) -> BackupState:
    """Read every byte of a backup; a CorruptError says in which file, and where, it is not what was written."""
    from stemma.app import verify_backup as verify

    with told(progress, "Verifying", None):
        listing = verify(Path(source).absolute(), progress.advance)
    return state_of(listing, Path(source))


def state_of(listing: "Listing", place: Path) -> BackupState:
    """Return what a backup holds, as people are told."""
    return BackupState(
        place=str(place),
        repository=listing.identity,
        time=format_time(listing.time),
        release=listing.release,
        level=listing.level,
        entries=sum(table.rows for table in listing.tables if table.name == "entries"),
        rows=sum(table.rows for table in listing.tables),
        packs=len(listing.packs),
        bytes=sum(listing.packs.values()) + sum(table.size for table in listing.tables),
        keys=listing.holds_keys,
    )
