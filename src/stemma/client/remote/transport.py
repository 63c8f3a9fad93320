"""Transport: one request and its answer, over pooled connections, and every way in which that can go wrong.

Redirects are refused, so that a token goes nowhere but to the server it is for. Answers are bounded in size and time,
uncompressed, and of the type that was asked for. What may pass is an AgainError, tried again within `Patience`.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TypeAlias
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from stemma.client.address import Address
from stemma.client.remote.network import Trust, connect
from stemma.client.remote.patience import AgainError, Patience
from stemma.client.remote.problems import PROBLEM, error_of, read_problem
from stemma.errors import StemmaError, TooLargeError, UnauthenticatedError, UnavailableError

API = "/api/v1"
JSON = "application/json"
LARGEST = 64 << 20
"""Bytes of the largest answer that is read whole."""

_PORTION = 1 << 16
_SLOWEST = 10_000  # bytes a second
_PASSING = frozenset({429, 502, 503, 504})
_OFFLINE = "See whether it runs and can be reached, or work in a folder meanwhile."
_WHERE = "See --repo and STEMMA_REPO: the address must be that of 'stemma serve'."
Query: TypeAlias = Sequence[tuple[str, str]]
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, with a status below 400."""

    status: int
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is read piece by piece; a broken connection is an AgainError."""

    status: int
    headers: Mapping[str, str]
    _response: urllib3.BaseHTTPResponse
    _server: Address

    def read(self, most: int = _PORTION) -> bytes:
        """Return some bytes as they come, empty at the end."""
        with _told(self._server):
            return self._response.read1(most)


@dataclass(slots=True)
class Transport:
    """Talks to one server. Used from several threads at once, and from processes that were forked."""

    address: Address
    token: str | None = field(default=None, repr=False)
    trust: Trust = field(default_factory=Trust)
    patience: Patience = field(default_factory=lambda: Patience(30))
    timeout: float = 30.0
    _pool: urllib3.PoolManager | None = field(default=None, init=False, repr=False)
    _process: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def ask(  # one for each part of a request
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        headers: Mapping[str, str] = _NOTHING,
        patience: Patience | None = None,
        type: str = JSON,  # noqa: A002  # what it is
        largest: int = LARGEST,
    ) -> Reply:
        """Send a request, as often as needed and allowed, and return the whole answer; problems are raised.

        Whoever sends a write sees to it that sending it twice does no harm (`Idempotency-Key`).
        """

        def step() -> Reply:
            with self._send(method, path, query, body, headers) as response:
                reply = Reply(response.status, response.headers, self._read(response, largest))
                self._check(reply, type)
                return reply

        return (patience or self.patience).call(step)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] = _NOTHING,
        type: str | None = None,  # noqa: A002  # what it is
    ) -> Iterator[Stream]:
        """Send a request and give what comes back piece by piece; its beginning is tried again, reading on is not.

        Of another type than `type`, where one is given, it is no answer of a Stemma server.
        """

        def step() -> urllib3.BaseHTTPResponse:
            response = self._open(method, path, query, None, headers)
            if response.status >= 300 or (type is not None and _type_of(response.headers) != type):  # noqa: PLR2004  # RFC 9110, 15
                try:
                    self._check(Reply(response.status, response.headers, self._read(response, LARGEST)), type or "")
                finally:
                    response.close()
            return response

        response = self.patience.call(step)
        try:
            yield Stream(response.status, response.headers, response, self.address)
        except BaseException:
            response.close()
            raise
        finally:
            response.release_conn()

    def close(self) -> None:
        """Close what is open; idempotent."""
        with self._lock:
            if self._pool is not None:
                self._pool.clear()
                self._pool = None

    @contextmanager
    def _send(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        response = self._open(method, path, query, body, headers)
        try:
            yield response
        except BaseException:
            response.close()
            raise
        finally:
            response.release_conn()

    def _open(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        given = {"Accept": f"{JSON}, {PROBLEM}", "Accept-Encoding": "identity", "User-Agent": _user_agent()}
        if body is not None:
            given["Content-Type"] = JSON
        if self.token is not None:
            given["Authorization"] = f"Bearer {self._checked_token()}"
        given |= headers
        url = f"{self.address}{API}{path}" + (f"?{urlencode(query)}" if query else "")
        with _told(self.address):
            return self._connections().request(
                method, url, body=body, headers=given, redirect=False, preload_content=False, decode_content=False
            )

    def _checked_token(self) -> str:
        token = self.token or ""
        if not token.isascii() or not token.isprintable() or " " in token:
            raise UnauthenticatedError("the token holds what no token can", hint="Copy it again, from 'stm_' on.")
        return token

    def _connections(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None or self._process != os.getpid():  # connections are of one process
                self._pool = connect(self.address, self.trust, self.timeout)
                self._process = os.getpid()
            return self._pool

    def _read(self, response: urllib3.BaseHTTPResponse, largest: int) -> bytes:
        """Return the whole body, within `largest` bytes, and not slower than anybody would wait for."""
        begun = time.monotonic()
        data = bytearray()
        with _told(self.address):
            while portion := response.read1(_PORTION):
                data += portion
                if len(data) > largest:
                    raise TooLargeError(f"an answer has more than {largest:,} bytes", place=str(self.address))
                if time.monotonic() - begun > self.timeout + len(data) / _SLOWEST:
                    raise AgainError("the answer does not end", place=str(self.address), hint=_OFFLINE)
        return bytes(data)

    def _check(self, reply: Reply, expected: str) -> None:
        """Raise what an answer tells that is no success, or that Stemma would not have given."""
        status, server = reply.status, str(self.address)
        kind = _type_of(reply.headers)
        if 300 <= status < 400 and status != 304:  # noqa: PLR2004  # RFC 9110, 15.4
            target = reply.headers.get("Location", "elsewhere")[:200]
            raise UnavailableError(
                f"redirects to {target!r}",
                place=server,
                hint="A token is not sent on: give that address if you trust it.",
            )
        problem = read_problem(reply.data) if kind == PROBLEM else None
        if status in _PASSING:
            told = problem.detail if problem and problem.detail else f"the server answers {status}"
            wait = _seconds(reply.headers.get("Retry-After"))
            raise AgainError(told, hint=(problem and problem.hint) or _OFFLINE, place=server, wait=wait)
        if problem is not None and status >= 400:  # noqa: PLR2004  # RFC 9110, 15
            raise error_of(problem, status, server)
        if status >= 400 or kind != expected:  # noqa: PLR2004  # RFC 9110, 15
            raise _stranger(server, status, kind)
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise _stranger(server, status, "an encoded answer")


def _type_of(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _stranger(server: str, status: int, kind: str) -> StemmaError:
    what = kind or "no type"
    return UnavailableError(f"what answers there is no Stemma server: {status}, {what[:80]}", place=server, hint=_WHERE)


def _seconds(text: str | None) -> float:
    """Return how long `Retry-After` asks to wait (RFC 9110, 10.2.3)."""
    if text is None:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _user_agent() -> str:
    return f"stemma/{version('stemma-ml')}"


@contextmanager
def _told(server: Address) -> Iterator[None]:
    """Turn what urllib3 and sockets raise into errors of ours."""
    place = str(server)
    try:
        yield
    except SSLError as error:
        raise _untrusted(error, place) from error
    except ProxyError as error:
        raise AgainError(f"the proxy fails: {_reason(error)}", place=place, hint="See HTTPS_PROXY.") from error
    except NameResolutionError as error:
        raise AgainError(f"there is no address for {server.host!r}", place=place, hint=_OFFLINE) from error
    except NewConnectionError as error:
        raise AgainError(f"it cannot be reached: {_reason(error)}", place=place, hint=_OFFLINE) from error
    except ConnectTimeoutError as error:
        raise AgainError("it cannot be reached: no answer in time", place=place, hint=_OFFLINE) from error
    except ReadTimeoutError as error:
        raise AgainError("it does not answer in time", place=place, hint=_OFFLINE) from error
    except ProtocolError as error:
        cut = isinstance(error, IncompleteRead) or any(isinstance(each, IncompleteRead) for each in error.args)
        what = "the answer was cut short" if cut else f"the connection broke: {_reason(error)}"
        raise AgainError(what, place=place, hint=_OFFLINE) from error
    except OSError as error:
        raise AgainError(f"the connection broke: {_reason(error)}", place=place, hint=_OFFLINE) from error
    except HTTPError as error:
        raise UnavailableError(f"what answers there is no HTTP: {_reason(error)}", place=place, hint=_WHERE) from error


def _untrusted(error: SSLError, place: str) -> StemmaError:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
        detail = text.rpartition("certificate verify failed:")[2].partition("(_ssl")[0].strip(" :'\")(") or text
        return UnavailableError(
            f"its certificate is not trusted: {detail[:200]}",
            place=place,
            hint="If it is your own, name the certificate of its issuer by STEMMA_CA_BUNDLE.",
        )
    return UnavailableError(f"there is no TLS with it: {text[:200]}", place=place, hint="Is it an http:// address?")


def _reason(error: BaseException) -> str:
    """Return the innermost reason, in short."""
    for _ in range(8):
        inner = next((each for each in error.args if isinstance(each, BaseException)), None) or error.__cause__
        if inner is None:
            break
        error = inner
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rpartition(": ")[2][:200].lower()
