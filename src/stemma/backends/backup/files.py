"""Files of a backup: written whole and durable, readable by their owner alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stemma.backends.blobs.disk import Disk, disk_errors

_OWNER_ALONE = 0o600


@contextmanager
def writing(disk: Disk, path: Path) -> Iterator[Callable[[bytes], None]]:
    """Create a file that must not exist; it is durable when the block ends, if not yet under a durable name."""
    descriptor = disk.create(path)
    try:
        with disk_errors(path):
            os.fchmod(descriptor, _OWNER_ALONE)
        yield lambda data: disk.append(descriptor, data, path)
        disk.sync(descriptor, path)
    finally:
        os.close(descriptor)


def replace(disk: Disk, path: Path, data: bytes) -> None:
    """Put a file in place of another, whole or not at all."""
    unfinished = path.with_suffix(".tmp")
    disk.remove(unfinished)
    with writing(disk, unfinished) as write:
        write(data)
    disk.rename(unfinished, path)
    disk.sync_directory(path.parent)


def link(disk: Disk, source: Path, target: Path) -> None:
    """Give a file a second name on the same file system."""
    disk.boundary(f"link {target.name}")
    with disk_errors(target):
        target.hardlink_to(source)
