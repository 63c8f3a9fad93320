"""Digests: their one spelling, and the way there and back."""

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.records import Digest

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_fips_180_examples() -> None:
    assert Digest.of(b"") == EMPTY
    assert Digest.of(b"abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.binary(max_size=100))
def test_parsing_and_printing_are_inverses(data: bytes) -> None:
    digest = Digest.of(data)
    assert Digest.parse(str(digest)) == digest
    assert Digest.from_raw(digest.raw) == digest
    assert digest.raw == hashlib.sha256(data).digest()
    assert str(digest) == "sha256:" + digest.hex
    assert digest.hex.startswith(digest.short)
    assert Digest.of(memoryview(data)) == digest
    assert type(pickle.loads(pickle.dumps(digest))) is Digest  # noqa: S301  # written one line above


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMPTY[7:],
        EMPTY.upper(),
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY + "\n",
        " " + EMPTY,
        EMPTY.replace("sha256", "sha512"),
        "sha256:" + "g" * 64,
        "sha256:" + "\u0663" * 64,
        "sha256:" + "\uff10" * 64,
    ],
)
def test_any_other_spelling_is_invalid(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a digest"):
        Digest.parse(text)


@pytest.mark.parametrize("size", [0, 20, 31, 33, 64])
def test_raw_bytes_have_one_length(size: int) -> None:
    with pytest.raises(InvalidError, match=f"not {size}"):
        Digest.from_raw(bytes(size))
