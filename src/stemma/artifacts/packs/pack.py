"""The form of a pack: a header, block records one behind the other, a footer that lists all of it, a trailer.

A pack is immutable and named by its footer, which names every block by content: `id = BLAKE3(footer)[:16]`.
Every byte is covered by a check. The normative description is docs/spec/store.md.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType, Self

from blake3 import blake3

from stemma.artifacts.packs.recipe import ID_SIZE, BlockId, Recipe, Segment, SegmentId
from stemma.errors import CorruptError, UnsupportedError

VERSION = 1
MAX_FOOTER = 1 << 30
NO_BASE = BlockId(bytes(ID_SIZE))

PackId = NewType("PackId", str)
"""The first 16 bytes of the footer's BLAKE3 in lower-case hexadecimal: 32 digits."""

_HEADER = struct.Struct("<8sHH4x")
_HEADER_MAGIC = b"STEMPACK"
_TRAILER = struct.Struct("<QQ32sHH4x8s")
_TRAILER_MAGIC = b"KCAPMETS"
_RECORD = struct.Struct("<BBHIII32s32s")
_ROW = struct.Struct("<32s32sQIIB8s")
_COUNT = struct.Struct("<I")
HEADER_SIZE = _HEADER.size
TRAILER_SIZE = _TRAILER.size
RECORD_HEADER_SIZE = _RECORD.size
HEADER = _HEADER.pack(_HEADER_MAGIC, VERSION, 0)


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block inside a pack: `offset` of its record, `raw` and `stored` bytes of content and of its encoding.

    `codec` is the number of the encoding, `base` the block that it is a difference to (`NO_BASE` for none), and
    `check` the first eight bytes of the BLAKE3 of the stored bytes.
    """

    id: BlockId
    offset: int
    stored: int
    raw: int
    codec: int
    check: bytes
    base: BlockId = NO_BASE

    @property
    def data_offset(self) -> int:
        """Where the stored bytes begin."""
        return self.offset + RECORD_HEADER_SIZE

    @property
    def end(self) -> int:
        """Where the record ends."""
        return self.offset + RECORD_HEADER_SIZE + self.stored

    def header(self) -> bytes:
        """Return the header that stands in front of the stored bytes."""
        return _RECORD.pack(self.codec, 0, 0, self.raw, self.stored, 0, self.id, self.base)


def check_of(stored: bytes) -> bytes:
    """Return the check of a block's stored bytes."""
    return blake3(stored).digest(8)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a pack holds: its blocks in the order of the pack, segments and recipes whose files ended in it.

    `scope` names the namespace for which it was stored. Blocks of a segment may stand in other packs.
    """

    scope: str
    blocks: tuple[StoredBlock, ...]
    segments: tuple[Segment, ...]
    recipes: tuple[Recipe, ...]

    def encode(self) -> bytes:
        """Return the footer's bytes."""
        scope = self.scope.encode()
        parts = [_COUNT.pack(len(scope)), scope, _COUNT.pack(len(self.blocks))]
        parts += [
            _ROW.pack(block.id, block.base, block.offset, block.stored, block.raw, block.codec, block.check)
            for block in self.blocks
        ]
        parts.append(_COUNT.pack(len(self.segments)))
        for segment in self.segments:
            parts += [segment.id, _COUNT.pack(len(segment.blocks)), *segment.blocks]
        parts.append(_COUNT.pack(len(self.recipes)))
        for recipe in self.recipes:
            data = recipe.encode()
            parts += [_COUNT.pack(len(data)), data]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, *, place: str) -> Self:
        """Read a footer; a CorruptError if it is not exactly one."""
        cursor = _Cursor(memoryview(data), place)
        try:
            scope = str(cursor.take(cursor.count()), "utf-8")
        except UnicodeDecodeError as error:
            raise CorruptError("the scope is not UTF-8", place=place) from error
        rows = cursor.take(cursor.count() * _ROW.size)
        blocks = tuple(
            StoredBlock(BlockId(id_), offset, stored, raw, codec, check, BlockId(base))
            for id_, base, offset, stored, raw, codec, check in _ROW.iter_unpack(rows)
        )
        segments = tuple(cursor.segment() for _ in range(cursor.count()))
        recipes = tuple(Recipe.decode(cursor.take(cursor.count()), place=place) for _ in range(cursor.count()))
        cursor.finish()
        _check_layout(blocks, place)
        return cls(scope, blocks, segments, recipes)


