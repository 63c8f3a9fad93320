"""The table of idempotency keys: what a change was answered, for whoever asks it again. Kept for a day."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, bindparam, delete, select

from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore
from stemma.backends.database.schema import BYTES, TEXT, WHOLE, TableClass, digest_column, table
from stemma.system import KEPT_FOR, Kept

answers = table(
    "answers",
    TableClass.JOURNAL,
    Column("caller", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    digest_column("request"),
    Column("answer", BYTES, nullable=False),
    Column("time", WHOLE, nullable=False),
    PrimaryKeyConstraint("caller", "key"),
    Index("ix_answers_time", "time"),
    rowid=False,
)

_FIND = Statement(
    select(answers.c.request, answers.c.answer, answers.c.time).where(
        answers.c.caller == bindparam("caller"), answers.c.key == bindparam("key")
    )
)
_DROP = Statement(delete(answers).where(answers.c.time < bindparam("before")))
_EXPIRED = Statement(
    delete(answers).where(
        answers.c.caller == bindparam("caller"), answers.c.key == bindparam("key"), answers.c.time < bindparam("before")
    )
)
_KEEP = Statement(insert_or_ignore(answers))


class DatabaseAnswers:
    """Answers by caller and key; see `stemma.system.KeptAnswers`."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, caller: str, key: str) -> Kept | None:
        """Return what is kept for a key."""
        row = self._connection.one(_FIND, caller=caller, key=key)
        return None if row is None else Kept(bytes(row[0]), bytes(row[1]), row[2])

    def keep(self, caller: str, key: str, kept: Kept) -> bool:
        """Keep an answer; False where another transaction keeps one for this key."""
        row = {"caller": caller, "key": key, "request": kept.request, "answer": kept.answer, "time": kept.time}
        if self._connection.run(_KEEP, **row):
            return True
        self._connection.run(_EXPIRED, caller=caller, key=key, before=kept.time - KEPT_FOR + 1)
        return self._connection.run(_KEEP, **row) == 1

    def drop(self, before: int) -> int:
        """Forget all that is older than `before`; return how many these were."""
        return self._connection.run(_DROP, before=before)
