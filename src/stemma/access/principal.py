"""Principals: people, services and peers, under pseudonyms.

The ledger knows a principal by its pseudonym only. The display name is a detached text, so that it can be forgotten
without breaking a proof.
"""

import re
import unicodedata
from dataclasses import dataclass

from stemma.errors import ConflictError, InvalidError
from stemma.ledger import ActorKind, Ids
from stemma.records import Digest

_LETTERS: dict[ActorKind, str] = {"user": "u", "service": "s", "system": "x", "peer": "p"}
_PSEUDONYM = re.compile(r"[uspx]_[0-9a-f]{32}", re.ASCII)
_RANDOM_BYTES = 16
MAX_NAME = 256
"""Characters of a display name."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who can act: `name` is the commitment to the display name; times in microseconds.

    `time` is when it was introduced, `disabled` when it was removed. One that was `carried` acts in another repository
    and is known here by name only.
    """

    id: str
    kind: ActorKind
    name: Digest
    time: int
    disabled: int | None = None
    carried: bool = False


def new_pseudonym(ids: Ids, kind: ActorKind) -> str:
    """Return a pseudonym that nobody has: a letter for the kind and 128 random bits."""
    return f"{_LETTERS[kind]}_{ids.random(_RANDOM_BYTES).hex()}"


def check_acts(principal: Principal) -> None:
    """Raise a ConflictError for one who was removed, or who acts in another repository alone."""
    if principal.disabled is not None:
        raise ConflictError(f"{principal.id} was removed", hint="Introduce them again under a new pseudonym.")
    if principal.carried:
        raise ConflictError(f"{principal.id} acts in another repository", hint="Introduce them here first.")


def is_pseudonym(text: str) -> bool:
    """Return whether `text` has the form of a pseudonym."""
    return _PSEUDONYM.fullmatch(text) is not None


def check_name(name: str) -> str:
    """Return `name` if it can be displayed and told from a pseudonym, else raise an InvalidError."""
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        hint = f"Use 1 to {MAX_NAME} printable characters, without spaces around them."
        raise InvalidError(f"{name[:80]!r} is no display name", hint=hint)
    if is_pseudonym(name):
        raise InvalidError(f"{name!r} has the form of a pseudonym", hint="Give a name that people know.")
    return name


def name_key(name: str) -> str:
    """Return what names have in common that differ in case, form or spacing only: NFKC and case folding, as titles."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def check_pseudonym(text: str) -> str:
    """Return `text` if it is a pseudonym, else raise an InvalidError."""
    if not is_pseudonym(text):
        raise InvalidError(f"{text[:80]!r} is not a principal", hint="A principal is 'u_' and 32 hexadecimal digits.")
    return text
