"""A connection: uvicorn's HTTP protocol, with bounds on the time and the size of all that comes before a body.

Without them a client that sends a byte a minute would hold a connection for ever, and one that sends headers without
end would fill the memory. What is no HTTP is told as a problem, like all else.
"""

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from stemma.errors import InvalidError, StemmaError, TooLargeError, UnavailableError
from stemma.http.problems import HttpError, answer_problem
from stemma.http.running import Limits

_KINDS: dict[int, type[StemmaError]] = {408: UnavailableError, 431: TooLargeError, 503: UnavailableError}
_LINGER = 2.0
_LINGER_BYTES = 16 << 20


class Config(uvicorn.Config):
    """Uvicorn's configuration, and our limits."""

    def __init__(self, limits: Limits, *args: Any, **options: Any) -> None:  # noqa: ANN401  # uvicorn's signature
        super().__init__(*args, **options)
        self.limits = limits


class Bounded(HttpToolsProtocol):
    """A connection: how many bytes of headers came since anything else did, and until when all of them must have.

    Who is answered before all of a body came may go on sending for a while, so that the answer is read at all.
    """

    config: Config
    waiting: asyncio.TimerHandle | None = None
    in_headers = True
    header_bytes = 0
    lingered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; small answers leave at once."""
        super().connection_made(transport)
        if len(self.connections) > self.config.limits.connections:
            self._refuse(503, f"there are {self.config.limits.connections} connections already")
            return
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; headers that grow too long end the connection."""
        if self.in_headers and self.waiting is None:
            self._wait()
        self.header_bytes += len(data)
        if not self.in_headers and self.waiting is not None:
            self._linger(len(data))
        super().data_received(data)
        if self.header_bytes > self.config.limits.header_bytes:
            self._refuse(431, f"the headers are over {self.config.limits.header_bytes} bytes")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.in_headers = True

    def on_headers_complete(self) -> None:
        """Note that all headers came in time."""
        self._arrived()
        self.in_headers = False
        self.header_bytes = 0
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; what trails a body is passed over, for it was not there when the request was judged."""
        if not self.in_headers:
            return
        if len(self.headers) >= self.config.limits.header_fields:
            raise httptools.HttpParserError("too many headers")
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body: what comes beside it, as chunks' extensions and trailers, counts as headers do."""
        self.header_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        super().on_message_complete()
        self.in_headers = True
        self.header_bytes = 0
        self._arrived()

    def on_response_complete(self) -> None:
        """Go on; who was answered before all of the body came may read the answer, and is then cut off."""
        super().on_response_complete()
        if not self.in_headers and self.waiting is None:
            self.lingered = 0
            self.waiting = self.loop.call_later(_LINGER, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        self._refuse(400, msg)

    def _linger(self, size: int) -> None:
        self.lingered += size
        if self.lingered > _LINGER_BYTES:
            self.transport.close()

    def _wait(self) -> None:
        self.waiting = self.loop.call_later(self.config.limits.header, self._expire)

    def _arrived(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None

    def _expire(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:  # it sent one request, and begins another meanwhile
            self._wait()
            return
        self._refuse(408, f"the headers took more than {self.config.limits.header:g} s")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()  # in the middle of an answer nothing else can be said
            return
        answer = answer_problem(HttpError(status, _KINDS.get(status, InvalidError)(message)), "")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, HTTPStatus(status).phrase.encode(), answer.media_type, len(answer.body), answer.body)
        )
        self.transport.close()
