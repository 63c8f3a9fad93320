"""Asking a server in tests: whole requests, and bytes on a socket where the request itself is what is wrong."""

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

PATIENCE = 30.0


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # what JSON holds
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem, which must be one as RFC 9457 says."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status
        assert {"type", "title", "detail", "code", "hint", "place", "request"} <= problem.keys()
        return str(problem["code"])


def ask(
    url: str,
    path: str,
    *,
    method: str = "GET",
    query: Mapping[str, object] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    """Send one request; `body` is sent as JSON unless it is bytes."""
    headers = {**(headers or {})}
    if query:
        path = f"{path}?{urlencode(query, doseq=True)}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Got(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())


def connect(url: str) -> socket.socket:
    """Return a socket that is connected to a server."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)


def send_raw(url: str, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the server closes the connection."""
    with connect(url) as peer:
        with suppress(OSError):  # it may close meanwhile
            peer.sendall(data)
        return read_all(peer)


def read_all(peer: socket.socket) -> bytes:
    """Return all that comes until the other side closes the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while part := peer.recv(65536):
            received += part
    return received
