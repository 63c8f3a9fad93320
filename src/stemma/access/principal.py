"""Principals: people, services and peers, under pseudonyms.

The ledger knows a principal by its pseudonym only. The display name is a detached text, so that it can be forgotten
without breaking a proof.
"""

import re
from dataclasses import dataclass

from stemma.errors import InvalidError
from stemma.ledger import ActorKind, Ids
from stemma.records import Digest

_LETTERS: dict[ActorKind, str] = {"user": "u", "service": "s", "system": "x", "peer": "p"}
_PSEUDONYM = re.compile(r"[uspx]_[0-9a-f]{32}", re.ASCII)
_RANDOM_BYTES = 16


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who can act: `name` is the commitment to the display name, `time` when it was introduced (µs)."""

    id: str
    kind: ActorKind
    name: Digest
    time: int


def new_pseudonym(ids: Ids, kind: ActorKind) -> str:
    """Return a pseudonym that nobody has: a letter for the kind and 128 random bits."""
    return f"{_LETTERS[kind]}_{ids.random(_RANDOM_BYTES).hex()}"


def check_pseudonym(text: str) -> str:
    """Return `text` if it is a pseudonym, else raise an InvalidError."""
    if not _PSEUDONYM.fullmatch(text):
        raise InvalidError(f"{text[:80]!r} is not a principal", hint="A principal is 'u_' and 32 hexadecimal digits.")
    return text
