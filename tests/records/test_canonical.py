"""Canonical bytes: RFC 8785's own examples, and the fast path against the slow one."""

import json
import math
import struct
from enum import StrEnum
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.records import (
    MAX_DEPTH,
    MAX_SAFE_INTEGER,
    Digest,
    Json,
    canonical,
    canonical_plain,
    is_plain,
    read_json,
    read_record,
)

SAFE_INTEGERS = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
TEXT = st.text(st.characters(codec="utf-8"))
FLOAT_FREE: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=25,
)
WITH_FLOATS: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | TEXT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=25,
)


def test_rfc_8785_section_3_2_2_and_3_2_4() -> None:
    text = r"""
      {
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
      }
    """
    expected = bytes.fromhex(
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e"
        "756d62657273223a5b3333333333333333332e333333333333332c31652b3330"
        "2c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24"
        "5c75303030665c6e4127425c225c5c5c5c5c222f227d"
    )
    assert canonical(json.loads(text)) == expected


def test_rfc_8785_section_3_2_3() -> None:
    value: Json = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    ordered = list(json.loads(canonical(value)).values())
    assert ordered == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_rfc_8785_appendix_b(bits: str, expected: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == expected.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, MAX_SAFE_INTEGER + 1, -MAX_SAFE_INTEGER - 1])
def test_a_number_without_canonical_form_is_invalid(number: float) -> None:
    for value in (number, [number], {"a": {"b": number}}):
        with pytest.raises(InvalidError, match="no canonical form") as caught:
            canonical(value)
        assert "as strings" in caught.value.hint


@given(FLOAT_FREE)
def test_the_fast_path_writes_what_the_slow_one_writes(value: Json) -> None:
    if is_plain(value):
        assert canonical_plain(value) == rfc8785.dumps(value)
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), FLOAT_FREE, max_size=30))
def test_many_ascii_keys_are_ordered_alike(value: dict[str, Json]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_every_character_is_written_alike() -> None:
    every = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF)
    assert is_plain(every)
    assert canonical_plain(every) == rfc8785.dumps(every)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e-5, 1e-3) | st.floats(1e14, 1e16))
def test_a_float_has_one_form_on_both_paths(number: float) -> None:
    assert canonical(number) == rfc8785.dumps(number)
    assert canonical({"a": [number, -number]}) == rfc8785.dumps({"a": [number, -number]})


def test_what_is_plain() -> None:
    assert is_plain({"a": [1, None, True, "ü", (), {}]})
    assert not is_plain({"ü": 1})
    assert not is_plain(1.0)
    assert not is_plain({"a": [1.0]})
    assert not is_plain(MAX_SAFE_INTEGER + 1)
    assert not is_plain(MappingProxyType({}))


def test_keys_beyond_the_basic_plane_are_ordered_by_utf_16() -> None:
    # By code point U+FF21 comes first; its UTF-16 unit comes after the surrogates of U+1F600.
    assert canonical({"\uff21": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\uff21":1}'.encode()


class Colour(StrEnum):
    RED = "red"


def test_subclasses_and_other_mappings_are_written_as_what_they_hold() -> None:
    digest = Digest.of(b"")
    value: Json = {"digest": digest, "colour": Colour.RED, "inner": MappingProxyType({"a": (1, range(2))})}
    assert canonical(value) == b'{"colour":"red","digest":"%s","inner":{"a":[1,[0,1]]}}' % digest.encode()
    assert canonical_plain([digest]) == b'["%s"]' % digest.encode()


@pytest.mark.parametrize(
    "value", [b"bytes", {1: 2}, {None: 1}, {b"a": 1}, {1, 2}, object(), 1j, ["\ud800"], {"\udfff": 1}]
)
def test_what_json_lacks_is_invalid(value: object) -> None:
    with pytest.raises(InvalidError, match="no canonical form"):
        canonical(value)  # type: ignore[arg-type]  # that is the point


def nested(depth: int) -> list[Json]:
    value: list[Json] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("leaf", [1, 1.5])
def test_depth_has_one_limit_for_writing_and_reading(leaf: float) -> None:
    deepest: Json = {"a": nested(MAX_DEPTH - 1), "b": leaf}
    assert read_record(canonical(deepest), place="test") == deepest
    too_deep: list[Json] = [{"a": nested(MAX_DEPTH), "b": leaf}, [nested(10**5), leaf]]
    for value in too_deep:
        with pytest.raises(InvalidError, match=f"more than {MAX_DEPTH} levels"):
            canonical(value)
    with pytest.raises(InvalidError, match=f"more than {MAX_DEPTH} levels"):
        read_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), place="test")


def test_a_value_that_holds_itself_is_invalid() -> None:
    endless: list[Json] = []
    endless.append(endless)
    with pytest.raises(InvalidError, match="levels"):
        canonical(endless)


@given(st.dictionaries(TEXT, WITH_FLOATS, max_size=5))
def test_what_is_written_can_be_read_and_is_written_the_same_again(value: dict[str, Json]) -> None:
    data = canonical(value)
    read = read_record(data, place="test")
    assert canonical(read) == data
    assert read == value  # 2.0 is read as 2, which is equal
