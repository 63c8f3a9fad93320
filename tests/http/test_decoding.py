"""Queries and bodies are read strictly: what is wrong is named, in bounded time."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.http.decoding import QueryDecoder, body_decoder
from stemma.operations import TABLE
from stemma.operations.requests import Register, Request, Walk


class Asked(Request, frozen=True, kw_only=True):
    name: str
    limit: int | None = None
    deep: bool = False
    kinds: tuple[str, ...] = ()


class Sent(Request, frozen=True, kw_only=True):
    value: float | str | None = None
    whole: int = 0
    more: dict[str, str] = {}  # noqa: RUF012  # msgspec makes a new one for each
    parts: tuple[Asked, ...] = ()


query = QueryDecoder.of(Asked)
body = body_decoder(Sent)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("name=a", Asked(name="a")),
        ("name=", Asked(name="")),
        ("name=a%20b%2Fc+d", Asked(name="a b/c d")),
        ("name=%C3%A4&limit=7&deep=true", Asked(name="ä", limit=7, deep=True)),
        ("name=null&limit=-1&deep=false", Asked(name="null", limit=-1)),
        ("name=a&kinds=x&kinds=y", Asked(name="a", kinds=("x", "y"))),
    ],
)
def test_a_query_is_read_as_its_request(text: str, meant: Asked) -> None:
    assert query.decode(text.encode()) == meant


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "name"),
        ("limit=1", "name"),
        ("name=a&name=b", "name"),
        ("name=a&namespace=other", "namespace"),
        ("name=a&approved_by=me", "approved_by"),
        ("name=a&limit=1.0", "limit"),
        ("name=a&limit=1e3", "limit"),
        ("name=a&limit=01", "limit"),
        ("name=a&limit=+1", "limit"),
        ("name=a&limit=1_0", "limit"),
        ("name=a&limit=%D9%A1", "limit"),
        ("name=a&limit=99999999999999999999", "limit"),
        ("name=a&limit=" + "9" * 10_000, "limit"),
        ("name=a&limit=", "limit"),
        ("name=a&deep=1", "deep"),
        ("name=a&deep=True", "deep"),
        ("name=a%00b", "name"),
        ("name", "query"),
        ("name=a&&deep=true", "query"),
        ("name=%FF", "query"),
        ("name=a&" + "kinds=x&" * 1001 + "kinds=x", "query"),
    ],
)
def test_a_query_that_is_wrong_is_refused_with_the_name(text: str, named: str) -> None:
    with pytest.raises(InvalidError) as raised:
        query.decode(text.encode())
    assert named in str(raised.value)


@given(st.binary(max_size=200))
def test_any_query_is_read_or_refused(text: bytes) -> None:
    with suppress(InvalidError):
        query.decode(text)


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: str(operation.name))
def test_every_reading_operation_can_be_asked_by_a_query(operation: object) -> None:
    assert isinstance(operation, type(TABLE[0]))
    if not operation.writes:
        assert QueryDecoder.of(operation.request).readers.keys() == {
            field.encode_name for field in msgspec.structs.fields(operation.request)
        }


def test_what_no_query_can_carry_is_found_when_the_server_starts() -> None:
    with pytest.raises(TypeError, match="which no query can carry"):
        QueryDecoder.of(Register)
    assert QueryDecoder.of(Walk).readers["kinds"][1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"null", "expected `object`"),
        (b"[]", "expected `object`"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b"{'whole': 1}", "no JSON"),
        (b'{"whole": 1} {}', "no JSON"),
        (b'{"value": NaN}', "no JSON"),
        (b'{"value": Infinity}', "no JSON"),
        (b'{"value": -Infinity}', "no JSON"),
        (b'{"value": 1e999}', "value"),
        (b'{"value": "\xff"}', "no JSON"),
        (b'{"value": "\\ud800"}', "no JSON"),
        (b'{"value": "\\ud800\\ud800"}', "no JSON"),
        (b'{"whole": 1.5}', "whole"),
        (b'{"whole": "1"}', "whole"),
        (b'{"whole": true}', "whole"),
        (b'{"whole": 9223372036854775808}', "more than 64 bits"),
        (b'{"whole": 1%s}' % (b"0" * 100_000), "whole"),
        (b'{"value": 1%s}' % (b"0" * 100_000), "value"),
        (b'{"whole": 1, "whole": 2}', "given twice"),
        (b'{"whole": 1, "\\u0077hole": 2}', "given twice"),
        (b'{"more": {"a": "1", "a": "2"}}', "given twice"),
        (b'{"parts": [{"name": "a", "name": "a"}]}', "given twice"),
        (b'{"parts": [{"name": "a", "approved_by": "me"}]}', "approved_by"),
        (b'{"namespace": "other"}', "namespace"),
        (b'{"approved_by": "me"}', "approved_by"),
        (b'{"more": {"a": 1}}', "more"),
        (b'{"value": ' + b"[" * 100_000, "value"),
        (b"[" * 100_000, "expected `object`"),
        (b'{"a":' * 100_000, "unknown field `a`"),
    ],
)
def test_a_body_that_is_wrong_is_refused_and_says_where(text: bytes, said: str) -> None:
    with pytest.raises(InvalidError) as raised:
        body(text)
    assert said in f"{raised.value} {raised.value.place}"


def test_a_body_without_a_shape_is_not_followed_into_its_depth() -> None:
    class Anything(Request, frozen=True, kw_only=True):
        value: object = None

    with pytest.raises(InvalidError, match="nested too deeply"):
        body_decoder(Anything)(b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@given(
    st.builds(
        Sent,
        value=st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        whole=st.integers(-(2**63), 2**63 - 1),
        more=st.dictionaries(st.text(), st.text()),
        parts=st.lists(st.builds(Asked, name=st.text(), kinds=st.lists(st.text()).map(tuple))).map(tuple),
    )
)
def test_every_request_is_read_as_it_was_sent(sent: Sent) -> None:
    try:
        text = msgspec.json.encode(sent)
    except UnicodeEncodeError:
        return  # lone surrogates are no text
    assert body(text) == sent
    assert body(json.dumps(json.loads(text)).encode()) == sent
