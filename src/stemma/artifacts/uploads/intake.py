"""An upload into a store at hand: files are packed, the packs checked as a stranger's would be, and published.

Order: pack bytes → fsync → every new file decoded and hashed again → rename → (the caller's transaction) index →
manifest → name. Until that transaction nobody else sees any of it. Each upload writes packs of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from stemma.artifacts.packs.pack import MAX_FOOTER, Footer, PackId
from stemma.artifacts.packs.recipe import BlockId
from stemma.artifacts.pipeline import THREADS
from stemma.artifacts.ports import PackStore, SourceFile, Upload
from stemma.artifacts.uploads.checking import Checking, Reads, read_pack
from stemma.artifacts.uploads.packing import AddedFile, Packing
from stemma.artifacts.uploads.writing import PackWriter, WrittenPack
from stemma.errors import CorruptError
from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class Addition:
    """A finished upload: its packs are published and wait to be entered by `Artifacts.commit`."""

    upload: Upload
    packs: tuple[tuple[PackId, Footer, int], ...]
    files: tuple[AddedFile, ...]

    @property
    def written(self) -> int:
        """The bytes that the store grew by."""
        return sum(size for _, _, size in self.packs)


@dataclass(frozen=True, slots=True)
class IndexKnown:
    """What the index at hand knows, within `scopes` (None for all)."""

    read: Reads
    scopes: frozenset[str] | None
    together: int = 1

    def blocks(self, ids: Sequence[BlockId]) -> AbstractSet[BlockId]:
        """Look blocks up."""
        return self.read(lambda tx: tx.artifacts.known_blocks(ids, self.scopes))

    def files(self, digests: Sequence[Digest]) -> AbstractSet[Digest]:
        """Look files up."""
        return self.read(lambda tx: tx.artifacts.recipes(digests, self.scopes)).keys()


class Intake:
    """Takes the files of one upload; a context manager that discards everything private unless `finish` returned.

    `read` runs look-ups, in the caller's thread; `scopes` are the namespaces whose blocks the uploader may build
    on, None for all. `progress` is told how many bytes of input are done, as they are.
    """

    def __init__(
        self,
        packs: PackStore,
        upload: Upload,
        read: Reads,
        *,
        scopes: frozenset[str] | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._packs = packs
        self._upload = upload
        self._read = read
        self._scopes = scopes
        writer = PackWriter(lambda: packs.create(upload.id), upload.namespace)
        self._packing = Packing(writer, IndexKnown(read, scopes), progress=progress)
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packing.__exit__(kind, error, trace)
        if not self._finished:
            self._packs.discard(self._upload.id)

    def add(self, files: Iterable[SourceFile]) -> tuple[AddedFile, ...]:
        """Store files and say what became of each, in their order; equal content is stored once.

        ConflictError if a file changes meanwhile, UnavailableError if it or the store cannot be read or written.
        """
        return self._packing.add(files)

    def finish(self) -> Addition:
        """Make all durable, decode and hash every new file again, publish the packs.

        A CorruptError if what was written does not read back: nothing is published then.
        """
        written = self._packing.finish()
        for pack in written:
            if read_pack(pack.draft, pack.id, pack.size, scope=self._upload.namespace, room=MAX_FOOTER) != pack:
                raise CorruptError("the footer does not read back as it was written", place="pack being written")
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-check") as pool:
            Checking(self._packs, written, self._read, self._scopes, pool).run()
        addition = publish(self._packs, self._upload, written, self._packing.added)
        self._finished = True
        self._packs.discard(self._upload.id)
        return addition


def publish(
    packs: PackStore, upload: Upload, written: Sequence[WrittenPack], files: tuple[AddedFile, ...] = ()
) -> Addition:
    """Let packs that were checked be seen in the store, and return what is left to be entered in the index."""
    packs.publish([(pack.draft, pack.id) for pack in written])
    return Addition(upload, tuple((pack.id, pack.footer, pack.size) for pack in written), files)
