"""Checking: packs that are about to be published, read as a stranger's: nothing in them is taken on trust.

Every pack's frame and footer, every record and its header, the id of every block and segment, the lengths of pieces,
and of every new file the SHA-256 of what it decodes to. Blocks that stand elsewhere count only where the uploader may
build on them. Memory is bounded by the footers and a few tasks, whatever the packs claim.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from stemma.artifacts.packs.block import check_record, decode_block, pack_place
from stemma.artifacts.packs.pack import (
    HEADER_SIZE,
    NO_BASE,
    RECORD_HEADER_SIZE,
    TRAILER_SIZE,
    Footer,
    PackId,
    StoredBlock,
    Trailer,
    check_header,
    check_version,
    pack_id,
)
from stemma.artifacts.packs.recipe import BLOCK_SIZE, BlockId, Recipe, SegmentId, segment_id
from stemma.artifacts.pipeline import ordered_map
from stemma.artifacts.ports import ArtifactTransaction, PackDraft, PackStore, Place
from stemma.artifacts.reading import FileReader
from stemma.artifacts.uploads.writing import WrittenPack
from stemma.errors import CorruptError, NotFoundError, TooLargeError

_AT_ONCE = 4 << 20
_FILES_AT_ONCE = 128
_BLOCKS_AT_ONCE = 4
_MAX_STORED = BLOCK_SIZE + (64 << 10)
Answer = TypeVar("Answer")


class Reads(Protocol):
    """Runs an operation that only reads, in a transaction of its own."""

    def __call__(self, operation: Callable[[ArtifactTransaction], Answer], /) -> Answer:
        """Return the operation's answer."""
        ...


def read_pack(draft: PackDraft, pack: PackId, size: int, *, scope: str, room: int) -> WrittenPack:
    """Read the frame of a sealed draft of `size` bytes; TooLargeError where its footer has more than `room` bytes.

    CorruptError where it is not the pack that its id says, or was written for another scope.
    """
    place = f"pack {pack}"
    header, end = draft.read(0, HEADER_SIZE), draft.read(max(size - TRAILER_SIZE, 0), TRAILER_SIZE)
    check_version(header, end, place=place)
    check_header(header, place=place)
    trailer = Trailer.decode(end, size, place=place)
    if trailer.length > room:
        raise TooLargeError(
            f"the footers of one upload may have {room:,} bytes here, and more follow",
            hint="Push the files in several parts.",
            place=place,
        )
    data = draft.read(trailer.offset, trailer.length)
    footer = trailer.footer(data, place=place)
    if pack_id(data) != pack:
        raise CorruptError("the pack holds another's content", place=f"{place}, offset {trailer.offset}")
    if footer.scope != scope:
        raise CorruptError(f"the pack was written for {footer.scope[:80]!r}, not for {scope!r}", place=place)
    for block in footer.blocks:
        _check_row(block, place)
    return WrittenPack(draft, pack, footer, size)


def _check_row(block: StoredBlock, place: str) -> None:
    where = f"{place}, offset {block.offset}"
    if not 0 < block.raw <= BLOCK_SIZE or not 0 < block.stored <= _MAX_STORED:
        raise CorruptError(f"a block of {block.raw} bytes, stored in {block.stored}, cannot be", place=where)
    if block.base != NO_BASE and block.base == block.id:
        raise CorruptError("a block that is a difference to itself", place=where)


