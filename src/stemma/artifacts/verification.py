"""Whether everything stored is still what it was: what is damaged, where, which files that costs, and how much of them.

Quick: every pack is there, whole in its frame, and listed as its footer says. Deep: every block is decoded and every
file hashed. Nothing is changed; a damaged pack is never made worse.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from stemma.artifacts.packs.block import check_record, decode_block, pack_place
from stemma.artifacts.packs.pack import (
    HEADER_SIZE,
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
from stemma.artifacts.packs.recipe import BlockId, Recipe, SegmentId
from stemma.artifacts.pipeline import THREADS, ordered_map
from stemma.artifacts.ports import ArtifactIndex, PackStore, PackSummary
from stemma.artifacts.reading import FileReader, StoredFile, locate
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnsupportedError
from stemma.records import Digest

_GROUP_BYTES = 4 << 20
_FILES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Damage:
    """`length` bytes of a pack from `offset` are not what they were; `what` says how that shows."""

    pack: PackId
    offset: int
    length: int
    what: str

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return pack_place(self.pack, self.offset)


@dataclass(frozen=True, slots=True)
class AffectedFile:
    """A file that cannot be read whole: `lost` of its `size` bytes are gone."""

    digest: Digest
    size: int
    lost: int
    what: str = "it needs a damaged block"


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    `unindexed` packs are whole and not yet listed: an upload was interrupted between publishing and its transaction.
    `unsupported` says which blocks this release cannot read; they may be sound.
    """

    deep: bool
    packs: int = 0
    blocks: int = 0
    files: int = 0
    bytes: int = 0
    damages: tuple[Damage, ...] = ()
    affected: tuple[AffectedFile, ...] = ()
    unindexed: tuple[PackId, ...] = ()
    unsupported: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages and not self.affected


def read_footer(packs: PackStore, pack: PackId) -> tuple[Footer, int]:
    """Read a published pack's footer and its size; a CorruptError says at which offset the frame is broken."""
    place = f"pack {pack}"
    size = packs.size(pack)
    header, end = packs.read(pack, 0, HEADER_SIZE), packs.read(pack, max(size - TRAILER_SIZE, 0), TRAILER_SIZE)
    check_version(header, end, place=place)
    check_header(header, place=place)
    trailer = Trailer.decode(end, size, place=place)
    data = packs.read(pack, trailer.offset, trailer.length)
    footer = trailer.footer(data, place=place)
    if pack_id(data) != pack:
        raise CorruptError("the pack holds another's content", place=f"{place}, offset {trailer.offset}")
    return footer, size


