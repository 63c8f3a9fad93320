"""Answers: what a route returns. A whole answer is here; one that streams is any ASGI application, as Starlette has."""

import hashlib
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

JSON = b"application/json"
PRIVATE = b"private, no-cache"
NOT_KEPT = b"no-store"
_TAG_SIZE = 16
_NO_BODY = frozenset({204, 304})


class Answer:
    """An answer whose bytes are all there. `cache` says who may keep it; by default nobody."""

    __slots__ = ("body", "cache", "headers", "media_type", "status")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        media_type: bytes = JSON,
        headers: Mapping[bytes, bytes] | None = None,
        cache: bytes = NOT_KEPT,
    ) -> None:
        self.body = body
        self.status = status
        self.media_type = media_type
        self.headers = headers
        self.cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a HEAD request gets its headers only, which the server sees to."""
        del scope, receive
        headers = [(b"cache-control", self.cache)]
        body = b"" if self.status in _NO_BODY else self.body
        if self.status not in _NO_BODY:
            headers += ((b"content-type", self.media_type), (b"content-length", b"%d" % len(body)))
        if self.headers:
            headers += self.headers.items()
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def tag_of(body: bytes) -> bytes:
    """Return the strong entity tag of `body` (RFC 9110, 8.8.3)."""
    return b'"%s"' % hashlib.sha256(body).hexdigest()[: 2 * _TAG_SIZE].encode()


def answer_tagged(body: bytes, asked: bytes | None) -> Answer:
    """Return `body` under its tag, or 304 where the header `If-None-Match`, `asked`, shows that the caller has it."""
    tag = tag_of(body)
    if asked is not None and is_among(tag, asked):
        return Answer(status=304, headers={b"etag": tag}, cache=PRIVATE)
    return Answer(body, headers={b"etag": tag}, cache=PRIVATE)


def is_among(tag: bytes, asked: bytes) -> bool:
    """Return whether `tag` is one of a list of tags, or the list is `*`; compared weakly (RFC 9110, 13.1.2)."""
    return asked.strip() == b"*" or any(each.strip().removeprefix(b"W/") == tag for each in asked.split(b","))
