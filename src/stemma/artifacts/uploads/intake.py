"""An upload: files are cut, hashed, encoded and written into private packs, checked, and published.

Order: pack bytes → fsync → every new file decoded and hashed again → rename → (the caller's transaction) index →
manifest → name. Until that transaction nobody else sees any of it. Each upload writes packs of its own.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

from stemma.artifacts.cutting import SMALL_FILE, Layout, lay_out, portions
from stemma.artifacts.packs.pack import Footer, PackId
from stemma.artifacts.packs.recipe import BlockId, Recipe, Segment
from stemma.artifacts.pipeline import THREADS, ordered_map
from stemma.artifacts.ports import ArtifactTransaction, PackStore, Place, SourceFile, Upload
from stemma.artifacts.reading import FileReader
from stemma.artifacts.uploads.tasks import Batch, OpenFile, Part, encode_blocks, hash_blocks
from stemma.artifacts.uploads.writing import PackWriter
from stemma.errors import ConflictError, CorruptError, InvalidError
from stemma.records import Digest

BATCH_FILES = 128
BATCH_BYTES = 2 << 20
_VERIFIED_TOGETHER = 4 << 20
Answer = TypeVar("Answer")


class Reads(Protocol):
    """Runs an operation that only reads, in a transaction of its own."""

    def __call__(self, operation: Callable[[ArtifactTransaction], Answer], /) -> Answer:
        """Return the operation's answer."""
        ...


