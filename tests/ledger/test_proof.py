"""Proofs: every true one verifies, and every kind of false one that verifiers are known to let through does not."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError
from stemma.ledger.proof import prove_consistency, prove_inclusion, verify_consistency, verify_inclusion
from stemma.ledger.tree import EMPTY_ROOT, hash_leaf
from tests.ledger.test_tree import LEAVES, Tiles, leaves_of, naive_root

SIZES = st.integers(1, 700) | st.sampled_from([255, 256, 257, 65_536, 65_537])
GARBAGE = [b"", b"\x00", b"\x00" * 31, b"\x00" * 32, b"\x00" * 33]


def tiles_of(count: int) -> Tiles:
    tiles = Tiles()
    tiles.append(leaves_of(count))
    return tiles


PUBLISHED = Tiles()
PUBLISHED.append([hash_leaf(bytes.fromhex(leaf)) for leaf in LEAVES])


def includes(leaf: bytes, index: int, size: int, root: bytes, path: list[bytes]) -> bool:
    try:
        verify_inclusion(leaf_hash=leaf, index=index, size=size, root=root, path=path)
    except CorruptError:
        return False
    return True


def continues(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> bool:
    try:
        verify_consistency(old=old, old_root=old_root, new=new, new_root=new_root, path=path)
    except CorruptError:
        return False
    return True


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) <= 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_proof(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_proof(old, leaves[:split], whole=whole), naive_root(leaves[split:])]
    return [*naive_proof(old - split, leaves[split:], whole=False), naive_root(leaves[:split])]


@given(SIZES, st.data())
def test_inclusion_proofs_are_those_of_the_definition_and_verify(count: int, data: st.DataObject) -> None:
    tiles = tiles_of(count)
    size = data.draw(st.integers(1, count))
    index = data.draw(st.integers(0, size - 1))
    path = prove_inclusion(tiles.tree(), index, size)

    assert path == naive_path(index, tiles.leaves[:size])
    assert includes(tiles.leaves[index], index, size, naive_root(tiles.leaves[:size]), path)


@given(SIZES, st.data())
def test_consistency_proofs_are_those_of_the_definition_and_verify(count: int, data: st.DataObject) -> None:
    tiles = tiles_of(count)
    new = data.draw(st.integers(1, count))
    old = data.draw(st.integers(1, new))
    path = prove_consistency(tiles.tree(), old, new)

    assert path == naive_proof(old, tiles.leaves[:new])
    assert continues(old, naive_root(tiles.leaves[:old]), new, naive_root(tiles.leaves[:new]), path)


def false_paths(path: list[bytes], roots: list[bytes]) -> Iterator[list[bytes]]:
    """Yield paths that differ from `path`: changed, cut, lengthened, reordered."""
    for at in range(len(path)):
        for bit in range(0, 256, 37):
            changed = bytearray(path[at])
            changed[bit // 8] ^= 1 << bit % 8
            yield [*path[:at], bytes(changed), *path[at + 1 :]]
        yield path[:at] + path[at + 1 :]
        yield [*path[:at], path[at][:-1], *path[at + 1 :]]
        yield [*path[:at], path[at], *path[at:]]
    if path:
        yield []
        if path != path[::-1]:
            yield path[::-1]
    for extra in [*GARBAGE, *roots, *path[:1]]:
        yield [extra, *path]
        yield [*path, extra]


@pytest.mark.parametrize("size", range(1, 9))
def test_no_false_inclusion_verifies(size: int) -> None:
    tree, leaves, root = PUBLISHED.tree(), PUBLISHED.leaves, PUBLISHED.tree().root(size)
    for index in range(size):
        path = prove_inclusion(tree, index, size)
        assert includes(leaves[index], index, size, root, path)
        assert not any(includes(leaves[index], index, size, root, false) for false in false_paths(path, [root]))
        for other in [-1, index ^ 1, index ^ 2, index + 1, index - 1, size, size + 1, index + size, 2**63, -(2**63)]:
            assert not includes(leaves[index], other, size, root, path)
        others = [-1, 0, index, *(each for each in range(1, 17) if _shape(index, each) != _shape(index, size))]
        for other in others:
            assert not includes(leaves[index], index, other, root, path)
        for other_leaf in [
            b"",
            root[:31],
            leaves[index] + b"\x00",
            *(each for each in leaves if each != leaves[index]),
        ]:
            assert not includes(other_leaf, index, size, root, path)
        for other_root in [b"", root[:31], root + b"\x00", EMPTY_ROOT, b"\x00" * 32]:
            assert not includes(leaves[index], index, size, other_root, path)


def _shape(index: int, size: int) -> tuple[int, ...]:
    """Which sides the siblings of `index` are on: trees of different sizes can share it, and then nothing differs."""
    sides: list[int] = []
    last = size - 1
    while last > 0:
        if index & 1 or index < last:
            sides.append(index & 1)
        index, last = index >> 1, last >> 1
    return tuple(sides)


@pytest.mark.parametrize("new", range(1, 9))
def test_no_false_consistency_verifies(new: int) -> None:
    tree = PUBLISHED.tree()
    roots = [tree.root(size) for size in range(9)]
    for old in range(1, new):
        path = prove_consistency(tree, old, new)
        assert continues(old, roots[old], new, roots[new], path)
        for false in false_paths(path, [roots[old], roots[new]]):
            assert not continues(old, roots[old], new, roots[new], false)
        for other in [-1, 0, old - 1, old + 1, old ^ 2, old * 2, 2**63]:
            assert not continues(other, roots[old], new, roots[new], path)
        assert not continues(old, roots[new], new, roots[old], path)
        assert not continues(old, roots[old], old - 1, roots[new], path)
        assert not continues(old, roots[old], new, roots[new][:31], path)
        assert not continues(old, b"", new, roots[new], path)
        for wrong in range(9):
            assert continues(old, roots[wrong], new, roots[new], path) == (wrong == old)
            assert continues(old, roots[old], new, roots[wrong], path) == (wrong == new)


def test_sizes_zero_and_one() -> None:
    tree = PUBLISHED.tree()
    one, leaf = tree.root(1), PUBLISHED.leaves[0]

    assert prove_inclusion(tree, 0, 1) == []
    assert includes(leaf, 0, 1, leaf, [])
    assert not includes(leaf, 0, 1, leaf, [leaf])
    assert not includes(leaf, 0, 0, EMPTY_ROOT, [])
    assert not includes(leaf, 1, 1, leaf, [])
    assert prove_consistency(tree, 0, 5) == prove_consistency(tree, 5, 5) == []
    assert continues(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert continues(0, EMPTY_ROOT, 5, tree.root(5), [])
    assert continues(1, one, 1, one, [])
    assert not continues(0, one, 0, one, [])
    assert not continues(0, one, 5, tree.root(5), [])
    assert not continues(0, EMPTY_ROOT, 5, tree.root(5), [one])
    assert not continues(1, one, 1, tree.root(2), [])
    assert not continues(1, one, 1, one, [one])
    assert not continues(2, tree.root(2), 1, one, [])
    assert not continues(-1, EMPTY_ROOT, 1, one, [])


def test_what_is_not_a_hash_is_refused_even_where_it_is_equal() -> None:
    for short in (b"", b"root", bytes(31), bytes(33)):
        assert not includes(short, 0, 1, short, [])
        assert not continues(1, short, 1, short, [])
        assert not continues(0, EMPTY_ROOT, 5, short, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, 9), (8, 9)])
def test_nothing_is_proved_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(InvalidError):
        prove_inclusion(PUBLISHED.tree(), index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5), (0, 9), (9, 9)])
def test_nothing_continues_outside_the_tree(old: int, new: int) -> None:
    with pytest.raises(InvalidError):
        prove_consistency(PUBLISHED.tree(), old, new)


def test_a_proof_among_many_entries_reads_few_tiles() -> None:
    tiles = tiles_of(70_000)
    tiles.reads = 0
    prove_inclusion(tiles.tree(), 12_345, 70_000)
    assert tiles.reads <= 5
    tiles.reads = 0
    prove_consistency(tiles.tree(), 12_345, 70_000)
    assert tiles.reads <= 6
