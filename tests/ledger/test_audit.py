"""Following a log: what its entries claim of their place must follow from the entries before."""

import pytest

from stemma.errors import CorruptError
from stemma.ledger import Entry
from stemma.ledger.audit import Follower, compare_tile
from stemma.ledger.ports import Tile
from stemma.ledger.tree import root_of
from tests.ledger.logs import NOW, draft


def entry(sequence: int, time: int, *, skewed: bool = False, namespace: str = "team") -> bytes:
    return Entry.at(draft(namespace=namespace), sequence=sequence, time=time, skewed=skewed).encode()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (entry(0, NOW), "number 1 follows"),
        (entry(2, NOW), "number 1 follows"),
        (entry(1, NOW - 1), "time"),
        (entry(1, NOW + 1, skewed=True), "time"),
        (entry(1, NOW, namespace="other"), "other"),
        (b"{}", "not an entry"),
    ],
)
def test_an_entry_out_of_place_is_named(second: bytes, message: str) -> None:
    follower = Follower("team")
    follower.follow(entry(0, NOW), place="entry 0")
    with pytest.raises(CorruptError, match=message) as caught:
        follower.follow(second, place="entry 1")
    assert caught.value.place == "entry 1"


def test_entries_in_their_place_follow() -> None:
    follower = Follower("team")
    for number, (time, skewed) in enumerate([(NOW, False), (NOW, True), (NOW, False), (NOW + 1, False)]):
        follower.follow(entry(number, time, skewed=skewed), place="entry")
    assert follower.size == 4


def test_a_claimed_root_is_compared_at_its_size() -> None:
    first, second = Entry.decode(entry(0, NOW)), Entry.decode(entry(1, NOW))
    true = root_of([first.leaf_hash, second.leaf_hash])
    for root, passes in ((true, True), (first.leaf_hash, False)):
        follower = Follower("team", {2: ("the pin", root)})
        follower.follow(first.encode(), place="entry 0")
        if passes:
            follower.follow(second.encode(), place="entry 1")
        else:
            with pytest.raises(CorruptError, match="the pin"):
                follower.follow(second.encode(), place="entry 1")


def test_the_first_hash_that_differs_is_named() -> None:
    tile = Tile(0, 2, bytes(96))
    compare_tile(tile, bytes(96), place="tile")
    with pytest.raises(CorruptError, match="byte 32 is not that of entry 513"):
        compare_tile(tile, bytes(40) + b"\x01" + bytes(55), place="tile")
    with pytest.raises(CorruptError, match="64 bytes, not 96"):
        compare_tile(tile, bytes(64), place="tile")
