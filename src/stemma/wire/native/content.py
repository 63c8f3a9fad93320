"""Content: the bytes of one file of a version, whole or in ranges (RFC 9110, 13 and 14).

The entity tag is the file's SHA-256, so that what was begun can be gone on with. Every block is checked before it
leaves; where one is damaged, what is told is a problem if it is the first, else the answer breaks off. Memory is
bounded by two chunks an answer, and the number of answers at once.
"""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from stemma.access import Caller, Permission
from stemma.artifacts.manifest import ManifestFile
from stemma.artifacts.reading import FileReader, StoredFile
from stemma.errors import CorruptError, NotFoundError
from stemma.http.answers import PRIVATE, Answer, is_among
from stemma.http.decoding import QueryDecoder
from stemma.http.problems import HttpError, refuse
from stemma.http.routes import Exchange, GoneError, Route
from stemma.names import Reference
from stemma.operations import Subjects, Transaction
from stemma.operations.requests import OfReference
from stemma.wire.native.described import CONTENT
from stemma.wire.native.lately import Lately
from stemma.wire.native.ranges import Span, read_ranges
from stemma.wire.native.routes import PREFIX
from stemma.wire.native.turns import Turns

STALL = 60.0
_CHUNK = 512 << 10
_MESSAGE = 256 << 10
_PATHS = 200_000
_BLOCKS = 200_000
_BINARY = b"application/octet-stream"


class OfContent(OfReference, frozen=True, kw_only=True):
    """The content of the file at `path` in a version."""

    path: str


@dataclass(slots=True)
class ContentDoor:
    """Answers with content; each answer takes its turn."""

    paths: Lately[Mapping[str, ManifestFile]] = field(default_factory=lambda: Lately(_PATHS))
    files: Lately[StoredFile] = field(default_factory=lambda: Lately(_BLOCKS))
    turns: Turns = field(default_factory=lambda: Turns("downloads"))

    @property
    def routes(self) -> Sequence[Route]:
        """The one route."""
        return (Route("GET", f"{PREFIX}/content", Permission.READ, "content.read", self.answer, description=CONTENT),)

    async def answer(self, exchange: Exchange) -> ASGIApp:
        """Answer a request for content."""
        asked = _QUERY.decode(exchange.query)
        caller = await exchange.authenticate()
        stored = await exchange.read(lambda tx: self._locate(exchange.runner.system.subjects, tx, caller, asked))
        headers, tag = exchange.headers, b'"%s"' % stored.digest.hex.encode()
        given = {b"etag": tag, b"accept-ranges": b"bytes"}
        matching = headers.get(b"if-none-match")
        if matching is not None and is_among(tag, matching):
            return Answer(status=304, headers=given, cache=PRIVATE)
        given[b"content-disposition"] = _attachment(asked.path)
        spans = None
        if headers.get(b"if-range", tag) == tag and exchange.scope["method"] == "GET":
            spans = read_ranges(headers.get(b"range"), stored.size)
            if spans is not None and not spans:
                raise _unsatisfiable(stored.size)
        if exchange.scope["method"] == "HEAD":
            length = {b"content-length": b"%d" % stored.size}
            return _Streamed(self, exchange, stored, (), 200, given | length | {b"content-type": _BINARY})
        return _streamed(self, exchange, stored, spans, given)

    def _locate(self, subjects: Subjects, tx: Transaction, caller: Caller, asked: OfContent) -> StoredFile:
        version = subjects.registry.resolve(tx, caller, Reference.parse(asked.reference))
        paths = self.paths.find(version.manifest)
        if paths is None:
            paths = {file.path: file for file in subjects.artifacts.manifest(tx, version.manifest).files}
            self.paths.keep(version.manifest, paths, len(paths))
        file = paths.get(asked.path)
        if file is None:
            raise NotFoundError(f"there is no file {asked.path[:200]!a}", hint="List the paths with `stemma ls`.")
        stored = self.files.find(file.digest)
        if stored is None:
            stored = subjects.artifacts.locate(tx, [file.digest])[file.digest]
            self.files.keep(file.digest, stored, len(stored.blocks))
        return stored


