"""What passes through the pipeline of an upload: portions of large files, batches of small ones.

A task is first hashed (read, BLAKE3), then stripped of blocks that are stored already, then encoded; the two
heavy steps run in threads, each task in one at a time.
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from stemma.artifacts.cutting import Cut, Layout, Portion, lay_out
from stemma.artifacts.packs.block import EncodedBlock, encode_block
from stemma.artifacts.packs.recipe import BlockId, Piece, Recipe, Segment, block_id, segment_id
from stemma.artifacts.ports import Source, SourceFile
from stemma.errors import ConflictError
from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory as a source."""

    data: bytes

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`."""
        return self.data[offset : offset + length]


@dataclass(slots=True)
class OpenFile:
    """A file while its portions pass through the pipeline."""

    file: SourceFile
    context: AbstractContextManager[Source]
    source: Source
    layout: Layout
    hasher: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    pieces: list[Piece] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    blocks: list[BlockId] = field(default_factory=list)
    written: int = 0

    def close_piece(self, cut: Cut) -> None:
        """End a piece behind the block that was added last, if `cut` says that one ends there."""
        span = cut.closes
        if span is not None:
            segment = Segment(segment_id(self.blocks), tuple(self.blocks))
            self.segments.append(segment)
            self.pieces.append(Piece(segment.id, span.length, span.kind, span.name, span.dtype, span.shape))
            self.blocks = []


@dataclass(slots=True)
class Blocks:
    """What one task carries: data with the ids of their blocks, then the encodings of those that are new."""

    contents: dict[BlockId, memoryview] = field(default_factory=dict)
    encoded: list[EncodedBlock] = field(default_factory=list)

    def encode(self) -> None:
        """Turn contents into encodings."""
        self.encoded = [encode_block(id_, data) for id_, data in self.contents.items()]
        self.contents = {}


@dataclass(slots=True)
class Part:
    """A portion of a file; `portion` is None for the task that ends the file."""

    file: OpenFile
    portion: Portion | None
    data: bytes = b""
    ids: list[BlockId] = field(default_factory=list)
    blocks: Blocks = field(default_factory=Blocks)

    def hash(self) -> None:
        """Read the portion; a ConflictError if the file has become shorter."""
        if self.portion is None:
            return
        wanted = self.portion.length
        self.data = self.portion.data or self.file.source.read(self.portion.offset, wanted)
        if len(self.data) != wanted:
            raise ConflictError(f"{self.file.file.path!r} became shorter while it was read", hint="Try again.")
        view, offset = memoryview(self.data), 0
        for cut in self.portion.cuts:
            content = view[offset : offset + cut.length]
            self.ids.append(block_id(content))
            self.blocks.contents[self.ids[-1]] = content
            offset += cut.length


@dataclass(slots=True)
class SmallFile:
    """A small file that was read: its recipe, its one segment or none if it is empty, and its bytes."""

    path: str
    recipe: Recipe
    segments: tuple[Segment, ...]
    malformed: str
    data: bytes


@dataclass(slots=True)
class Batch:
    """Small files, a block each."""

    files: Sequence[SourceFile]
    small: list[SmallFile] = field(default_factory=list)
    blocks: Blocks = field(default_factory=Blocks)

    def hash(self) -> None:
        """Read the files whole; a ConflictError if one has changed since it was listed."""
        self.small = [_read_small(file) for file in self.files]
        for item in self.small:
            for segment in item.segments:
                self.blocks.contents[segment.blocks[0]] = memoryview(item.data)


def _read_small(file: SourceFile) -> SmallFile:
    with file.open() as source:
        data = source.read(0, source.size) if source.size else b""
        if len(data) != file.size:
            raise ConflictError(f"{file.path!r} changed while it was read", hint="Try again when nothing writes to it.")
    layout = lay_out(BytesSource(data))
    blocks = (block_id(data),)
    segments = (Segment(segment_id(blocks), blocks),) if data else ()
    pieces = tuple(Piece(segment.id, len(data)) for segment in segments)
    recipe = Recipe(Digest.of(data), len(data), layout.format, pieces)
    return SmallFile(file.path, recipe, segments, layout.malformed, data)


def hash_blocks(task: Part | Batch) -> Part | Batch:
    """Read what the task stands for, and find its blocks' ids."""
    task.hash()
    return task


def encode_blocks(task: Part | Batch) -> Part | Batch:
    """Encode the blocks that are left in the task."""
    task.blocks.encode()
    return task
