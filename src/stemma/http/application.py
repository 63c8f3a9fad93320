"""The application: every door's routes behind one entrance, as one ASGI application.

1. A request gets an id, and its headers are read once. 2. Host and Origin are checked. 3. The path finds its route;
none is a 404 or a 405. 4. The route answers. 5. Whatever went wrong is told as a problem. 6. It is counted and logged.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stemma.errors import InvalidError, NotFoundError
from stemma.http.answers import Answer
from stemma.http.authentication import token_of
from stemma.http.origins import Origins
from stemma.http.problems import HttpError, answer_problem, refuse
from stemma.http.routes import Door, Exchange, GoneError, Route
from stemma.http.running import Runner
from stemma.http.watching.requestlog import Happened, Log
from stemma.operations import BY_NAME

_ONCE = frozenset({b"authorization", b"host", b"content-type", b"content-encoding", b"idempotency-key", b"origin"})
_IDENTITY = re.compile(rb"[A-Za-z0-9._-]{1,64}", re.ASCII)
_NONE: Mapping[str, Any] = {}
_PROCESS = secrets.token_hex(4)
"""What the ids of requests begin with in this process; random bits for each would cost more than they are worth."""
_REQUESTS = count(1)
_EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


@dataclass(frozen=True, slots=True)
class Paths:
    """Which route answers a method and path."""

    fixed: dict[str, dict[str, Route]] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], Mapping[str, Any], dict[str, Route]]] = field(default_factory=list)

    @classmethod
    def of(cls, routes: Iterable[Route]) -> "Paths":
        """Return the routes by path; a TypeError where two claim the same."""
        paths = cls()
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = by_path.setdefault(route.path, {})
            if route.method in methods:
                raise TypeError(f"two routes answer {route.method} {route.path}")
            methods[route.method] = route
        for path, methods in by_path.items():
            if "{" in path:
                pattern, _, converters = compile_path(path)
                paths.patterns.append((pattern, converters, methods))
            else:
                paths.fixed[path] = methods
        return paths

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, Any]]:
        """Return the route and the parameters in its path, or raise the 404 or 405."""
        methods = self.fixed.get(path)
        parameters = _NONE
        if methods is None:
            for pattern, converters, found in self.patterns:
                if match := pattern.match(path):
                    methods = found
                    parameters = {name: converters[name].convert(text) for name, text in match.groupdict().items()}
                    break
            else:
                raise NotFoundError(f"there is no path {path[:200]!r}", hint="/openapi.json lists what there is.")
        route = methods.get("GET" if method == "HEAD" and "HEAD" not in methods else method)
        if route is None:
            raise refuse(405, f"{method[:20]} is not answered here", allow=_allowed(methods))
        return route, parameters


def _allowed(methods: Mapping[str, Route]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


class Application:
    """The ASGI application."""

    def __init__(self, runner: Runner, doors: Sequence[Door], origins: Origins, log: Log) -> None:
        routes = [route for door in doors for route in door.routes]
        check_permissions(doors)
        self.runner = runner
        self._paths = Paths.of(routes)
        self._origins = origins
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; websockets are refused."""
        if scope["type"] != "http":
            raise RuntimeError(f"there is nothing to answer a {scope['type']}")
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        exchange = Exchange(scope, receive, headers, _identity(headers), self.runner)
        answering = _Answering(send, exchange.id.encode(), self.runner.limits.read_stall)
        log = self._log
        log.begin()
        error: BaseException | None = None
        try:
            answer = await self._answer(exchange, scope)
            await answer(scope, receive, answering.send)
        except GoneError:
            answering.status = answering.status or 499
        except Exception as raised:  # the outermost place: whatever it is, it is told
            error = raised
            if answering.status:
                raise
            await answer_problem(raised, exchange.id)(scope, receive, answering.send)
        except asyncio.CancelledError:
            answering.status = answering.status or 499
            raise
        finally:
            exchange.release()
            route, caller = exchange.route, exchange.caller
            log.end(
                Happened(
                    exchange.id,
                    None if caller is None else caller.id,
                    scope["method"],
                    "unknown" if route is None else route.operation,
                    scope["path"],
                    answering.status or 500,
                    time.perf_counter() - begun,
                    error,
                )
            )

    async def _answer(self, exchange: Exchange, scope: Scope) -> ASGIApp:
        headers = exchange.headers
        if len(headers) != len(scope["headers"]):
            _refuse_repeated(scope["headers"])
        self._origins.check(headers)
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            return self._options(path)
        route, exchange.parameters = self._paths.find(method, path)
        exchange.route = route
        if not route.public:
            exchange.token = token_of(headers.get(b"authorization"))
        return await route.answer(exchange)

    def _options(self, path: str) -> Answer:
        """Say which methods a path answers. No header of CORS is ever sent: pages of other origins may not ask."""
        try:
            self._paths.find("", path)
        except HttpError as refusal:
            return Answer(status=204, headers=refusal.headers)
        raise AssertionError("no route answers an empty method")


class _Answering:
    """Sends an answer, with the headers that every answer has, and remembers its status."""

    __slots__ = ("_identity", "_patience", "_send", "status")

    def __init__(self, send: Send, identity: bytes, patience: float) -> None:
        self._patience = patience
        self._send = send
        self._identity = identity
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *_EVERYWHERE, (b"x-request-id", self._identity)]
        if not message.get("more_body", False):
            await self._send(message)
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._send(message)
        except TimeoutError:
            raise GoneError from None  # it reads no more, and the connection is closed


def check_permissions(doors: Sequence[Door]) -> None:
    """Raise TypeError where a route does not say which permission it needs.

    It may be public, but then it needs none; and an operation may show each caller their own, as the table says.
    """
    for door in doors:
        for route in door.routes:
            where = f"{door.name}: {route.method} {route.path}"
            if route.public and route.permission is not None:
                raise TypeError(f"{where} is public and asks for {route.permission}")
            operation = BY_NAME.get(route.operation)
            if operation is None and not route.public and route.permission is None:
                raise TypeError(f"{where} declares no permission")
            if operation is not None and (route.public or route.permission is not operation.permission):
                raise TypeError(f"{where} asks for {route.permission}, and its operation for {operation.permission}")


def _identity(headers: Mapping[bytes, bytes]) -> str:
    """Return the caller's id of a request where it is harmless, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _IDENTITY.fullmatch(given):
        return given.decode()
    return f"{_PROCESS}{next(_REQUESTS):08x}"


def _refuse_repeated(headers: Iterable[tuple[bytes, bytes]]) -> None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _ONCE:
            raise InvalidError(f"the header {name.decode('latin-1')} is sent twice")
        seen.add(name)
