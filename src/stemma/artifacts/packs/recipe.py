"""How a file is put together: its segments, in order, and the blocks of each segment.

A segment is what the file's format says belongs together (a tensor, a member of an archive) or a piece cut by
content; it is cut into blocks of at most 1 MiB. Ids follow from the content alone, so that the same tensor in
two files is one segment. The encoding is docs/spec/store.md, "Recipe".
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NewType, Self

from blake3 import blake3

from stemma.errors import CorruptError
from stemma.records import Digest

BLOCK_SIZE = 1 << 20
ID_SIZE = 32
SEGMENT_TAG = b"stemma segment v1\0"
MAX_DIMENSIONS = 255

BlockId = NewType("BlockId", bytes)
"""BLAKE3 of a block's content, 32 bytes."""
SegmentId = NewType("SegmentId", bytes)
"""BLAKE3 of `SEGMENT_TAG` and the ids of a segment's blocks, 32 bytes."""

KINDS = ("opaque", "tensor", "member", "header", "gap", "bundle")
"""What a piece of a file is; its place in this list is its number in a recipe."""

_FILE = struct.Struct("<32sQB")
_COUNT = struct.Struct("<I")
_PIECE = struct.Struct("<32sQBHBB")
_DIMENSION = struct.Struct("<Q")


def block_id(data: bytes | memoryview) -> BlockId:
    """Return the id of a block."""
    return BlockId(blake3(data).digest())


def segment_id(blocks: Sequence[BlockId]) -> SegmentId:
    """Return the id of the segment that consists of `blocks`."""
    return SegmentId(blake3(SEGMENT_TAG + b"".join(blocks)).digest())


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment and its blocks, in order; every block but the last holds `BLOCK_SIZE` bytes."""

    id: SegmentId
    blocks: tuple[BlockId, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment's place in a file: `length` in bytes, and what the format calls it.

    `name`, `dtype` and `shape` are as the file spells them, and empty where it says nothing.
    """

    segment: SegmentId
    length: int
    kind: str = "opaque"
    name: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one file is rebuilt: its pieces, one behind the other, are its bytes and hash to `digest`."""

    digest: Digest
    size: int
    format: str
    pieces: tuple[Piece, ...]

    def encode(self) -> bytes:
        """Return the bytes that stand in a pack's footer and in the index."""
        name = self.format.encode("ascii")
        parts = [_FILE.pack(self.digest.raw, self.size, len(name)), name, _COUNT.pack(len(self.pieces))]
        for piece in self.pieces:
            name, dtype = piece.name.encode(), piece.dtype.encode()
            row = (piece.segment, piece.length, KINDS.index(piece.kind), len(name), len(dtype), len(piece.shape))
            parts += [_PIECE.pack(*row), name, dtype, *map(_DIMENSION.pack, piece.shape)]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes | memoryview, *, place: str) -> Self:
        """Read `encode`'s bytes; a CorruptError if they end early, hold more, or do not add up to the size."""
        view = memoryview(data)
        try:
            digest, size, length = _FILE.unpack_from(view)
            end = _FILE.size + length
            name = str(view[_FILE.size : end], "ascii")
            (count,) = _COUNT.unpack_from(view, end)
            pieces, end = _read_pieces(view, end + _COUNT.size, count)
        except (struct.error, ValueError, IndexError) as error:
            raise CorruptError(f"not a recipe: {error}", place=place) from error
        if end != len(view) or sum(piece.length for piece in pieces) != size:
            raise CorruptError("a recipe whose pieces do not add up to the file", place=place)
        return cls(Digest.from_raw(digest), size, name, pieces)

    def spans(self) -> Iterator[tuple[int, Piece]]:
        """Yield each piece with its offset in the file."""
        offset = 0
        for piece in self.pieces:
            yield offset, piece
            offset += piece.length


def _read_pieces(view: memoryview, offset: int, count: int) -> tuple[tuple[Piece, ...], int]:
    pieces = []
    for _ in range(count):
        segment, length, kind, name_length, dtype_length, dimensions = _PIECE.unpack_from(view, offset)
        start = offset + _PIECE.size
        middle = start + name_length
        end = middle + dtype_length
        offset = end + dimensions * _DIMENSION.size
        if offset > len(view):
            raise ValueError("it ends in the middle of a piece")
        shape = struct.unpack_from(f"<{dimensions}Q", view, end)
        name, dtype = str(view[start:middle], "utf-8"), str(view[middle:end], "utf-8")
        pieces.append(Piece(SegmentId(segment), length, KINDS[kind], name, dtype, shape))
    return tuple(pieces), offset
