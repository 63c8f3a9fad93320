"""Trees: the published RFC 6962 test tree, and laws against the recursive definition of the RFC."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError
from stemma.ledger.ports import Tile
from stemma.ledger.tree import EMPTY_ROOT, HASH, Tree, fold, grow, hash_leaf, root_of, tile_widths

# The leaves and roots that Certificate Transparency's implementations have shared since RFC 6962.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(0, 700) | st.sampled_from([255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000])


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = naive_root(leaves[:split]), naive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaves_of(count: int) -> list[bytes]:
    return [hash_leaf(number.to_bytes(4, "big")) for number in range(count)]


class Tiles:
    """What a store of tiles does, in a dictionary."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.reads = 0

    def read(self, level: int, number: int) -> bytes:
        self.reads += 1
        if level == 0 and (0, number) not in self.tiles:
            return b"".join(self.leaves[number * 256 : number * 256 + 256])
        return self.tiles.get((level, number), b"")

    def append(self, leaves: list[bytes]) -> None:
        grown = grow(len(self.leaves), leaves, self.read)
        self.leaves += leaves
        for tile in grown:
            self.tiles[tile.level, tile.number] = tile.hashes

    def tree(self) -> Tree:
        return Tree(len(self.leaves), self.read)


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    leaves = [hash_leaf(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    tiles = Tiles()
    tiles.append(leaves)

    assert root_of(leaves).hex() == ROOTS[size]
    assert tiles.tree().root().hex() == ROOTS[size]


@given(SIZES, st.data())
@example(0, None).via("empty")
def test_every_root_is_that_of_the_definition(size: int, data: st.DataObject | None) -> None:
    leaves = leaves_of(size)
    tiles = Tiles()
    tiles.append(leaves)
    smaller = data.draw(st.integers(0, size)) if data else 0

    assert tiles.tree().root() == naive_root(leaves) == root_of(leaves)
    assert tiles.tree().root(smaller) == naive_root(leaves[:smaller])


@given(st.lists(st.integers(0, 600), max_size=8))
def test_tiles_do_not_depend_on_how_leaves_arrive(batches: list[int]) -> None:
    leaves = leaves_of(sum(batches))
    one_by_one, at_once = Tiles(), Tiles()
    at_once.append(leaves)
    for start, end in pairwise([sum(batches[:at]) for at in range(len(batches) + 1)]):
        one_by_one.append(leaves[start:end])

    assert one_by_one.tiles == at_once.tiles


@given(SIZES)
def test_tiles_have_the_widths_of_the_specification(size: int) -> None:
    tiles = Tiles()
    tiles.append(leaves_of(size))
    for level, complete, partial in tile_widths(size):
        assert complete * 256 + partial == size // 256**level
        for number in range(complete):
            assert len(tiles.read(level, number)) == 256 * HASH
        assert len(tiles.read(level, complete)) == partial * HASH


def test_the_specification_s_example_of_70_000_entries() -> None:
    assert tile_widths(70_000) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert tile_widths(256) == [(0, 1, 0), (1, 0, 1)]


def test_a_tile_holds_the_roots_of_the_tiles_below() -> None:
    tiles = Tiles()
    tiles.append(leaves_of(600))

    assert tiles.tiles[1, 0] == fold(tiles.tiles[0, 0]) + fold(tiles.tiles[0, 1])
    assert tiles.tiles[1, 0][:HASH] == naive_root(tiles.leaves[:256])


def test_a_completed_tile_is_never_written_again() -> None:
    tiles = Tiles()
    tiles.append(leaves_of(1000))

    assert grow(1000, leaves_of(30), tiles.read)[0] == Tile(0, 3, b"".join(tiles.leaves[768:] + leaves_of(24)))
    assert all(tile.number >= 3 or tile.level for tile in grow(1000, leaves_of(30), tiles.read))


def test_a_root_needs_one_tile_a_level() -> None:
    tiles = Tiles()
    tiles.append(leaves_of(70_000))
    tiles.reads = 0

    tiles.tree().root()
    assert tiles.reads == 3


@pytest.mark.parametrize("damage", [b"", b"\x00" * 31, b"\x00" * 32 * 87])
def test_a_short_tile_is_named(damage: bytes) -> None:
    tiles = Tiles()
    tiles.append(leaves_of(600))
    tiles.tiles[0, 2] = damage

    with pytest.raises(CorruptError) as caught:
        tiles.tree().root()
    assert caught.value.place == "tile 0/2"


@pytest.mark.parametrize("size", [-1, 6])
def test_there_is_no_root_outside_the_tree(size: int) -> None:
    tiles = Tiles()
    tiles.append(leaves_of(5))
    with pytest.raises(InvalidError):
        tiles.tree().root(size)


def test_leaves_and_nodes_hash_apart() -> None:
    assert hashlib.sha256().digest() == EMPTY_ROOT
    assert hash_leaf(b"") == hashlib.sha256(b"\x00").digest()
    assert fold(b"\x01" * 32 + b"\x02" * 32) == hashlib.sha256(b"\x01" + b"\x01" * 32 + b"\x02" * 32).digest()
