"""Packs on their way into a backup and out of it, every byte of them checked as it passes.

A pack's name is the hash of its footer, the footer has a check of each block: so nothing else need vouch for a pack.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stemma.artifacts.packs.block import check_record, pack_place
from stemma.artifacts.packs.pack import HEADER_SIZE, PackId, StoredBlock
from stemma.artifacts.verification import read_footer
from stemma.backends.backup.files import link, writing
from stemma.backends.blobs.disk import Disk
from stemma.backends.blobs.local import LocalPackStore
from stemma.errors import CorruptError

_GROUP = 4 << 20


def pack_path(root: Path, pack: PackId) -> Path:
    """Return where a pack lies under `root`."""
    return root / "packs" / pack[:2] / f"{pack}.pack"


def check_pack(store: LocalPackStore, pack: PackId, size: int, take: Callable[[bytes], None]) -> None:
    """Read a whole pack, hand its bytes to `take`, and raise a CorruptError where one is not what it was."""
    footer, found = read_footer(store, pack)
    if found != size:
        raise CorruptError(f"the pack has {found} bytes, not {size}", place=f"pack {pack}")
    at = HEADER_SIZE
    take(store.read(pack, 0, HEADER_SIZE))
    for group in _groups(footer.blocks):
        data = store.read(pack, at, group[-1].end - at)
        view = memoryview(data)
        for block in group:
            if block.offset != at:
                raise CorruptError("bytes that no block covers", place=pack_place(pack, at))
            record = bytes(view[: block.end - block.offset])
            check_record(block, record, place=pack_place(pack, block.offset))
            view, at = view[len(record) :], block.end
        take(data)
    take(store.read(pack, at, size - at))


def _groups(blocks: tuple[StoredBlock, ...]) -> Iterator[list[StoredBlock]]:
    group: list[StoredBlock] = []
    for block in blocks:
        group.append(block)
        if block.end - group[0].offset >= _GROUP:
            yield group
            group = []
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class Passage:
    """Carries packs from under one root to under another, each checked as it passes; `progress` is told their bytes."""

    disk: Disk
    source: Path
    target: Path
    progress: Callable[[int], None]

    def copy(self, pack: PackId, size: int) -> None:
        """Copy a pack: durable, and whole when it can be seen."""
        path = pack_path(self.target, pack)
        self.disk.make_directory(path.parent)
        unfinished = path.with_suffix(".tmp")
        self.disk.remove(unfinished)
        with writing(self.disk, unfinished) as write:

            def take(data: bytes) -> None:
                write(data)
                self.progress(len(data))

            check_pack(LocalPackStore(self.source), pack, size, take)
        self.disk.rename(unfinished, path)
        self.disk.sync_directory(path.parent)

    def link(self, pack: PackId, size: int) -> None:
        """Give a pack a second name: both names are one file, and share its fate."""
        check_pack(LocalPackStore(self.source), pack, size, lambda data: self.progress(len(data)))
        path = pack_path(self.target, pack)
        self.disk.make_directory(path.parent)
        link(self.disk, pack_path(self.source, pack), path)
        self.disk.sync_directory(path.parent)