_QUERY = QueryDecoder.of(OfContent)
Part = bytes | Span
"""What an answer is made of: bytes as they are, or a span of the file."""


def _streamed(
    door: ContentDoor, exchange: Exchange, stored: StoredFile, spans: Sequence[Span] | None, given: dict[bytes, bytes]
) -> "_Streamed":
    size = stored.size
    if spans is None:
        given |= {b"content-type": _BINARY, b"content-length": b"%d" % size}
        return _Streamed(door, exchange, stored, (Span(0, size),), 200, given)
    if len(spans) == 1:
        (span,) = spans
        given |= {
            b"content-type": _BINARY,
            b"content-length": b"%d" % span.length,
            b"content-range": span.described(size),
        }
        return _Streamed(door, exchange, stored, spans, 206, given)
    boundary = secrets.token_hex(16).encode()
    parts: list[Part] = []
    for span in spans:
        parts += [
            b"\r\n--%s\r\ncontent-type: %s\r\ncontent-range: %s\r\n\r\n" % (boundary, _BINARY, span.described(size)),
            span,
        ]
    parts.append(b"\r\n--%s--\r\n" % boundary)
    length = sum(part.length if isinstance(part, Span) else len(part) for part in parts)
    given |= {b"content-type": b"multipart/byteranges; boundary=" + boundary, b"content-length": b"%d" % length}
    return _Streamed(door, exchange, stored, parts, 206, given)


@dataclass(frozen=True, slots=True)
class _Streamed:
    """An answer that is sent chunk by chunk, the next one decoded while one is sent."""

    door: ContentDoor
    exchange: Exchange
    stored: StoredFile
    parts: Sequence[Part]
    status: int
    headers: Mapping[bytes, bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        with self.door.turns.take(await self.exchange.authenticate()):
            await self._send(send)

    async def _send(self, send: Send) -> None:
        chunks = self._chunks()
        chunk = await self._next(chunks)  # a damaged beginning is told as a problem
        headers = [(b"cache-control", PRIVATE), *self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        while chunk is not None:
            coming = asyncio.ensure_future(self._next(chunks))
            try:
                for data in chunk:
                    await _deliver(send, data)
            except BaseException:
                coming.cancel()
                raise
            chunk = await coming
        await send({"type": "http.response.body", "body": b""})

    async def _next(self, chunks: Iterator[list[bytes]]) -> list[bytes] | None:
        return await self.exchange.in_thread(next, chunks, None)

    def _chunks(self) -> Iterator[list[bytes]]:
        reader: FileReader = self.exchange.runner.system.subjects.artifacts.reader
        for part in self.parts:
            if isinstance(part, bytes):
                yield [part]
                continue
            chunk: list[bytes] = []
            try:
                for data in reader.span(self.stored, part.start, part.length):
                    chunk.append(data)
                    if sum(map(len, chunk)) >= _CHUNK:
                        yield chunk
                        chunk = []
            except CorruptError:
                self.door.files.forget(self.stored.digest)  # its blocks may be elsewhere by now
                raise
            if chunk:
                yield chunk


async def _deliver(send: Send, data: bytes) -> None:
    view = memoryview(data)
    for at in range(0, len(view), _MESSAGE):
        try:
            async with asyncio.timeout(STALL):
                await send({"type": "http.response.body", "body": view[at : at + _MESSAGE], "more_body": True})
        except TimeoutError:
            raise GoneError from None


def _attachment(path: str) -> bytes:
    name = path.rpartition("/")[2]
    return b"attachment; filename*=UTF-8''" + quote(name, safe="").encode("ascii")


def _unsatisfiable(size: int) -> HttpError:
    return refuse(416, f"none of these ranges is within {size} bytes", content_range=f"bytes */{size}")
