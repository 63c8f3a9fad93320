"""Messages: an operation's request as method, path, query and body, and an answer's bytes as its view.

What has its default is left out of a request, so that an older server, which refuses members that it does not know, is
asked nothing new unless something new is wanted. Members of an answer that this release does not know are passed over,
so that a newer server can say more; one that is missing or of another type is refused.
"""

from collections.abc import Iterator
from math import isfinite
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, structs

from stemma.errors import InvalidError, UnsupportedError
from stemma.operations import AnyOperation, Operation
from stemma.operations.requests import Request
from stemma.operations.views import View

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)


def query_of(request: Request) -> list[tuple[str, str]]:
    """Return the request of an operation that reads, as the parameters of a query; members of a list repeat."""
    pairs: list[tuple[str, str]] = []
    for name, value in _given(request):
        values = value if isinstance(value, tuple | list) else (value,)
        pairs += [(name, _text(each)) for each in values]
    return pairs


def body_of(request: Request) -> bytes:
    """Return the request of an operation that writes, as JSON; InvalidError for a number that JSON cannot say."""
    given = dict(_given(request))
    _check_numbers(given, "")
    return msgspec.json.encode(given, enc_hook=_plain)


def read_view(data: bytes, operation: Operation[Asked, Answered], server: str) -> Answered:
    """Return the view that an answer holds."""
    try:
        return msgspec.json.decode(data, type=operation.response)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnsupportedError(
            f"the answer to {operation.name!r} is none that this release knows: {str(error)[:200]}",
            place=server,
            hint="Compare the versions of both: 'stemma doctor' prints them.",
        ) from error


def takes_body(operation: AnyOperation) -> bool:
    """Whether its request travels as a body."""
    return bool(operation.writes)


def _check_numbers(value: object, place: str) -> None:
    """Raise an InvalidError for a number that is not finite: it would arrive as null."""
    match value:
        case float() if not isfinite(value):
            raise InvalidError(f"{value} is not a finite number", place=place)
        case dict():
            for name, each in value.items():
                _check_numbers(each, f"{place}.{name}".lstrip("."))
        case list() | tuple():
            for at, each in enumerate(value):
                _check_numbers(each, f"{place}[{at}]")
        case Struct():
            _check_numbers(structs.asdict(value), place)
        case _:
            return


def _given(request: Struct) -> Iterator[tuple[str, Any]]:
    """Yield the members that differ from their default."""
    for field in structs.fields(request):
        value = getattr(request, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if field.required or default is UNSET or value != default:
            yield field.encode_name, value


def _plain(value: object) -> str:
    """Return a text with a type of its own, such as a digest, as text."""
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{type(value).__name__} cannot stand in JSON")


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str.__str__(value) if isinstance(value, str) else str(value)
        case _:
            raise TypeError(f"{type(value).__name__} cannot stand in a query")
