"""Networks that fail: a server that says what a script says, and a proxy that loses, cuts, delays and repeats."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

SOON = 20.0
"""Seconds within which ends what would otherwise last for minutes: far more than it takes where nothing else runs."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_NO_BODY = re.compile(rb"HTTP/1\.1 (?:1\d\d|204|304) ")


class GoneError(Exception):
    """The other side has closed the connection."""


@dataclass
class Wire:
    """One connection, read message by message (RFC 9112)."""

    socket: socket.socket
    ahead: bytes = b""

    def message(self, *, is_head_answer: bool = False) -> bytes:
        """Return the next whole request or answer, as it came."""
        while b"\r\n\r\n" not in self.ahead:
            self._more()
        head, _, self.ahead = self.ahead.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        if is_head_answer or _NO_BODY.match(head):
            return head
        if length := _LENGTH.search(head):
            return head + self._take(int(length[1]))
        return head + self._chunks() if _CHUNKED.search(head) else head

    def _chunks(self) -> bytes:
        whole = b""
        while True:
            while b"\r\n" not in self.ahead:
                self._more()
            line, _, _ = self.ahead.partition(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            whole += self._take(len(line) + 2 + size + 2)
            if size == 0:
                return whole

    def _take(self, size: int) -> bytes:
        while len(self.ahead) < size:
            self._more()
        taken, self.ahead = self.ahead[:size], self.ahead[size:]
        return taken

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise GoneError
        self.ahead += data


@dataclass
class Listening:
    """Accepts connections on this machine until it is closed, each in a thread of its own."""

    serve: Callable[[socket.socket], None]
    context: ssl.SSLContext | None = None
    connections: list[socket.socket] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    port: int = 0

    def __enter__(self) -> Self:
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            _close(connection)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.connections.append(connection)
            self.serve(connection)
        except (OSError, GoneError):
            return  # the client went away, as clients do
        finally:
            _close(connection)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@dataclass
class Script:
    """What a server says, answer by answer; the last one for ever. Keeps what it was asked."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list)
    pause: float = 0.0
    """Seconds between two bytes of an answer."""
    connections: list[socket.socket] = field(default_factory=list)

    def __call__(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        self.connections.append(connection)
        while True:
            self.requests.append(wire.message())
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if not self.pause:
                connection.sendall(answer)
            for byte in answer if self.pause else b"":
                connection.sendall(bytes([byte]))
                time.sleep(self.pause)
            if b"\r\nconnection: close" in answer.lower() or not answer:
                return


@contextmanager
def scripted(
    *answers: bytes, context: ssl.SSLContext | None = None, pause: float = 0.0
) -> Iterator[tuple[str, Script]]:
    """Give the address of a server that says `answers`, and its script."""
    script = Script(list(answers), pause=pause)
    with Listening(script, context) as listening:
        yield listening.url, script


def answer(
    status: int,
    body: bytes = b"{}",
    kind: str = "application/json",
    headers: Iterable[str] = (),
    *,
    close: bool = False,
) -> bytes:
    """Return an answer of HTTP/1.1."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    lines += ["Connection: close"] * close
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Fault(Enum):
    """What happens to one request."""

    NONE = auto()
    REFUSED = auto()
    """The connection ends before the request is read."""
    LOST_REQUEST = auto()
    """The request never arrives."""
    LOST_ANSWER = auto()
    """The request arrives, the answer does not."""
    CUT_ANSWER = auto()
    """Half of the answer arrives."""
    CUT_HEAD = auto()
    """A part of the answer's first line arrives."""
    DELAYED = auto()
    """The answer takes a while."""
    REPEATED_REQUEST = auto()
    """The request arrives twice; the first answer is the one that is passed on."""
    REPEATED_ANSWER = auto()
    """The answer arrives twice on one connection, and the connection ends."""
    NOISE = auto()
    """What arrives is no HTTP."""
    OVERLOADED = auto()
    """A proxy says 503, in HTML, without passing anything on."""
    LOST_GATEWAY = auto()
    """A proxy passes the request on and says 502, in HTML."""


@dataclass
class Weather:
    """Decides the fault of each request; keeps what it was asked."""

    faults: Iterator[Fault]
    delay: float = 0.05
    seen: list[tuple[Fault, bytes]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, request: bytes) -> Fault:
        with self._lock:
            fault = next(self.faults, Fault.NONE)
            self.seen.append((fault, request.partition(b"\r\n")[0]))
        return fault


@contextmanager
def weather(url: str, faults: Iterable[Fault]) -> Iterator[tuple[str, Weather]]:
    """Give the address of a proxy before the server at `url`, whose requests meet `faults` in turn, then none."""
    host, _, port = url.partition("://")[2].partition(":")
    state = Weather(iter(faults))

    def serve(connection: socket.socket) -> None:
        client = Wire(connection)
        with socket.create_connection((host, int(port))) as behind:
            server = Wire(behind)
            while _pass_on(client, server, state, f"{host}:{port}".encode()):
                pass

    with Listening(serve) as listening:
        yield listening.url, state


_HTML = b"<html>overloaded</html>"


def _pass_on(client: Wire, server: Wire, state: Weather, host: bytes) -> bool:
    """Pass one request on and its answer back, through a fault; return whether the connection goes on."""
    request = client.message()
    fault = state.next(request)
    request = re.sub(rb"(?i)(\r\nhost:)[^\r]*", rb"\1 " + host, request, count=1)
    if fault in {Fault.REFUSED, Fault.LOST_REQUEST}:
        return False
    if fault is Fault.NOISE:
        client.socket.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        return False
    if fault is Fault.OVERLOADED:
        client.socket.sendall(answer(503, _HTML, "text/html"))
        return True
    server.socket.sendall(request)
    is_head = request.startswith(b"HEAD ")
    reply = server.message(is_head_answer=is_head)
    if fault is Fault.REPEATED_REQUEST:
        server.socket.sendall(request)
        server.message(is_head_answer=is_head)
    if fault is Fault.DELAYED:
        time.sleep(state.delay)
    told = _told(fault, reply)
    client.socket.sendall(told)
    return told == reply or fault is Fault.LOST_GATEWAY


def _told(fault: Fault, reply: bytes) -> bytes:
    """Return what arrives of an answer."""
    match fault:
        case Fault.LOST_ANSWER:
            return b""
        case Fault.CUT_ANSWER:
            return reply[: max(len(reply) - 2, len(reply) // 2)]
        case Fault.CUT_HEAD:
            return reply[:7]
        case Fault.REPEATED_ANSWER:
            return reply + reply
        case Fault.LOST_GATEWAY:
            return answer(502, _HTML, "text/html")
        case _:
            return reply