@dataclass(slots=True)
class Checking:
    """One run over the packs of an upload. `scopes` are the namespaces that the uploader may build on, None for all.

    `progress` is told bytes of content as they are checked; what it raises ends the run.
    """

    packs: PackStore
    written: Sequence[WrittenPack]
    read: Reads
    scopes: frozenset[str] | None
    pool: Executor
    progress: Callable[[int], None] = lambda _: None
    _here: dict[BlockId, tuple[WrittenPack, StoredBlock]] = field(default_factory=dict)
    _segments: dict[SegmentId, tuple[BlockId, ...]] = field(default_factory=dict)
    _elsewhere: Mapping[BlockId, tuple[Place, ...]] = field(default_factory=dict)
    _decoded: set[BlockId] = field(default_factory=set)

    @property
    def size(self) -> int:
        """The bytes of all new files."""
        return sum(recipe.size for pack in self.written for recipe in pack.footer.recipes)

    def run(self) -> None:
        """Check everything; CorruptError for what is not what it says, NotFoundError for blocks that are not there.

        1. The segments: their ids, and which blocks they need.
        2. The blocks that stand elsewhere: whether the uploader may build on them, and where they are.
        3. The lengths of blocks, segments and pieces.
        4. Every new file, decoded and hashed.
        5. The blocks that no new file needed, decoded.
        """
        for pack in self.written:
            for block in pack.footer.blocks:
                self._here.setdefault(block.id, (pack, block))
            for segment in pack.footer.segments:
                if segment_id(segment.blocks) != segment.id or not segment.blocks:
                    raise CorruptError("a segment that is not what its id says", place=f"footer of pack {pack.id}")
                self._segments[segment.id] = segment.blocks
        self._find_elsewhere()
        for pack in self.written:
            self._check_lengths(pack.id, pack.footer)
        self._check_files()
        self._check_rest()

    def _find_elsewhere(self) -> None:
        wanted = {id_ for blocks in self._segments.values() for id_ in blocks if id_ not in self._here}
        if not wanted:
            return
        found = self.read(lambda tx: tx.artifacts.known_blocks(wanted, self.scopes))
        if missing := wanted - found:
            raise NotFoundError(
                f"{len(missing)} blocks are neither in the upload nor stored, one of them {min(missing).hex()}",
                hint="Push again: what is missing is sent then.",
            )
        self._elsewhere = self.read(lambda tx: tx.artifacts.places(wanted))

    def _check_lengths(self, pack: PackId, footer: Footer) -> None:
        place = f"footer of pack {pack}"
        for segment in footer.segments:
            if any(self._raw(id_) != BLOCK_SIZE for id_ in segment.blocks[:-1]):
                raise CorruptError("a segment with a short block before its last", place=place)
        for recipe in footer.recipes:
            for piece in recipe.pieces:
                blocks = self._segments.get(piece.segment)
                if blocks is None:
                    raise CorruptError(
                        f"{recipe.digest} needs segment {piece.segment.hex()[:16]}, which is not listed", place=place
                    )
                if piece.length != (len(blocks) - 1) * BLOCK_SIZE + self._raw(blocks[-1]):
                    raise CorruptError(f"a piece of {recipe.digest} is not as long as its segment", place=place)

    def _raw(self, id_: BlockId) -> int:
        here = self._here.get(id_)
        return self._elsewhere[id_][0].block.raw if here is None else here[1].raw

    # -- contents -----------------------------------------------------------------------------------------------

    def _check_files(self) -> None:
        for size in ordered_map(self.pool, self._hash_group, self._groups()):
            self.progress(size)
        for recipe in self._recipes():
            if recipe.size > _AT_ONCE:
                self._hash_large(recipe)

    def _recipes(self) -> Iterator[Recipe]:
        for pack in self.written:
            yield from pack.footer.recipes

    def _groups(self) -> Iterator[list[Recipe]]:
        """Yield the small files in groups that are hashed as one task."""
        group: list[Recipe] = []
        size = 0
        for recipe in self._recipes():
            if recipe.size > _AT_ONCE:
                continue
            group.append(recipe)
            size += recipe.size
            if size >= _AT_ONCE or len(group) == _FILES_AT_ONCE:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _hash_group(self, recipes: Sequence[Recipe]) -> int:
        for recipe in recipes:
            hasher = hashlib.sha256()
            for id_ in self._blocks_of(recipe):
                hasher.update(self._content(id_))
            _compare(recipe, hasher.digest())
        return sum(recipe.size for recipe in recipes)

    def _hash_large(self, recipe: Recipe) -> None:
        hasher = hashlib.sha256()
        for datas in ordered_map(self.pool, self._contents, _runs(self._blocks_of(recipe))):
            for data in datas:
                hasher.update(data)
                self.progress(len(data))
        _compare(recipe, hasher.digest())

    def _check_rest(self) -> None:
        rest = (id_ for id_ in self._here if id_ not in self._decoded)
        for _ in ordered_map(self.pool, self._contents, _runs(rest)):
            pass
        for pack in self.written:
            for block in pack.footer.blocks:
                if self._here[block.id][1] is not block:  # a second record of the same content
                    _decode(pack, block)

    def _blocks_of(self, recipe: Recipe) -> Iterator[BlockId]:
        for piece in recipe.pieces:
            yield from self._segments[piece.segment]

    def _contents(self, ids: Sequence[BlockId]) -> list[bytes]:
        return [self._content(id_) for id_ in ids]

    def _content(self, id_: BlockId) -> bytes:
        here = self._here.get(id_)
        if here is None:
            return FileReader(self.packs).block(self._elsewhere[id_])
        data = _decode(*here)
        self._decoded.add(id_)
        return data


def _decode(pack: WrittenPack, block: StoredBlock) -> bytes:
    place = pack_place(pack.id, block.offset)
    record = pack.draft.read(block.offset, RECORD_HEADER_SIZE + block.stored)
    return decode_block(block, check_record(block, record, place=place), place=place)


def _runs(ids: Iterator[BlockId]) -> Iterator[list[BlockId]]:
    run: list[BlockId] = []
    for id_ in ids:
        run.append(id_)
        if len(run) == _BLOCKS_AT_ONCE:
            yield run
            run = []
    if run:
        yield run


def _compare(recipe: Recipe, digest: bytes) -> None:
    if digest != recipe.digest.raw:
        hint = "Check the machine's memory and disk, then push again."
        raise CorruptError(f"{recipe.digest} does not read back as it was written", hint=hint)
