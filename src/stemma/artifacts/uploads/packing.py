"""Packing: files are cut, hashed, stripped of what the repository holds already, encoded, and written into packs.

The same files and the same answers of `Known` give the same packs, byte for byte, so that whoever was interrupted
finds again what was sent. Where the packs go is for the writer to say: into the store, or over a wire.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Protocol, Self

from stemma.artifacts.cutting import SMALL_FILE, Layout, lay_out, portions
from stemma.artifacts.packs.recipe import BlockId, Recipe, Segment
from stemma.artifacts.pipeline import THREADS, ordered_map
from stemma.artifacts.ports import SourceFile
from stemma.artifacts.uploads.tasks import Batch, OpenFile, Part, encode_blocks, hash_blocks
from stemma.artifacts.uploads.writing import PackWriter, WrittenPack
from stemma.errors import ConflictError, InvalidError
from stemma.records import Digest

BATCH_FILES = 128
BATCH_BYTES = 2 << 20
RECIPES_AT_ONCE = 512
PIECES_AT_ONCE = 8192


class Known(Protocol):
    """Says what the repository holds already, as far as the uploader may build on it. Asked by one thread."""

    @property
    def together(self) -> int:
        """How many tasks, of about 4 MiB each, to ask for at once: more where an answer takes its time."""
        ...

    def blocks(self, ids: Sequence[BlockId]) -> AbstractSet[BlockId]:
        """Return those blocks that need not be written."""
        ...

    def files(self, digests: Sequence[Digest]) -> AbstractSet[Digest]:
        """Return those files that need not be described."""
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


class Packing:
    """Packs files into what `writer` writes; a context manager that lets go of everything.

    `progress` is told how many bytes of input are done, as they are.
    """

    def __init__(self, writer: PackWriter, known: Known, *, progress: Callable[[int], None] = lambda _: None) -> None:
        self._writer = writer
        self._known = known
        self._progress = progress
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-intake")
        self._opened: list[OpenFile] = []
        self._found: set[BlockId] = set()
        self._waiting: dict[Digest, tuple[Recipe, Sequence[Segment]]] = {}
        self._settled: set[Digest] = set()
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

    @property
    def added(self) -> tuple[AddedFile, ...]:
        """What became of all files so far, in their order."""
        return tuple(self._added)

    def add(self, files: Iterable[SourceFile]) -> tuple[AddedFile, ...]:
        """Pack files and say what became of each, in their order; equal content is written once.

        ConflictError if a file changes meanwhile, UnavailableError if it cannot be read or a pack not be written.
        """
        if self._finished:
            raise InvalidError("this upload is finished", hint="Begin another.")
        first = len(self._added)
        hashed = ordered_map(self._pool, hash_blocks, self._tasks(files))
        for task in ordered_map(self._pool, encode_blocks, self._looked_up(hashed)):
            match task:
                case Batch():
                    self._take_batch(task)
                case Part():
                    self._take_part(task)
        return tuple(self._added[first:])

    def finish(self) -> tuple[WrittenPack, ...]:
        """Close the last pack and return all of them, durable."""
        self._settle()
        self._finished = True
        return self._writer.finish()

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

    def _looked_up(self, tasks: Iterator[Part | Batch]) -> Iterator[Part | Batch]:
        """Leave in each task only the blocks that have to be written."""
        while run := list(islice(tasks, self._known.together)):
            asked = list(dict.fromkeys(id_ for task in run for id_ in task.blocks.contents if not self._is_here(id_)))
            if asked:
                self._found |= self._known.blocks(asked)
            for task in run:
                contents = task.blocks.contents
                task.blocks.contents = {id_: data for id_, data in contents.items() if not self._is_here(id_)}
                yield task

    def _is_here(self, id_: BlockId) -> bool:
        return id_ in self._writer or id_ in self._found

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
        digest = Digest.from_raw(opened.hasher.digest())
        recipe = Recipe(digest, opened.file.size, opened.layout.format, tuple(opened.pieces))
        self._describe(recipe, opened.segments)
        self._added.append(
            AddedFile(opened.file.path, digest, recipe.size, recipe.format, opened.written, opened.layout.malformed)
        )

    def _take_batch(self, task: Batch) -> None:
        written = {encoded.id: self._writer.write(encoded) for encoded in task.blocks.encoded}
        for item in task.small:
            size = sum(written.pop(segment.blocks[0], 0) for segment in item.segments)
            recipe = item.recipe
            self._describe(recipe, item.segments)
            self._added.append(AddedFile(item.path, recipe.digest, recipe.size, recipe.format, size, item.malformed))
            self._progress(recipe.size)

    def _describe(self, recipe: Recipe, segments: Sequence[Segment]) -> None:
        """Note how a file is put together; whether that is known already is asked for many at once."""
        if recipe.digest not in self._settled:
            self._settled.add(recipe.digest)
            self._waiting[recipe.digest] = (recipe, segments)
            pieces = len(recipe.pieces)
            if len(self._waiting) >= RECIPES_AT_ONCE or pieces >= PIECES_AT_ONCE:
                self._settle()

    def _settle(self) -> None:
        waiting: Mapping[Digest, tuple[Recipe, Sequence[Segment]]] = self._waiting
        self._waiting = {}
        known = self._known.files(list(waiting)) if waiting else frozenset[Digest]()
        for digest, (recipe, segments) in waiting.items():
            if digest not in known:
                self._writer.record(recipe, segments)
