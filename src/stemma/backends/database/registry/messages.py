"""What was written about versions, folded for searching, on a database."""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import bindparam, exists, insert

from stemma.backends.database.dialect import Connection, Statement
from stemma.backends.database.registry.tables import messages, of_model, versions
from stemma.backends.database.registry.versions import VERSION, registration
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Registration

_ADD = Statement(insert(messages))
_ESCAPE = "\\"


@cache
def _holding(words: int) -> Statement:
    """Return the statement for a number of words."""
    of_version = (
        messages.c.namespace == versions.c.namespace,
        messages.c.model == versions.c.model,
        messages.c.sequence == versions.c.sequence,
    )
    hold = (
        exists().where(*of_version, messages.c.folded.like(bindparam(f"word_{word}"), escape=_ESCAPE))
        for word in range(words)
    )
    return Statement(
        VERSION.where(*of_model(versions), versions.c.sequence < bindparam("before"), *hold)
        .order_by(versions.c.sequence.desc())
        .limit(bindparam("size"))
    )


class DatabaseMessages:
    """`MessageStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, model: ModelName, sequence: int, texts: Mapping[Digest, str | None]) -> None:
        """Add folded texts."""
        here = {"namespace": model.namespace, "model": model.name, "sequence": sequence}
        for text, folded in texts.items():
            self._connection.send(_ADD, **here, text=text.raw, folded=folded)

    def versions(self, model: ModelName, words: Sequence[str], before: int, limit: int) -> Sequence[Registration]:
        """Return versions whose texts hold each word, newest first."""
        patterns = {f"word_{number}": f"%{_escape(word)}%" for number, word in enumerate(words)}
        here = {"space": model.namespace, "of": model.name, "before": before, "size": limit}
        return [registration(row) for row in self._connection.all(_holding(len(words)), **here, **patterns)]


def _escape(word: str) -> str:
    for sign in (_ESCAPE, "%", "_"):
        word = word.replace(sign, _ESCAPE + sign)
    return word
