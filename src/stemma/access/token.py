"""Tokens: what a caller shows to say who they are.

`stm_ID_SECRET`: the id is public and says which token it is, the secret is 256 random bits. Whoever made it sees the
text once; kept is SHA-256 of it, which is compared in constant time.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass

from stemma.access.caller import Scope
from stemma.access.principal import Principal
from stemma.ledger import Ids
from stemma.records import Digest

_ID_BYTES = 12
_SECRET_BYTES = 32
_TEXT = re.compile(rf"stm_([0-9a-f]{{{2 * _ID_BYTES}}})_[0-9a-f]{{{2 * _SECRET_BYTES}}}", re.ASCII)
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the ledger knows it; times in microseconds. `issuer` is the token by which it was made, if any.

    `note` is the commitment to what its maker wrote of it.
    """

    id: str
    principal: str
    scope: Scope
    issued: int
    expires: int
    issuer: str | None = None
    note: Digest | None = None
    revoked: int | None = None

    def is_live(self, now: int) -> bool:
        """Return whether it can be used."""
        return self.revoked is None and now < self.expires


@dataclass(frozen=True, slots=True)
class Known:
    """All that decides whether a text is a token that may be used now."""

    token: Token
    hashed: bytes
    principal: Principal

    def is_live(self, now: int) -> bool:
        """Return whether the token and its principal may still act."""
        return self.token.is_live(now) and self.principal.disabled is None


def new_text(ids: Ids) -> tuple[str, str]:
    """Return the public id and the text of a token that nobody has."""
    token = ids.random(_ID_BYTES).hex()
    return token, f"stm_{token}_{ids.random(_SECRET_BYTES).hex()}"


def public_id(text: str) -> str | None:
    """Return the id of a token's text, None where it is no such text."""
    found = _TEXT.fullmatch(text)
    return None if found is None else found[1]


def hash_of(text: str) -> bytes:
    """Return what is kept of a token's text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def is_same(hashed: bytes, known: bytes | None) -> bool:
    """Compare two hashes in a time that does not depend on them, also where there is nothing to compare with."""
    return hmac.compare_digest(hashed, known or _NOBODY) and known is not None
