"""Reading is strict: a value has one id, and what is not canonical is refused."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError
from stemma.records import Digest, Json, canonical, read_json, read_record

RECORD: Json = {
    "schema": "stemma/version/1",
    "title": "Zażółć \U0001f600",
    "parents": [{"kind": "continues", "version": "sha256:" + "0" * 64}],
    "count": 12,
    "share": 0.25,
    "none": None,
}


def test_every_changed_byte_is_refused_or_has_another_digest() -> None:
    data = canonical(RECORD)
    digest = Digest.of(data)
    for index in range(len(data)):
        for byte in range(256):
            if byte == data[index]:
                continue
            changed = data[:index] + bytes([byte]) + data[index + 1 :]
            assert Digest.of(changed) != digest
            try:
                value = read_record(changed, place="test")
            except CorruptError:
                continue
            assert canonical(value) == changed
            assert value != RECORD


def test_every_cut_and_every_added_byte_is_refused() -> None:
    data = canonical(RECORD)
    for index in range(len(data)):
        with pytest.raises(CorruptError):
            read_record(data[:index], place="test")
    for byte in range(256):
        for changed in (data + bytes([byte]), bytes([byte]) + data):
            with pytest.raises(CorruptError):
                read_record(changed, place="test")


@given(st.binary(max_size=60))
@example(b'{"a":1}')
def test_bytes_are_canonical_or_refused(data: bytes) -> None:
    try:
        value = read_record(data, place="test")
    except CorruptError as error:
        assert error.place == "test"  # noqa: PT017  # most bytes are refused, some are not
    else:
        assert canonical(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b" {}",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":1e0}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":9007199254740993}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'{"a":"\x00"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}",
        b'{"a":' * 10**5,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_not_canonical_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptError) as caught:
        read_record(data, place="record x")
    assert caught.value.place == "record x"
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":100000000000000000000}', 1e20),
        ('{"a":9007199254740992}', 2.0**53),
        ('{"a":9007199254740991}', 2**53 - 1),
        ('{"a":-9007199254740991}', 1 - 2**53),
        ('{"a":1e+21}', 1e21),
    ],
)
def test_whole_numbers_are_read_as_they_are_written(text: str, value: float) -> None:
    assert read_record(text.encode(), place="test") == {"a": value}
    assert canonical({"a": value}) == text.encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":NaN}', "NaN is not a JSON value"),
        (b"[-Infinity]", "-Infinity is not a JSON value"),
        (b"1e999", "inf is not"),
        (b"9007199254740993", "9007199254740993"),
        (b"9" * 5000, "not valid JSON"),
        (b'"\\udc00"', "no canonical form"),
        (b'{"\\ud800":1}', "no canonical form"),
        (b'"\xff"', "utf-8"),
        (b"[" * 10**5, "not valid JSON"),
        (b"[" * 200 + b"]" * 200, "more than 100 levels"),
        (b"", "not valid JSON"),
        (b"{} {}", "not valid JSON"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_hostile_json_is_invalid_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(InvalidError, match=message) as caught:
        read_json(data, place="request body")
    assert caught.value.place == "request body"


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15), st.lists)
)
def test_ordinary_json_is_read_as_it_is(value: Json) -> None:
    assert read_json(json.dumps(value).encode(), place="test") == value