@dataclass(frozen=True, slots=True)
class AddedFile:
    """What became of one file: `written` bytes were new to the store; `malformed` says why it was not cut by format."""

    path: str
    digest: Digest
    size: int
    format: str
    written: int
    malformed: str = ""


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
        self._progress = progress
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-intake")
        self._writer = PackWriter(lambda: packs.create(upload.id), upload.namespace)
        self._opened: list[OpenFile] = []
        self._known: set[BlockId] = set()
        self._new: dict[Digest, tuple[Recipe, tuple[BlockId, ...]]] = {}
        self._added: list[AddedFile] = []
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for opened in self._opened:
            opened.context.__exit__(kind, error, trace)
        self._writer.close()
        if not self._finished:
            self._packs.discard(self._upload.id)

    def add(self, files: Iterable[SourceFile]) -> tuple[AddedFile, ...]:
        """Store files and say what became of each, in their order; equal content is stored once.

        ConflictError if a file changes meanwhile, UnavailableError if it or the store cannot be read or written.
        """
        if self._finished:
            raise InvalidError("this upload is finished", hint="Begin another.")
        first = len(self._added)
        hashed = ordered_map(self._pool, hash_blocks, self._tasks(files))
        for task in ordered_map(self._pool, encode_blocks, map(self._look_up, hashed)):
            match task:
                case Batch():
                    self._take_batch(task)
                case Part():
                    self._take_part(task)
        return tuple(self._added[first:])

    def finish(self) -> Addition:
        """Make all durable, decode and hash every new file again, publish the packs.

        A CorruptError if what was written does not read back: nothing is published then.
        """
        written = self._writer.finish()
        self._verify()
        self._packs.publish([(pack.draft, pack.id) for pack in written])
        self._finished = True
        self._packs.discard(self._upload.id)
        return Addition(self._upload, tuple((pack.id, pack.footer, pack.size) for pack in written), tuple(self._added))

    # -- from files to tasks ------------------------------------------------------------------------------------

    def _tasks(self, files: Iterable[SourceFile]) -> Iterator[Part | Batch]:
        batch: list[SourceFile] = []
        size = 0
        for file in files:
            large = file.size > SMALL_FILE
            if batch and (large or len(batch) == BATCH_FILES or size >= BATCH_BYTES):
                yield Batch(batch)
                batch, size = [], 0
            if large:
                yield from self._parts(file)
            else:
                batch.append(file)
                size += file.size
        if batch:
            yield Batch(batch)

    def _parts(self, file: SourceFile) -> Iterator[Part]:
        context = file.open()
        source = context.__enter__()
        opened = OpenFile(file, context, source, Layout("", ()))
        self._opened.append(opened)
        if source.size != file.size:
            raise ConflictError(
                f"{file.path!r} changed since it was listed", hint="Try again when nothing writes to it."
            )
        opened.layout = lay_out(source)
        for portion in portions(source, opened.layout):
            yield Part(opened, portion)
        yield Part(opened, None)

    def _look_up(self, task: Part | Batch) -> Part | Batch:
        """Leave in `task` only the blocks that have to be written."""
        contents = task.blocks.contents
        asked = [id_ for id_ in contents if id_ not in self._writer and id_ not in self._known]
        if asked:
            self._known |= self._read(lambda tx: tx.artifacts.known_blocks(asked, self._scopes))
        task.blocks.contents = {id_: contents[id_] for id_ in asked if id_ not in self._known}
        return task

    # -- from tasks to packs ------------------------------------------------------------------------------------

    def _take_part(self, task: Part) -> None:
        opened, portion = task.file, task.portion
        if portion is None:
            self._end_file(opened)
            return
        opened.hasher.update(task.data)
        opened.written += sum(self._writer.write(encoded) for encoded in task.blocks.encoded)
        for cut, id_ in zip(portion.cuts, task.ids, strict=True):
            opened.blocks.append(id_)
            opened.close_piece(cut)
        self._progress(len(task.data))

    def _end_file(self, opened: OpenFile) -> None:
        self._opened.remove(opened)
        opened.context.__exit__(None, None, None)
        recipe = Recipe(
            Digest.from_raw(opened.hasher.digest()), opened.file.size, opened.layout.format, tuple(opened.pieces)
        )
        self._keep(recipe, opened.segments, self._known_files([recipe.digest]))
        added = AddedFile(
            opened.file.path, recipe.digest, recipe.size, recipe.format, opened.written, opened.layout.malformed
        )
        self._added.append(added)

    def _take_batch(self, task: Batch) -> None:
        written = {encoded.id: self._writer.write(encoded) for encoded in task.blocks.encoded}
        known = self._known_files([item.recipe.digest for item in task.small])
        for item in task.small:
            size = sum(written.pop(segment.blocks[0], 0) for segment in item.segments)
            recipe = item.recipe
            self._keep(recipe, item.segments, known)
            self._added.append(AddedFile(item.path, recipe.digest, recipe.size, recipe.format, size, item.malformed))
            self._progress(recipe.size)

    def _known_files(self, digests: Sequence[Digest]) -> Mapping[Digest, Recipe]:
        return self._read(lambda tx: tx.artifacts.recipes(digests, self._scopes))

    def _keep(self, recipe: Recipe, segments: Sequence[Segment], known: Mapping[Digest, Recipe]) -> None:
        if recipe.digest not in known and recipe.digest not in self._new:
            self._writer.record(recipe, segments)
            self._new[recipe.digest] = (recipe, tuple(block for segment in segments for block in segment.blocks))

    # -- verification ------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        elsewhere = {id_ for _, blocks in self._new.values() for id_ in blocks if id_ not in self._writer}
        check = _Check(self._writer, FileReader(self._packs), self._read(lambda tx: tx.artifacts.places(elsewhere)))
        small: list[tuple[Recipe, tuple[BlockId, ...]]] = []
        size = 0
        groups = []
        for item in self._new.values():
            if item[0].size > _VERIFIED_TOGETHER:
                self._verify_large(check, *item)
                continue
            small.append(item)
            size += item[0].size
            if size >= _VERIFIED_TOGETHER or len(small) == BATCH_FILES:
                groups.append(small)
                small, size = [], 0
        for _ in ordered_map(self._pool, check.files, [*groups, small]):
            pass

    def _verify_large(self, check: "_Check", recipe: Recipe, blocks: tuple[BlockId, ...]) -> None:
        hasher = hashlib.sha256()
        tasks = [blocks[at : at + 4] for at in range(0, len(blocks), 4)]
        for datas in ordered_map(self._pool, check.contents, tasks):
            for data in datas:
                hasher.update(data)
        check.compare(recipe, hasher.digest())


@dataclass(frozen=True, slots=True)
class _Check:
    """Reads what was written as a reader would, and compares."""

    writer: PackWriter
    reader: FileReader
    elsewhere: Mapping[BlockId, tuple[Place, ...]]

    def contents(self, blocks: Sequence[BlockId]) -> list[bytes]:
        return [
            self.writer.content(id_) if id_ in self.writer else self.reader.block(self.elsewhere.get(id_, ()))
            for id_ in blocks
        ]

    def files(self, files: Sequence[tuple[Recipe, tuple[BlockId, ...]]]) -> None:
        for recipe, blocks in files:
            self.compare(recipe, hashlib.sha256(b"".join(self.contents(blocks))).digest())

    def compare(self, recipe: Recipe, digest: bytes) -> None:
        if digest != recipe.digest.raw:
            hint = "Check the machine's memory and disk, then push again."
            raise CorruptError(f"{recipe.digest} does not read back as it was written", hint=hint)
