"""Following a log from its first entry, recomputing everything that it claims.

What does not follow is a CorruptError that names the entry. A follower needs the entries' bytes alone; hashes from
elsewhere are compared with what it returns.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stemma.errors import CorruptError
from stemma.ledger.entry import Entry
from stemma.ledger.ports import Tile
from stemma.ledger.tree import HASH, WIDTH, Tree, fold, hash_leaf


@dataclass(frozen=True, slots=True)
class LogReport:
    """What was found true of one log: its end, and how many of its entries the newest checkpoint signs."""

    origin: str
    size: int
    root: bytes
    time: int
    signed: int
    checkpoints: int

    @property
    def unsigned(self) -> int:
        """How many entries at the end no checkpoint signs yet."""
        return self.size - self.signed


@dataclass(slots=True)
class Follower:
    """Takes the entries of one log in order; keeps the partial tile of each level and nothing more.

    `roots` says for sizes who claims which root there: each is compared when the log has that size.
    """

    namespace: str
    roots: Mapping[int, tuple[str, bytes]] = field(default_factory=dict)
    size: int = 0
    time: int = 0
    _levels: list[bytearray] = field(default_factory=list)

    def follow(self, data: bytes, *, place: str) -> tuple[Entry, list[Tile]]:
        """Return the next entry and the tiles that it completes, lowest level first."""
        entry = Entry.decode(data, place=place)
        if entry.namespace != self.namespace:
            raise CorruptError(f"an entry of {entry.namespace!r} is in the log of {self.namespace!r}", place=place)
        if entry.sequence != self.size:
            raise CorruptError(f"number {self.size} follows, not {entry.sequence}", place=place)
        if entry.time < self.time or (entry.skewed and entry.time != self.time):
            raise CorruptError("its time does not follow the previous entry's", place=place)
        self.time = entry.time
        tiles = self._add(hash_leaf(data))
        self.size += 1
        self.check_root(place=place)
        return entry, tiles

    def check_root(self, *, place: str) -> None:
        """Compare the root at this size with the one that is claimed for it, if any."""
        if self.size in self.roots:
            who, root = self.roots[self.size]
            if self.root() != root:
                raise CorruptError(f"the root at size {self.size} is not the one that {who} states", place=place)

    def root(self) -> bytes:
        """Return the root over the entries so far."""
        return Tree(self.size, lambda level, _: bytes(self._levels[level])).root()

    def partial_tiles(self) -> Iterator[Tile]:
        """Yield the last tile of each level where it is not complete."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                yield Tile(level, (self.size >> (8 * level)) // WIDTH, bytes(hashes))

    def _add(self, node: bytes) -> list[Tile]:
        tiles: list[Tile] = []
        level = 0
        while True:
            if level == len(self._levels):
                self._levels.append(bytearray())
            hashes = self._levels[level]
            hashes += node
            if len(hashes) < WIDTH * HASH:
                return tiles
            tile = Tile(level, (self.size >> (8 * level)) // WIDTH, bytes(hashes))
            tiles.append(tile)
            hashes.clear()
            node = fold(tile.hashes)
            level += 1


def compare_tile(tile: Tile, found: bytes, *, place: str) -> None:
    """Check stored hashes against a recomputed tile; the CorruptError names the first that differs."""
    if found == tile.hashes:
        return
    if len(found) != len(tile.hashes):
        raise CorruptError(f"the tile has {len(found)} bytes, not {len(tile.hashes)}", place=place)
    at = next(at for at in range(0, len(found), HASH) if found[at : at + HASH] != tile.hashes[at : at + HASH])
    what = f"entry {tile.number * WIDTH + at // HASH}" if tile.level == 0 else f"the tile below, hash {at // HASH}"
    raise CorruptError(f"the hash at byte {at} is not that of {what}", place=place)
