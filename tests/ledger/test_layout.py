"""The layout of an export: the paths of C2SP tlog-tiles, and bundles that hold exactly what was put in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import CorruptError
from stemma.ledger.evidence.layout import Piece, decode_bundle, encode_bundle, pieces


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (0, "tile/0/000"),
        (7, "tile/0/007"),
        (999, "tile/0/999"),
        (1000, "tile/0/x001/000"),
        (1_234_067, "tile/0/x001/x234/067"),
    ],
)
def test_paths_are_those_of_the_specification(number: int, path: str) -> None:
    assert Piece(0, number, 256).path == path
    assert Piece(None, number, 3).path == path.replace("/0/", "/entries/", 1) + ".p/3"


@given(st.integers(0, 200_000))
def test_pieces_cover_a_log(size: int) -> None:
    found = list(pieces(size))
    assert sum(piece.width for piece in found if piece.level is None) == size
    assert sum(piece.width for piece in found if piece.level == 0) == size
    assert sum(piece.width for piece in found if piece.level == 1) == size // 256


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_decode_to_what_was_encoded(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    found = list(decode_bundle(data, len(entries), place="bundle"))
    assert [entry for _, entry in found] == entries
    assert all(data[at : at + len(entry)] == entry for at, entry in found)
    for other in (data + b"\x00", data[:-1]):
        if other != data:
            with pytest.raises(CorruptError):
                list(decode_bundle(other, len(entries), place="bundle"))


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x05abc", b"\xff\xff"])
def test_a_bundle_that_ends_within_an_entry_yields_no_part_of_it(data: bytes) -> None:
    with pytest.raises(CorruptError):
        next(decode_bundle(data, 1, place="bundle"))