@dataclass(slots=True)
class Verification:
    """One run over the store; `progress` is told bytes of packs and files as they are checked."""

    packs: PackStore
    index: ArtifactIndex
    deep: bool
    progress: Callable[[int], None] = lambda _: None
    _damages: list[Damage] = field(default_factory=list)
    _unsupported: list[str] = field(default_factory=list)
    _bad: set[tuple[PackId, BlockId]] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("packs", "blocks", "files", "bytes"), 0))

    def run(self) -> Report:
        """Check everything.

        1. Every pack that is listed: its frame, and its footer against the index.
        2. Deep: every block of it, decoded.
        3. Which files need a block of which no copy is whole.
        4. Deep: every other file, hashed.
        """
        listed = self.index.packs()
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-verify") as pool:
            for summary in listed:
                self._check_pack(summary, pool)
            lost = self._lost()
            affected = tuple(self._affected(lost))
            if self.deep:
                affected += tuple(self._hash_files({file.digest for file in affected}, pool))
        unindexed = sorted(set(self.packs.packs()) - {summary.id for summary in listed})
        return Report(
            self.deep,
            **self._counts,
            damages=tuple(self._damages),
            affected=affected,
            unindexed=tuple(unindexed),
            unsupported=tuple(self._unsupported),
        )

    def _check_pack(self, summary: PackSummary, pool: Executor) -> None:
        listed = self.index.footer(summary.id)
        self._counts["packs"] += 1
        self._counts["blocks"] += len(listed.blocks)
        self._counts["bytes"] += summary.size
        size = self._check_frame(summary, listed)
        whole = []
        for block in listed.blocks:
            if block.end <= size:
                whole.append(block)
            else:
                self._bad.add((summary.id, block.id))
        if self.deep:
            for found in ordered_map(pool, lambda group: self._check_blocks(summary.id, group), _groups(whole)):
                for block, error in found:
                    self._note(summary.id, block, error)
        self.progress(summary.size)

    def _check_frame(self, summary: PackSummary, listed: Footer) -> int:
        """Check what surrounds the blocks; return how many bytes of the pack are there."""
        pack = summary.id
        try:
            size = self.packs.size(pack)
        except NotFoundError:
            self._damages.append(Damage(pack, 0, summary.size, "the pack is missing"))
            return 0
        if size != summary.size:
            what = f"the pack has {size} bytes, not {summary.size}"
            self._damages.append(Damage(pack, min(size, summary.size), abs(summary.size - size), what))
            return min(size, summary.size)
        try:
            footer, _ = read_footer(self.packs, pack)
        except CorruptError as error:
            offset = int(error.place.rpartition("offset ")[2] or 0)
            self._damages.append(Damage(pack, offset, size - offset if offset else HEADER_SIZE, error.message))
        except UnsupportedError as error:
            self._unsupported.append(str(error))
        else:
            if footer != listed:
                what = "the index does not say what the footer says: run 'stemma db rebuild'"
                self._damages.append(Damage(pack, 0, 0, what))
        return size

    def _check_blocks(self, pack: PackId, blocks: Sequence[StoredBlock]) -> list[tuple[StoredBlock, StemmaError]]:
        first, last = blocks[0], blocks[-1]
        data = memoryview(self.packs.read(pack, first.offset, last.end - first.offset))
        found: list[tuple[StoredBlock, StemmaError]] = []
        for block in blocks:
            record = bytes(data[block.offset - first.offset : block.end - first.offset])
            place = pack_place(pack, block.offset)
            try:
                decode_block(block, check_record(block, record, place=place), place=place)
            except (CorruptError, UnsupportedError) as error:
                found.append((block, error))
        return found

    def _note(self, pack: PackId, block: StoredBlock, error: StemmaError) -> None:
        if isinstance(error, UnsupportedError):
            self._unsupported.append(str(error))
        else:
            self._bad.add((pack, block.id))
            length = RECORD_HEADER_SIZE + block.stored
            self._damages.append(Damage(pack, block.offset, length, error.message))

    def _lost(self) -> frozenset[BlockId]:
        """Return the blocks of which no copy is whole."""
        ids = {id_ for _, id_ in self._bad}
        copies = self.index.places(ids)
        return frozenset(id_ for id_ in ids if all((place.pack, id_) in self._bad for place in copies.get(id_, ())))

    def _affected(self, lost: frozenset[BlockId]) -> Iterator[AffectedFile]:
        if not lost:
            return
        sizes = {id_: copies[0].block.raw for id_, copies in self.index.places(lost).items()}
        segments = self._segments_with(sizes)
        seen: set[Digest] = set()
        for recipe in self._recipes():
            size = sum(segments.get(piece.segment, 0) for piece in recipe.pieces)
            if size and recipe.digest not in seen:
                seen.add(recipe.digest)
                yield AffectedFile(recipe.digest, recipe.size, size)

    def _segments_with(self, sizes: dict[BlockId, int]) -> dict[SegmentId, int]:
        """Return the segments that hold lost blocks, with the bytes lost in each."""
        found: dict[SegmentId, int] = {}
        for summary in self.index.packs():
            for segment in self.index.footer(summary.id).segments:
                size = sum(sizes.get(block, 0) for block in segment.blocks)
                if size:
                    found[segment.id] = size
        return found

    def _recipes(self) -> Iterator[Recipe]:
        for summary in self.index.packs():
            yield from self.index.footer(summary.id).recipes

    def _hash_files(self, skip: set[Digest], pool: Executor) -> Iterator[AffectedFile]:
        reader = FileReader(self.packs)
        for group in _chunks(self._recipes(), _FILES_AT_ONCE):
            recipes = {recipe.digest: recipe for recipe in group if recipe.digest not in skip}
            skip |= recipes.keys()
            self._counts["files"] += len(recipes)
            for recipe in recipes.values():
                try:
                    (file,) = locate(self.index, {recipe.digest: recipe}).values()
                    _hash_file(reader, file, pool)
                except CorruptError as error:
                    # Its blocks are whole, or missing in the index; what they make together is not the file.
                    yield AffectedFile(recipe.digest, recipe.size, recipe.size, str(error))
                except UnsupportedError:
                    continue  # its blocks are in `unsupported`
                self.progress(recipe.size)


def _hash_file(reader: FileReader, file: StoredFile, pool: Executor) -> None:
    for _ in reader.stream(file, pool):
        pass


def _groups(blocks: Iterable[StoredBlock]) -> Iterator[list[StoredBlock]]:
    """Divide blocks into runs of about `_GROUP_BYTES` that are read at once."""
    group: list[StoredBlock] = []
    for block in blocks:
        group.append(block)
        if block.end - group[0].offset >= _GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _chunks(recipes: Iterable[Recipe], size: int) -> Iterator[list[Recipe]]:
    chunk: list[Recipe] = []
    for recipe in recipes:
        chunk.append(recipe)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
