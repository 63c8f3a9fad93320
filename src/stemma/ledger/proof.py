"""Proofs that an entry is in a log, and that a log continues an older one: RFC 6962 sections 2.1.1 and 2.1.2.

Verifiers check the index against the size, the length of every hash, and that exactly the hashes needed are there;
sizes 0 and 1 are cases of their own. What does not prove what it should is a CorruptError.
"""

from collections.abc import Sequence

from stemma.errors import CorruptError, InvalidError
from stemma.ledger.tree import EMPTY_ROOT, HASH, Tree, hash_children


def prove_inclusion(tree: Tree, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree over the first `size` leaves, nearest the leaf first."""
    if not 0 <= index < size <= tree.size:
        raise InvalidError(f"entry {index} is not in a tree of {size} out of {tree.size} entries")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(tree.span(middle, end))
            end = middle
        else:
            path.append(tree.span(start, middle))
            start = middle
    return path[::-1]


def prove_consistency(tree: Tree, old: int, new: int) -> list[bytes]:
    """Return the proof that the first `new` leaves continue the first `old`; empty where either says nothing."""
    if not 0 <= old <= new <= tree.size:
        raise InvalidError(f"no consistency from size {old} to {new} in a tree of {tree.size} entries")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(tree.span(middle, end))
            end = middle
        else:
            path.append(tree.span(start, middle))
            start = middle
    if start:
        path.append(tree.span(start, end))
    return path[::-1]


def verify_inclusion(*, leaf_hash: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Check that the leaf is at `index` of the tree of `size` leaves with this root (RFC 9162 section 2.1.3.2)."""
    _check_hashes(leaf_hash, root, *path)
    if not 0 <= index < size:
        raise CorruptError(f"index {index} is not within a tree of {size} leaves")
    inner, border = _depths(index, size)
    if len(path) != inner + border:
        raise CorruptError(f"an inclusion proof of {inner + border} hashes is needed, not of {len(path)}")
    result = _chain_inner(leaf_hash, path[:inner], index)
    for left in path[inner:]:
        result = hash_children(left, result)
    if result != root:
        raise CorruptError(f"the inclusion proof of entry {index} does not lead to the root of size {size}")


def verify_consistency(*, old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `new` leaves continues the tree of `old` leaves (RFC 9162 section 2.1.4.2)."""
    _check_hashes(old_root, new_root, *path)
    if not 0 <= old <= new:
        raise CorruptError(f"size {new} does not continue size {old}")
    if old in (0, new):
        if path:
            raise CorruptError(f"a consistency proof from {old} to {new} is empty, not of {len(path)} hashes")
        if old_root != (new_root if old else EMPTY_ROOT) or (new == 0 and new_root != EMPTY_ROOT):
            raise CorruptError(f"two different roots are given for size {old}")
        return
    inner, border = _depths(old - 1, new)
    skipped = (old & -old).bit_length() - 1  # the old tree's last complete subtree
    inner -= skipped
    seed, rest = (old_root, path) if old == 1 << skipped else (path[0] if path else b"", path[1:])
    if len(rest) != inner + border or not seed:
        raise CorruptError(f"the consistency proof from {old} to {new} has the wrong number of hashes")
    mask = (old - 1) >> skipped
    if _chain_border(_chain_right(seed, rest[:inner], mask), rest[inner:]) != old_root:
        raise CorruptError(f"the consistency proof does not lead to the root of size {old}")
    if _chain_border(_chain_inner(seed, rest[:inner], mask), rest[inner:]) != new_root:
        raise CorruptError(f"the consistency proof does not lead to the root of size {new}")


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _depths(index: int, size: int) -> tuple[int, int]:
    """Return how many hashes of a path lie below, and how many on, the right border of the tree."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _chain_inner(seed: bytes, path: Sequence[bytes], index: int) -> bytes:
    for at, sibling in enumerate(path):
        seed = hash_children(sibling, seed) if index >> at & 1 else hash_children(seed, sibling)
    return seed


def _chain_right(seed: bytes, path: Sequence[bytes], index: int) -> bytes:
    for at, sibling in enumerate(path):
        if index >> at & 1:
            seed = hash_children(sibling, seed)
    return seed


def _chain_border(seed: bytes, path: Sequence[bytes]) -> bytes:
    for left in path:
        seed = hash_children(left, seed)
    return seed


def _check_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if len(value) != HASH:
            raise CorruptError(f"a hash has {HASH} bytes, not {len(value)}")
