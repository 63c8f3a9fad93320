"""Files read back from packs: every block checked against its id, every whole file against its SHA-256.

Nothing unchecked leaves this module. Where a block is damaged and another pack holds a copy, the copy is read.
"""

import bisect
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import accumulate

from stemma.artifacts.packs.block import decode_block, pack_place
from stemma.artifacts.packs.recipe import BlockId, Recipe, SegmentId
from stemma.artifacts.pipeline import ordered_map
from stemma.artifacts.ports import ArtifactIndex, PackStore, Place
from stemma.errors import CorruptError, InvalidError, NotFoundError
from stemma.records import Digest

_BLOCKS_A_TASK = 4


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is in the store: its recipe, and for each block, in order, the places of its copies."""

    recipe: Recipe
    blocks: tuple[tuple[Place, ...], ...]
    _ends: tuple[int, ...] = field(default=(), repr=False, compare=False)

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the file."""
        return self.recipe.digest

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.recipe.size

    @property
    def ends(self) -> tuple[int, ...]:
        """The offset in the file behind each block."""
        return self._ends


def locate(index: ArtifactIndex, recipes: Mapping[Digest, Recipe]) -> dict[Digest, StoredFile]:
    """Find every block of `recipes`; a CorruptError names the file for which the index has a hole."""
    segments = index.segments({piece.segment for recipe in recipes.values() for piece in recipe.pieces})
    places = index.places({block for blocks in segments.values() for block in blocks})
    return {digest: _assemble(recipe, segments, places) for digest, recipe in recipes.items()}


def _assemble(
    recipe: Recipe, segments: Mapping[SegmentId, Sequence[BlockId]], places: Mapping[BlockId, tuple[Place, ...]]
) -> StoredFile:
    try:
        blocks = tuple(places[block] for piece in recipe.pieces for block in segments[piece.segment])
    except KeyError as error:
        what = f"{recipe.digest} is listed, but block or segment {error.args[0].hex()[:16]} is in no pack"
        hint = "Run 'stemma db rebuild' if the packs are there; otherwise restore the missing pack from a copy."
        raise CorruptError(what, hint=hint, place="artifact index") from error
    ends = tuple(accumulate(copies[0].block.raw for copies in blocks))
    if (ends[-1] if ends else 0) != recipe.size:
        raise CorruptError(
            f"the blocks of {recipe.digest} do not add up to {recipe.size} bytes", place="artifact index"
        )
    return StoredFile(recipe, blocks, ends)


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads stored files out of `packs`. Used from several threads at once."""

    packs: PackStore

    def block(self, copies: Sequence[Place]) -> bytes:
        """Return a block's content from the first copy that is whole; the error of the first if none is."""
        first: CorruptError | None = None
        for copy in copies:
            try:
                return self._read(copy)
            except CorruptError as error:
                first = first or error
        raise first or CorruptError("the block is in no pack")

    def _read(self, copy: Place) -> bytes:
        block = copy.block
        place = pack_place(copy.pack, block.offset)
        try:
            stored = self.packs.read(copy.pack, block.data_offset, block.stored)
        except NotFoundError as error:
            raise CorruptError("the pack is missing", hint="Restore it from a copy.", place=place) from error
        return decode_block(block, stored, place=place)

    def stream(self, file: StoredFile, pool: Executor | None = None) -> Iterator[bytes]:
        """Yield the content; a CorruptError if the whole does not hash to the file's digest.

        Blocks are checked before they are yielded, the whole only at the end: use what was read when the
        iteration has ended. With a `pool`, later blocks are decoded meanwhile.
        """
        hasher = hashlib.sha256()
        tasks = [file.blocks[at : at + _BLOCKS_A_TASK] for at in range(0, len(file.blocks), _BLOCKS_A_TASK)]
        parallel = pool is not None and len(tasks) > 1
        for datas in ordered_map(pool, self._blocks, tasks) if pool and parallel else map(self._blocks, tasks):
            for data in datas:
                hasher.update(data)
                yield data
        if hasher.digest() != file.digest.raw:
            raise CorruptError(f"the blocks are whole, but together they are not {file.digest}", place=file.digest)

    def range(self, file: StoredFile, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer at the end; only the blocks that hold them are read."""
        if offset < 0 or length < 0:
            raise InvalidError(f"there are no {length} bytes at offset {offset}")
        return b"".join(self.span(file, offset, length))

    def span(self, file: StoredFile, offset: int, length: int) -> Iterator[bytes]:
        """Yield what `range` returns, block by block, each checked."""
        end = min(offset + length, file.size)
        if offset >= end:
            return
        for number in range(bisect.bisect_right(file.ends, offset), bisect.bisect_left(file.ends, end) + 1):
            data = self.block(file.blocks[number])
            start = file.ends[number] - len(data)
            yield data if offset <= start and file.ends[number] <= end else data[max(offset - start, 0) : end - start]

    def _blocks(self, blocks: Sequence[Sequence[Place]]) -> list[bytes]:
        return [self.block(copies) for copies in blocks]


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A stored file as something to read from, to look at its format or to store it elsewhere."""

    reader: FileReader
    file: StoredFile

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.file.size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`."""
        return self.reader.range(self.file, offset, length)