def pack_id(footer: bytes) -> PackId:
    """Return the id of the pack that ends with `footer`."""
    return PackId(blake3(footer).digest(16).hex())


def encode_trailer(footer: bytes, offset: int) -> bytes:
    """Return the last bytes of a pack whose footer stands at `offset`."""
    return _TRAILER.pack(offset, len(footer), blake3(footer).digest(), VERSION, 0, _TRAILER_MAGIC)


def check_version(header: bytes, end: bytes, *, place: str) -> None:
    """Raise an UnsupportedError if the first and last bytes of a pack both say that it is of a newer version."""
    if len(header) == HEADER_SIZE and len(end) == TRAILER_SIZE:
        magic, version, _ = _HEADER.unpack(header)
        _, _, _, again, _, end_magic = _TRAILER.unpack(end)
        if (magic, end_magic) == (_HEADER_MAGIC, _TRAILER_MAGIC) and version == again and version > VERSION:
            hint = "Use a newer Stemma to read it."
            raise UnsupportedError(f"pack format {version}; this release reads {VERSION}", hint=hint, place=place)


def check_header(data: bytes, *, place: str) -> None:
    """Check a pack's first bytes; a CorruptError for any that are wrong."""
    if data != HEADER:
        what = "a damaged pack header" if data.startswith(_HEADER_MAGIC) else "not a pack: it does not begin like one"
        raise CorruptError(what, place=f"{place}, offset 0")


@dataclass(frozen=True, slots=True)
class Trailer:
    """Where the footer is, how long, and its BLAKE3."""

    offset: int
    length: int
    digest: bytes

    @classmethod
    def decode(cls, data: bytes, size: int, *, place: str) -> Self:
        """Read the last bytes of a pack of `size` bytes: CorruptError unless footer and trailer end it exactly."""
        where = f"{place}, offset {max(size - TRAILER_SIZE, 0)}"
        if len(data) != TRAILER_SIZE or not data.endswith(_TRAILER_MAGIC):
            raise CorruptError("the pack has no end: it is torn or truncated", place=where)
        offset, length, digest, *_ = _TRAILER.unpack(data)
        exact = data == _TRAILER.pack(offset, length, digest, VERSION, 0, _TRAILER_MAGIC)
        if not exact or length > MAX_FOOTER or offset + length + TRAILER_SIZE != size:
            raise CorruptError("the end of the pack does not fit its size", place=where)
        return cls(offset, length, digest)

    def footer(self, data: bytes, *, place: str) -> Footer:
        """Check and read the footer that this trailer announces."""
        where = f"{place}, offset {self.offset}"
        if len(data) != self.length or blake3(data).digest() != self.digest:
            raise CorruptError("the footer does not match its BLAKE3", place=where)
        footer = Footer.decode(data, place=where)
        end = footer.blocks[-1].end if footer.blocks else HEADER_SIZE
        if end != self.offset:
            raise CorruptError("bytes between the last block and the footer", place=where)
        return footer


class _Cursor:
    """Takes bytes from the front; a CorruptError where there are not enough."""

    def __init__(self, view: memoryview, place: str) -> None:
        self._view = view
        self._place = place
        self._offset = 0

    def take(self, length: int) -> memoryview:
        if self._offset + length > len(self._view):
            raise CorruptError("the footer ends early", place=self._place)
        taken = self._view[self._offset : self._offset + length]
        self._offset += length
        return taken

    def count(self) -> int:
        (count,) = _COUNT.unpack(self.take(_COUNT.size))
        return int(count)

    def segment(self) -> Segment:
        id_ = SegmentId(bytes(self.take(ID_SIZE)))
        ids = bytes(self.take(self.count() * ID_SIZE))
        return Segment(id_, tuple(BlockId(ids[at : at + ID_SIZE]) for at in range(0, len(ids), ID_SIZE)))

    def finish(self) -> None:
        if self._offset != len(self._view):
            raise CorruptError("the footer holds more than it lists", place=self._place)


def _check_layout(blocks: Sequence[StoredBlock], place: str) -> None:
    end = HEADER_SIZE
    for block in blocks:
        if block.offset != end:
            raise CorruptError(f"the record of block {block.id.hex()[:12]} is not at offset {end}", place=place)
        end = block.end
