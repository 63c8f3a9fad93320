"""Merkle trees as in RFC 6962 section 2.1, kept in 256-wide tiles as in C2SP tlog-tiles.

A leaf hashes as SHA-256(0x00 || data), a node as SHA-256(0x01 || left || right), the empty tree as SHA-256 of
nothing. Tile `n` of level `l` holds the roots of 256 consecutive complete subtrees of 256^l leaves. Tiles are all
that roots and proofs need; a tile is complete and then never changes, or it is the last of its level.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from stemma.errors import CorruptError, InvalidError
from stemma.ledger.ports import Tile

WIDTH = 256
HEIGHT = 8
HASH = 32
_COMPLETE = WIDTH * HASH
_sha256 = hashlib.sha256

EMPTY_ROOT = _sha256(b"").digest()

ReadTile: TypeAlias = Callable[[int, int], bytes]
"""Returns the hashes of the tile at a level and number, as many as there are."""


def hash_leaf(data: bytes) -> bytes:
    """Return the hash of an entry's bytes as a leaf."""
    return _sha256(b"\x00" + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two hashes."""
    return _sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root of a complete subtree over 2^k concatenated hashes."""
    while len(hashes) > HASH:
        hashes = _pair(hashes)
    return hashes


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes that are all at hand."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        pairs = [hash_children(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def tile_widths(size: int) -> list[tuple[int, int, int]]:
    """Return (level, complete tiles, width of the partial tile or 0) for each level of a tree that has tiles."""
    levels: list[tuple[int, int, int]] = []
    while size:
        levels.append((len(levels), size // WIDTH, size % WIDTH))
        size //= WIDTH
    return levels


def grow(size: int, leaves: Sequence[bytes], read: ReadTile) -> list[Tile]:
    """Return the tiles to store when `leaves` follow the first `size` leaves.

    Level 0 only gets its tiles that become complete; from level 1 on also the last, partial one if it changed.
    """
    tiles: list[Tile] = []
    level, added = 0, b"".join(leaves)
    while added:
        width = size % WIDTH
        number = size // WIDTH
        if level == 0 and width + len(added) // HASH < WIDTH:
            break
        if width:
            added = _expect(read(level, number), width, level, number) + added
        above: list[bytes] = []
        for at in range(0, len(added), _COMPLETE):
            hashes = added[at : at + _COMPLETE]
            if len(hashes) == _COMPLETE:
                above.append(fold(hashes))
            elif level == 0:
                continue
            tiles.append(Tile(level, number + at // _COMPLETE, hashes))
        level, size, added = level + 1, number, b"".join(above)
    return tiles


@dataclass(slots=True)
class Tree:
    """A tree of `size` leaves over tiles that are read when needed, each once.

    `subtree` answers the hash over leaves [start, start + 2^level), which must lie on a multiple of 2^level and
    within the tree; a tile that is narrower than the size demands is a CorruptError that names it.
    """

    size: int
    read: ReadTile
    _folded: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)

    def subtree(self, level: int, start: int) -> bytes:
        """Return the root of the complete subtree over 2^`level` leaves from `start` on."""
        tile_level, rows = divmod(level, HEIGHT)
        index = start >> (HEIGHT * tile_level)
        number = index // WIDTH
        hashes = self._row(tile_level, number, rows)
        at = (index % WIDTH) >> rows
        return hashes[at * HASH : at * HASH + HASH]

    def span(self, start: int, end: int) -> bytes:
        """Return the RFC 6962 hash over leaves [start, end), where `start` is a multiple of the span's split."""
        pieces: list[bytes] = []
        while start < end:
            level = (end - start).bit_length() - 1
            pieces.append(self.subtree(level, start))
            start += 1 << level
        root = pieces.pop()
        while pieces:
            root = hash_children(pieces.pop(), root)
        return root

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves, of all if none is given."""
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise InvalidError(f"a tree of {self.size} leaves has no root at size {size}")
        return self.span(0, size) if size else EMPTY_ROOT

    def _row(self, level: int, number: int, row: int) -> bytes:
        """Return the hashes `row` levels above the bottom of a tile, as far as its complete subtrees go."""
        rows = self._folded.get((level, number))
        if rows is None:
            width = min(WIDTH, (self.size >> (HEIGHT * level)) - number * WIDTH)
            rows = [_expect(self.read(level, number), width, level, number)]
            self._folded[level, number] = rows
        while len(rows) <= row:
            rows.append(_pair(rows[-1]))
        return rows[row]


def _pair(hashes: bytes) -> bytes:
    """Return the hashes of each two neighbours; a last one without a neighbour is left out."""
    step = 2 * HASH
    return b"".join(
        [_sha256(b"\x01" + hashes[at : at + step]).digest() for at in range(0, len(hashes) // step * step, step)]
    )


def _expect(hashes: bytes, width: int, level: int, number: int) -> bytes:
    """Cut a tile to the width that the size of the tree demands."""
    if len(hashes) % HASH or len(hashes) < width * HASH:
        message = f"the tile has {len(hashes)} bytes where {width * HASH} are needed"
        raise CorruptError(message, place=f"tile {level}/{number}")
    return hashes[: width * HASH]
