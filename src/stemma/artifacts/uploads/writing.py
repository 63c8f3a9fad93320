"""Blocks and recipes on their way into the private packs of one upload.

A block is written once per upload. A pack is closed when it is full and made durable in the background while the
next one fills.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from stemma.artifacts.packs.block import EncodedBlock
from stemma.artifacts.packs.pack import (
    HEADER,
    HEADER_SIZE,
    TRAILER_SIZE,
    Footer,
    PackId,
    StoredBlock,
    encode_trailer,
    pack_id,
)
from stemma.artifacts.packs.recipe import BlockId, Recipe, Segment, SegmentId
from stemma.artifacts.ports import PackDraft

PACK_SIZE = 64 << 20
"""A pack is closed when it holds at least so many bytes, or so many rows that its footer would grow long."""
PACK_ROWS = 100_000
_JOINED = 64 << 10  # smaller records are written by one call, header and content together


@dataclass(frozen=True, slots=True)
class WrittenPack:
    """A closed pack: its draft, its id, what it holds, and its bytes."""

    draft: PackDraft
    id: PackId
    footer: Footer
    size: int

    @property
    def footer_size(self) -> int:
        """The bytes of the footer."""
        blocks = self.footer.blocks
        return self.size - TRAILER_SIZE - (blocks[-1].end if blocks else HEADER_SIZE)


@dataclass(slots=True)
class _OpenPack:
    draft: PackDraft
    offset: int = HEADER_SIZE
    blocks: list[StoredBlock] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    recipes: list[Recipe] = field(default_factory=list)


class PackWriter:
    """Writes packs for `scope`; `create` begins a draft. Used by one thread.

    `on_closed` is told of every pack, in order, by the thread that writes, when all of its bytes are written.
    """

    def __init__(
        self,
        create: Callable[[], PackDraft],
        scope: str,
        *,
        on_closed: Callable[[WrittenPack], None] = lambda _: None,
    ) -> None:
        self._create = create
        self._scope = scope
        self._on_closed = on_closed
        self._open: _OpenPack | None = None
        self._drafts: list[PackDraft] = []
        self._closed: list[WrittenPack] = []
        self._sealing: list[Future[None]] = []
        self._sealer = ThreadPoolExecutor(1, thread_name_prefix="stemma-seal")
        self._blocks: set[BlockId] = set()
        self._segments: set[SegmentId] = set()

    def __contains__(self, id_: BlockId) -> bool:
        return id_ in self._blocks

    def write(self, encoded: EncodedBlock) -> int:
        """Append a block unless this upload has it; return how many bytes the pack grew."""
        if encoded.id in self._blocks:
            return 0
        pack = self._current()
        block = encoded.at(pack.offset)
        if len(encoded.stored) < _JOINED:
            pack.draft.append(block.header() + encoded.stored)
        else:
            pack.draft.append(block.header())
            pack.draft.append(encoded.stored)
        pack.blocks.append(block)
        pack.offset = block.end
        self._blocks.add(block.id)
        if pack.offset >= PACK_SIZE or len(pack.blocks) >= PACK_ROWS:
            self._close(pack)
        return block.end - block.offset

    def record(self, recipe: Recipe, segments: Iterable[Segment]) -> None:
        """Enter a file whose blocks are all written here or stored elsewhere."""
        pack = self._current()
        pack.recipes.append(recipe)
        for segment in segments:
            if segment.id not in self._segments:
                self._segments.add(segment.id)
                pack.segments.append(segment)

    def finish(self) -> tuple[WrittenPack, ...]:
        """Close the last pack and return all of them, durable."""
        if self._open is not None:
            self._close(self._open)
        for sealing in self._sealing:
            sealing.result()
        return tuple(self._closed)

    def close(self) -> None:
        """Let go of threads and handles; idempotent. What was not published is left to be discarded."""
        self._sealer.shutdown()
        for draft in self._drafts:
            draft.close()

    def _current(self) -> _OpenPack:
        if self._open is None:
            draft = self._create()
            self._drafts.append(draft)
            draft.append(HEADER)
            self._open = _OpenPack(draft)
        return self._open

    def _close(self, pack: _OpenPack) -> None:
        footer = Footer(self._scope, tuple(pack.blocks), tuple(pack.segments), tuple(pack.recipes))
        encoded = footer.encode()
        end = encode_trailer(encoded, pack.offset)
        pack.draft.append(encoded + end)
        closed = WrittenPack(pack.draft, pack_id(encoded), footer, pack.offset + len(encoded) + len(end))
        self._open = None
        self._closed.append(closed)
        self._sealing.append(self._sealer.submit(pack.draft.seal))
        self._on_closed(closed)
