"""Routes: what a door declares, and what a request looks like to it. This is the whole interface of a new door.

A door is a value with a name and routes. A route answers one method and path:

    async def read_content(exchange: Exchange) -> ASGIApp:
        query = QueryDecoder.of(Content).decode(exchange.query)      # strict; InvalidError becomes a problem
        caller = await exchange.authenticate()                        # UnauthenticatedError becomes 401
        part = await exchange.read(lambda tx: subjects.… (tx, caller, …))  # a read transaction, off the loop
        return StreamingResponse(…)                                   # or Answer(…); any ASGI application

    Route("GET", "/api/v1/content", Permission.READ, "content.read", read_content)

Bodies are read by `await exchange.body()` (whole, within `max_body`) or `async for chunk in exchange.stream()`, both
bounded in size and time. Work that blocks runs by `await exchange.in_thread(function, …)`. Every error that leaves a
route is told as a problem; one that is raised after the answer has begun ends the connection.
`{name}` in a path is one segment, `{name:path}` is all that follows; both arrive decoded in `exchange.parameters`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from stemma.access import Caller, Permission
from stemma.errors import TooLargeError
from stemma.http.problems import out_of_time
from stemma.http.running import FREE, Runner
from stemma.operations import Transaction

Result = TypeVar("Result")
MAX_BODY = 1 << 20


class Exchange:
    """One request on its way to an answer. `token` is the text that authenticates it, None where there is none.

    `held` is how much of the room for bodies is its own, until `release`.
    """

    __slots__ = (
        *("caller", "headers", "held", "id", "parameters", "query"),
        *("receive", "route", "runner", "scope", "token"),
    )

    def __init__(  # what the application knows of a request
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], identity: str, runner: Runner
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = headers
        self.id = identity
        self.runner = runner
        self.query: bytes = scope["query_string"]
        self.parameters: Mapping[str, Any] = {}
        self.token: str | None = None
        self.caller: Caller | None = None
        self.route: Route | None = None
        self.held = 0

    async def authenticate(self) -> Caller:
        """Return who asks; UnauthenticatedError where nobody vouches for them."""
        return await self.runner.authenticate(self)

    async def read(self, step: Callable[[Transaction], Result]) -> Result:
        """Run `step` in a read transaction, in a thread."""
        return await self.runner.read(step)

    async def write(self, step: Callable[[Transaction], Result], logs: frozenset[str]) -> Result:
        """Run `step` in a write transaction that may append to `logs`; durable when this returns."""
        return await self.runner.write(step, logs)

    async def in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401  # passed on
        """Run `function(*arguments)`, which may block, in a thread."""
        return await self.runner.in_thread(function, *arguments)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body, chunk by chunk; TooLargeError beyond `max_body` of the route, a 408 where it is too slow.

        The time that its consumer takes is not the client's.
        """
        limit, limits = self._check_length(), self.runner.limits
        received, waited, more = 0, 0.0, True
        while more:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(min(limits.body_stall, limits.body + received / limits.body_rate - waited)):
                    chunk, more = await self._receive()
            except TimeoutError:
                raise out_of_time(f"after {received} bytes the body came too slowly") from None
            waited += time.monotonic() - begun
            received += len(chunk)
            if limit is not None and received > limit:
                raise _too_large(limit)
            if chunk:
                yield chunk

    async def body(self) -> bytes:
        """Return the whole body: at most `max_body` of the route, and in time. `release` ends its room."""
        limit, seconds = self._check_length(), self.runner.limits.body
        whole, more = bytearray(), True
        try:
            async with asyncio.timeout(seconds):
                while more:
                    chunk, more = await self._receive()
                    whole += chunk
                    if limit is not None and len(whole) > limit:
                        raise _too_large(limit)
                    self._hold(len(whole) - FREE)
        except TimeoutError:
            raise out_of_time(f"the body took more than {seconds:g} s") from None
        return bytes(whole)

    def release(self) -> None:
        """Give back the room that the body had."""
        self.runner.room.taken -= self.held
        self.held = 0

    def _hold(self, size: int) -> None:
        if size > self.held:
            self.runner.room.take(size - self.held, self.runner.limits.bodies)
            self.held = size

    def _check_length(self) -> int | None:
        limit = MAX_BODY if self.route is None else self.route.max_body
        if limit is not None and int(self.headers.get(b"content-length", b"0")) > limit:
            raise _too_large(limit)
        return limit

    async def _receive(self) -> tuple[bytes, bool]:
        message = await self.receive()
        if message["type"] != "http.request":
            raise GoneError
        return message.get("body", b""), message.get("more_body", False)


class GoneError(Exception):
    """The client went away; there is nobody to answer."""


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is over {limit} bytes", hint="Send less at once.")


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path. `permission` is what the fronts will require, None where each caller sees their own.

    `operation` names it in logs and figures. `public` routes are answered without a token, and may say so only where
    they tell nothing. `max_body` is in bytes, None where the route bounds it itself.
    """

    method: str
    path: str
    permission: Permission | None
    operation: str
    answer: Callable[[Exchange], Awaitable[ASGIApp]]
    max_body: int | None = MAX_BODY
    public: bool = False
    description: Mapping[str, Any] = field(default_factory=dict)
    """What `/openapi.json` says of it (an Operation Object, OpenAPI 3.1)."""


class Door(Protocol):
    """A protocol spoken over HTTP."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """Everything that it answers."""
        ...

    def stop(self) -> None:
        """Let what goes on beside requests end soon: the server ends."""
        ...


__all__ = ["MAX_BODY", "ASGIApp", "Door", "Exchange", "Receive", "Route", "Scope", "Send"]
