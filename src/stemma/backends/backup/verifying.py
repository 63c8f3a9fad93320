"""Verifying a backup: every byte of everything that its listing names."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from stemma.backends.backup.listing import STATES, Listing, SmallFile, read_listing
from stemma.backends.backup.packs import check_pack
from stemma.backends.backup.rows import read_rows
from stemma.backends.blobs.local import LocalPackStore
from stemma.errors import CorruptError, NotFoundError, UnavailableError

HINT = "This backup cannot be trusted: take another one, and look at the disk."


def verify_backup(folder: Path, progress: Callable[[int], None] = lambda _: None) -> Listing:
    """Return the listing of a backup that is whole; a CorruptError says in which file, and where, it is not."""
    listing = read_listing(folder)
    state = folder / STATES / listing.state
    for table in listing.tables:
        for _ in read_rows(state / table.file, table):
            pass
    for file in listing.files:
        read_small(state / file.name, file)
    store = LocalPackStore(folder)
    for pack in sorted(listing.packs):
        try:
            check_pack(store, pack, listing.packs[pack], lambda data: progress(len(data)))
        except NotFoundError as error:
            raise CorruptError("a pack is missing", place=error.place, hint=HINT) from error
        except CorruptError as error:
            raise CorruptError(error.message, place=f"{folder}: {error.place}", hint=HINT) from error
    return listing


def read_small(path: Path, file: SmallFile) -> bytes:
    """Return the bytes of a small file; CorruptError where they are not those that the listing names."""
    try:
        with path.open("rb") as opened:
            data = opened.read(file.size + 1)
    except FileNotFoundError as error:
        raise CorruptError("a file is missing", place=str(path), hint=HINT) from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error
    if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
        raise CorruptError("the file is not what the listing says", place=str(path), hint=HINT)
    return data
