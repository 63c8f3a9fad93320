"""Sending a delivery over HTTP to an address that was checked, and to no other.

1. The URL is read by the one grammar, and the rules are asked about it.
2. Its host is looked up once; every address that comes back is checked, and one that lies inside refuses them all.
3. The connection goes to a checked address itself, so that no second look-up can lead elsewhere. TLS names the host and
   checks its certificate for it.
4. Of the answer only the status and `Retry-After` are read. A redirect is a failure and is not followed. All of it
   together takes no longer than `seconds`: a watch cuts the connection, however slowly bytes drip.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import TypeAlias

from stemma.errors import InvalidError, RefusedError
from stemma.webhooks import Address, Answer, Rules
from stemma.webhooks.address import IP

SECONDS = 15.0
MOST_ADDRESSES = 16
_LOOK_UPS = 16  # each may hang for as long as the system's resolver waits
_SECONDS_ASKED = re.compile(r"[0-9]{1,6}", re.ASCII)
_REDIRECTS = range(300, 400)

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Returns the IP addresses of a host as text; an OSError where it has none."""


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True)
class PinnedSender:
    """A `Sender` over HTTP; `tls` is the system's own trust unless another is given."""

    rules: Rules
    resolve: Resolver = look_up
    tls: ssl.SSLContext | None = None
    seconds: float = SECONDS
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="stemma-names"), repr=False
    )

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, /) -> Answer:
        """Make one attempt; where a host has several addresses, the next is tried if no connection was made."""
        ends = time.monotonic() + self.seconds
        try:
            address = Address.parse(url)
            self.rules.check(address)
            checked = self._checked(address, ends)
        except (InvalidError, RefusedError) as error:
            return Answer(None, error.message)
        except (OSError, NotInTimeError) as error:
            return Answer(None, f"{url_host(url)} could not be looked up: {_told(error)}")
        problem: Exception | None = None
        for ip in checked:
            try:
                connection = self._connect(address, ip, ends)
            except (OSError, ssl.SSLError) as error:
                problem = error
                continue
            return _exchange(connection, address, headers, body)
        return Answer(None, f"no connection: {_told(problem)}")

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self.tls or ssl.create_default_context()

    def _checked(self, address: Address, ends: float) -> list[IP]:
        """Return the addresses to try; RefusedError unless the rules allow every one."""
        if address.literal is not None:
            return [address.literal]  # checked with the URL
        looking = self._pool.submit(self.resolve, address.host, address.port)
        found = [ip_address(text) for text in looking.result(max(ends - time.monotonic(), 0))[:MOST_ADDRESSES]]
        if not found:
            raise OSError("it has no address")
        for ip in found:
            self.rules.check_ip(ip)
        return found

    def _connect(self, address: Address, ip: IP, ends: float) -> "_Connection":
        left = max(ends - time.monotonic(), 0.001)
        raw = socket.create_connection((str(ip), address.port), timeout=left)
        connection = _Connection(raw, ends)
        try:
            if address.scheme == "https":
                connection.wire = self._context.wrap_socket(raw, server_hostname=address.host)
        except BaseException:
            connection.close()
            raise
        return connection


class _Connection:
    """A connection that is cut when its time is over."""

    def __init__(self, raw: socket.socket, ends: float) -> None:
        self.wire = raw
        self._handle = raw.dup()  # wrapping for TLS takes the socket itself away
        self.cut = False
        self._watch = threading.Timer(max(ends - time.monotonic(), 0), self._end)
        self._watch.daemon = True
        self._watch.start()

    def close(self) -> None:
        """Let go, whatever is still to come."""
        self._watch.cancel()
        self.wire.close()
        self._handle.close()

    def _end(self) -> None:
        self.cut = True
        try:
            self._handle.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself


def _exchange(connection: _Connection, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
    default = {"https": 443, "http": 80}[address.scheme]
    port = "" if address.port == default else f":{address.port}"
    with closing(connection):
        http_connection = http.client.HTTPConnection(address.host, address.port)
        http_connection.sock = connection.wire
        try:
            http_connection.request(
                "POST",
                address.path,
                body,
                {"Host": f"{address.authority_host}{port}", "Connection": "close", **headers},
            )
            response = http_connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(None, "it did not answer in time" if connection.cut else f"no answer: {_told(error)}")
        if connection.cut:  # in the middle of its head, whose end is then taken for the whole
            return Answer(None, "it did not answer in time")
        status = response.status
        asked = response.getheader("Retry-After") or ""
        wait = int(asked) if _SECONDS_ASKED.fullmatch(asked) else None
    if status in _REDIRECTS:
        return Answer(status, "it redirects, which is not followed: change the URL", wait)
    return Answer(status, "" if status // 100 == 2 else f"it answered {status}", wait)  # noqa: PLR2004  # RFC 9110, 15.3


def url_host(url: str) -> str:
    """Return the host of a URL that was read before, for messages: a path can hold a secret."""
    return Address.parse(url).host


def _told(error: Exception | None) -> str:
    """Return why something failed in our words: what others send is not repeated."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate does not hold: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or 'broken off'}"
        case TimeoutError() | NotInTimeError():
            return "not in time"
        case socket.gaierror():
            return "there is no such name"
        case OSError():
            return error.strerror or str(error)
        case _:
            return "what came is not HTTP"
