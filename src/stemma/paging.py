"""Pages: a bounded slice of a listing and a token for what follows.

A token holds the key behind which the next page starts (keyset paging), bound by an HMAC to the query and
the caller, so that it can neither be forged nor carried over to another query.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stemma.errors import InvalidError, TooLargeError
from stemma.records import Json, canonical, read_canonical

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_TOKEN = 4096
_MAC = 16

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """`items` of one listing and the token of the next page, or None where this is the last."""

    items: tuple[Item, ...]
    next_token: str | None = None

    @property
    def truncated(self) -> bool:
        """Whether more follows."""
        return self.next_token is not None


def check_limit(limit: int | None) -> int:
    """Return a page size between 1 and `MAX_LIMIT`; the default where none is given."""
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidError(f"a page has 1 to {MAX_LIMIT} items, not {limit}", hint="Follow the page token for more.")
    return limit


@dataclass(frozen=True, slots=True)
class Pager:
    """Makes and reads page tokens with one secret key of at least 16 bytes."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _MAC:
            raise InvalidError(f"the key for page tokens has at least {_MAC} bytes, not {len(self.secret)}")

    def issue(self, position: Json, *, query: str, caller: str) -> str:
        """Return a token for the page behind `position`; a TooLargeError if none that `read` takes can hold it."""
        body = canonical(position)
        token = _encode(self._mac(body, query, caller) + body)
        if len(token) > MAX_TOKEN:
            raise TooLargeError(f"a page token has at most {MAX_TOKEN} characters, not {len(token)}")
        return token

    def read(self, token: str, *, query: str, caller: str) -> Json:
        """Return the position in `token`; an InvalidError unless it was issued for this query and caller."""
        hint = "Pass the token of the last answer unchanged, with the same query."
        if len(token) > MAX_TOKEN:
            raise InvalidError(f"a page token has at most {MAX_TOKEN} characters, not {len(token)}", hint=hint)
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise InvalidError(f"{token[:40]!r} is not a page token", hint=hint) from error
        if _encode(data) != token:  # base64 has several spellings
            raise InvalidError(f"{token[:40]!r} is not a page token", hint=hint)
        mac, body = data[:_MAC], data[_MAC:]
        if not hmac.compare_digest(mac, self._mac(body, query, caller)):
            raise InvalidError("this page token belongs to another query or caller", hint=hint)
        return read_canonical(body, place="page token")

    def _mac(self, body: bytes, query: str, caller: str) -> bytes:
        bound = canonical([query, caller])
        return hmac.digest(self.secret, len(bound).to_bytes(4, "big") + bound + body, hashlib.sha256)[:_MAC]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def split_page(rows: Sequence[Item], limit: int) -> tuple[tuple[Item, ...], bool]:
    """Cut rows that were read with `limit + 1` into the page and whether more follow."""
    return tuple(rows[:limit]), len(rows) > limit
