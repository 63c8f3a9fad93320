"""Pages: a bounded slice of a listing and a token for what follows.

A token holds the key behind which the next page starts (keyset paging), bound by an HMAC to the query and
the caller, so that it can neither be forged nor carried over to another query.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stemma.errors import InvalidError
from stemma.records import Json, canonical, read_json

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
    """Makes and reads page tokens with one secret key."""

    secret: bytes

    def issue(self, position: Json, *, query: str, caller: str) -> str:
        """Return a token for the page behind `position`."""
        body = canonical(position)
        return base64.urlsafe_b64encode(self._mac(body, query, caller) + body).decode().rstrip("=")

    def read(self, token: str, *, query: str, caller: str) -> Json:
        """Return the position in `token`; an InvalidError unless it was issued for this query and caller."""
        hint = "Pass the token of the last answer unchanged, with the same query."
        if len(token) > MAX_TOKEN:
            raise InvalidError(f"a page token has at most {MAX_TOKEN} characters, not {len(token)}", hint=hint)
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            raise InvalidError(f"{token[:40]!r} is not a page token", hint=hint) from error
        mac, body = data[:_MAC], data[_MAC:]
        if not hmac.compare_digest(mac, self._mac(body, query, caller)):
            raise InvalidError("this page token belongs to another query or caller", hint=hint)
        return read_json(body, place="page token")

    def _mac(self, body: bytes, query: str, caller: str) -> bytes:
        bound = canonical([query, caller])
        return hmac.digest(self.secret, len(bound).to_bytes(4, "big") + bound + body, hashlib.sha256)[:_MAC]


def split_page(rows: Sequence[Item], limit: int) -> tuple[tuple[Item, ...], bool]:
    """Cut rows that were read with `limit + 1` into the page and whether more follow."""
    return tuple(rows[:limit]), len(rows) > limit
