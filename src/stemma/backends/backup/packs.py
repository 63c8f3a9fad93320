"""Packs on their way into a backup and out of it, every byte of them checked as it passes.

A pack's name is the hash of its footer, the footer has a check of each block: so nothing else need vouch for a pack.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stemma.artifacts.packs.block import check_record, pack_place
from stemma.artifacts.packs.pack import HEADER_SIZE, PackId, StoredBlock
from stemma.artifacts.verification import read_footer
from stemma.backends.backup.files import link, writing
from stemma.backends.blobs.disk import Disk
from stemma.backends.blobs.local import LocalPackStore
from stemma.errors import CorruptError

THREADS = 4
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
    """Carries packs from under one root to under another, each checked as it passes; `progress` is told their bytes.

    A few at a time, since each waits for the disk at its end.
    """

    disk: Disk
    source: Path
    target: Path
    progress: Callable[[int], None]

    def carry(self, packs: Mapping[PackId, int], *, link: bool = False) -> None:
        """Copy packs, or give them second names; when this returns, all are whole and durable."""
        step = self._link if link else self._copy
        for folder in sorted({pack_path(self.target, pack).parent for pack in packs}):
            self.disk.make_directory(folder)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-backup") as pool:
            futures = [pool.submit(step, pack, packs[pack]) for pack in sorted(packs)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        for folder in sorted({pack_path(self.target, pack).parent for pack in packs}):
            self.disk.sync_directory(folder)

    def _copy(self, pack: PackId, size: int) -> None:
        path = pack_path(self.target, pack)
        unfinished = path.with_suffix(".tmp")
        self.disk.remove(unfinished)
        with writing(self.disk, unfinished) as write:

            def take(data: bytes) -> None:
                write(data)
                self.progress(len(data))

            check_pack(LocalPackStore(self.source), pack, size, take)
        self.disk.rename(unfinished, path)

    def _link(self, pack: PackId, size: int) -> None:
        check_pack(LocalPackStore(self.source), pack, size, lambda data: self.progress(len(data)))
        link(self.disk, pack_path(self.source, pack), pack_path(self.target, pack))
