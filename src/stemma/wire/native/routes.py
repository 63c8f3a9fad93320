"""The routes that the table of operations makes: `/api/v1` and the operation's path.

A GET carries its request in the query and is answered with an entity tag; any other method carries it as a JSON
object in the body, and may carry an `Idempotency-Key`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.types import ASGIApp

from stemma.errors import CorruptError, InvalidError
from stemma.http.answers import Answer, answer_tagged
from stemma.http.decoding import QueryDecoder, body_decoder
from stemma.http.problems import blame_sender, refuse
from stemma.http.routes import MAX_BODY, Exchange, Route
from stemma.operations import AnyOperation

PREFIX = "/api/v1"
_ON_LOOP = 64 << 10
_MAX_KEY = 128
LARGE: Mapping[str, int] = dict.fromkeys(("exchange.receive", "exchange.import"), 64 << 20)
"""Operations whose requests carry many entries and records, and how many bytes they may have."""


def route_of(operation: AnyOperation, description: Mapping[str, Any]) -> Route:
    """Return the route of one operation."""
    return Route(
        operation.method,
        PREFIX + operation.path,
        operation.permission,
        operation.name,
        _change(operation) if operation.writes else _read(operation),
        max_body=LARGE.get(operation.name, MAX_BODY),
        description=description,
    )


def _read(operation: AnyOperation) -> Callable[[Exchange], Awaitable[ASGIApp]]:
    decoder = QueryDecoder.of(operation.request)

    async def answer(exchange: Exchange) -> ASGIApp:
        asked = decoder.decode(exchange.query)
        body = await exchange.runner.run(operation, exchange, asked)
        return answer_tagged(body, exchange.headers.get(b"if-none-match"))

    return answer


def _change(operation: AnyOperation) -> Callable[[Exchange], Awaitable[ASGIApp]]:
    decode = body_decoder(operation.request)

    async def answer(exchange: Exchange) -> ASGIApp:
        headers = exchange.headers
        if exchange.query:
            raise InvalidError("a change takes its request in the body, not in the query")
        check_type(headers)
        key = key_of(headers)
        await exchange.runner.admit(exchange)  # before a stranger's body is taken in
        body = await exchange.body()
        asked = decode(body) if len(body) <= _ON_LOOP else await exchange.in_thread(decode, body)
        try:
            return Answer(await exchange.runner.run(operation, exchange, asked, key))
        except CorruptError as error:
            raise blame_sender(error) if operation.receives else error from error

    return answer


def check_type(headers: Mapping[bytes, bytes]) -> None:
    """Return where the body is plain JSON, else raise a 415: bodies are not compressed."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise refuse(415, f"the body is {kind.decode('latin-1')[:80] or 'of no type'}, not application/json")
    coding = headers.get(b"content-encoding")
    if coding is not None and coding.strip().lower() not in {b"", b"identity"}:
        raise refuse(
            415, f"the body is coded as {coding.decode('latin-1')[:40]}", hint="Send it as it is.", accept_encoding=""
        )


def key_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the idempotency key of a request, None where it has none."""
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    key = given.decode("latin-1")
    if not key or len(key) > _MAX_KEY or not key.isascii() or not key.isprintable():
        raise InvalidError(
            f"the Idempotency-Key {key[:40]!r} is no key", hint=f"Use 1 to {_MAX_KEY} printable ASCII characters."
        )
    return key
