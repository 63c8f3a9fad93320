"""Requests and answers on their way: what the client writes is what the server reads."""

from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from stemma.client.remote.messages import body_of, query_of, read_view, takes_body
from stemma.client.remote.problems import error_of, read_problem
from stemma.errors import ANSWERS, InvalidError, StemmaError, UnavailableError, UnsupportedError
from stemma.http.decoding import QueryDecoder, body_decoder
from stemma.http.problems import problem_of
from stemma.operations import TABLE, AnyOperation
from stemma.operations.models import MODEL
from stemma.operations.requests import ListModels, MetricGiven, Register, Request
from stemma.operations.versions import RESOLVE
from stemma.operations.views import Resolved

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: operation.name)
def test_the_server_reads_what_was_asked(operation: AnyOperation) -> None:
    members = {field.name: st.from_type(field.type) for field in structs.fields(operation.request)}

    @given(st.builds(operation.request, **members).filter(_can_travel))
    @settings(max_examples=30)
    def check(request: Request) -> None:
        if takes_body(operation):
            assert body_decoder(operation.request)(body_of(request)) == request
        else:
            assert QueryDecoder.of(operation.request).decode(urlencode(query_of(request)).encode()) == request

    check()


def _can_travel(request: Request) -> bool:
    """Whether JSON and a query can carry it at all: 64 bits, finite numbers, no NUL."""
    try:
        plain = msgspec.json.encode(request)
        read = msgspec.json.decode(plain, type=type(request))
        return (
            b"\\u0000" not in plain and read == request and all(-(2**63) <= each < 2**63 for each in _numbers(request))
        )
    except (InvalidError, msgspec.MsgspecError, UnicodeEncodeError, OverflowError):
        return False


def _numbers(value: object) -> Iterator[int]:
    match value:
        case int():
            yield value
        case dict():
            yield from chain.from_iterable(map(_numbers, value.values()))
        case list():
            yield from chain.from_iterable(map(_numbers, value))
        case msgspec.Struct():
            yield from _numbers(msgspec.to_builtins(value))
        case _:
            return


def test_what_has_its_default_is_left_out() -> None:
    assert query_of(ListModels(namespace="bank")) == [("namespace", "bank")]
    assert msgspec.json.decode(body_of(Register(model="a/b", manifest="m", what="w"))) == {
        "model": "a/b",
        "manifest": "m",
        "what": "w",
    }


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_say_is_refused_and_never_lost(number: float) -> None:
    metric = MetricGiven(name="auc", value=number)
    with pytest.raises(InvalidError) as refused:
        body_of(Register(model="a/b", manifest="m", what="w", metrics=(metric,)))
    assert refused.value.place == "metrics[0].value"
    with pytest.raises(InvalidError) as refused:
        body_of(Register(model="a/b", manifest="m", what="w", params={"rate": number}))
    assert refused.value.place == "params.rate"


RESOLVED = Resolved(
    reference="a/b@1.0.0",
    model="a/b",
    number="1.0.0",
    sequence=1,
    digest="sha256:d",
    manifest="sha256:m",
    branch="main",
)


def test_a_newer_server_may_say_more_and_never_less() -> None:
    told = msgspec.to_builtins(RESOLVED)
    more = msgspec.json.encode(told | {"shiny": {"new": [1]}})
    assert read_view(more, RESOLVE, "https://x") == RESOLVED
    for name in ("manifest", "digest", "sequence"):
        less = msgspec.json.encode({key: value for key, value in told.items() if key != name})
        with pytest.raises(UnsupportedError) as refused:
            read_view(less, RESOLVE, "https://x")
        assert refused.value.place == "https://x"
        assert name in refused.value.message


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b'{"reference": 1}', b"{" * 100_000, b"[" * 100_000, b'"\xff"', b"<html>", b'{"a": NaN}'],
    ids=range(9),
)
def test_an_answer_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedError):
        read_view(data, RESOLVE, "https://x")
    with pytest.raises(UnsupportedError):
        read_view(data, MODEL, "https://x")


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.code)
@given(message=TEXT.filter(bool), hint=TEXT, place=TEXT.filter(lambda place: not place.startswith("/")))
def test_an_error_arrives_as_it_was_raised(kind: type[StemmaError], message: str, hint: str, place: str) -> None:
    raised = kind(message, hint=hint, place=place)
    told, _ = problem_of(raised, "request-1")
    problem = read_problem(msgspec.json.encode(told))
    assert problem is not None
    arrived = error_of(problem, told.status, "https://x")
    assert type(arrived) is kind
    assert (arrived.message, arrived.hint, arrived.place) == (message, hint, place)


def test_a_bug_of_the_server_is_told_with_the_request() -> None:
    told, _ = problem_of(RuntimeError("secret"), "request-1")
    problem = read_problem(msgspec.json.encode(told))
    assert problem is not None
    arrived = error_of(problem, 500, "https://x")
    assert type(arrived) is UnavailableError
    assert "request-1" in arrived.hint
    assert "secret" not in str(arrived)


@pytest.mark.parametrize(("status", "kind"), [(400, InvalidError), (500, UnavailableError), (418, UnavailableError)])
def test_a_problem_of_an_unknown_kind_is_the_nearest_by_status(status: int, kind: type[StemmaError]) -> None:
    problem = read_problem(b'{"code": "never_heard_of", "detail": "something new", "extra": 1}')
    assert problem is not None
    assert type(error_of(problem, status, "https://x")) is kind


@given(st.binary(max_size=60))
def test_what_is_no_problem_is_none(data: bytes) -> None:
    read_problem(data)
