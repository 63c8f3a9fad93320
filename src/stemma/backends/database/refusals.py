"""The table of refusals: how often each repeated itself since it was entered last."""

from sqlalchemy import Column, bindparam, delete, select, update

from stemma.access import Refused
from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore
from stemma.backends.database.registry.tables import namespaces
from stemma.backends.database.schema import TEXT, WHOLE, TableClass, table
from stemma.errors import Attempt
from stemma.names import SYSTEM_NAMESPACE

_ATTEMPT = ("namespace", "actor_kind", "actor", "action", "thing_kind", "thing")
refusals = table(
    "refusals",
    TableClass.JOURNAL,
    *(Column(name, TEXT, primary_key=True) for name in _ATTEMPT),
    Column("count", WHOLE, nullable=False, index=True),
    Column("entered", WHOLE, nullable=False, index=True),
    rowid=False,
)

_OF_ATTEMPT = [refusals.c[name] == bindparam(f"of_{name}") for name in _ATTEMPT]
_BEGIN = Statement(insert_or_ignore(refusals))
_COUNT = Statement(update(refusals).values(count=refusals.c.count + 1).where(*_OF_ATTEMPT))
_due = (
    select(*(refusals.c[name] for name in _ATTEMPT), refusals.c.count)
    .where(refusals.c.count > 0, refusals.c.entered <= bindparam("before"))
    .order_by(*(refusals.c[name] for name in _ATTEMPT))
    .limit(bindparam("size"))
)
_DUE = Statement(_due)
_DUE_IN = Statement(_due.where(refusals.c.namespace == bindparam("within")))
_SETTLE = Statement(update(refusals).values(count=0, entered=bindparam("time")).where(*_OF_ATTEMPT))
_FORGET = Statement(delete(refusals).where(refusals.c.count == 0, refusals.c.entered <= bindparam("before")))
_IS_NAMESPACE = Statement(select(namespaces.c.name).where(namespaces.c.name == bindparam("called")))
_NEVER = -(2**62)
_KEPT = 3_600_000_000


class DatabaseRefusals:
    """`RefusalStore` on a database; what was entered over an hour ago is forgotten."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, attempt: Attempt) -> None:
        """Count one refusal."""
        if self._connection.run(_COUNT, **_key(attempt)) == 0:
            key = {name: getattr(attempt, name) for name in _ATTEMPT}
            self._connection.run(_BEGIN, **key, count=1, entered=_NEVER)

    def due(self, before: int, limit: int, namespace: str | None = None) -> tuple[Refused, ...]:
        """Return counts above 0 whose last entry was at or before `before` (µs), or that were never entered."""
        if namespace is None:
            rows = self._connection.all(_DUE, before=before, size=limit)
        else:
            rows = self._connection.all(_DUE_IN, before=before, size=limit, within=namespace)
        return tuple(Refused(Attempt(*row[:-1]), row[-1]) for row in rows)

    def has_log(self, namespace: str) -> bool:
        """Return whether entries may be made there."""
        return namespace == SYSTEM_NAMESPACE or self._connection.one(_IS_NAMESPACE, called=namespace) is not None

    def settle(self, attempt: Attempt, time: int) -> None:
        """Note that the count was entered at `time`; it starts from 0 again."""
        self._connection.run(_SETTLE, **_key(attempt), time=time)
        self._connection.run(_FORGET, before=time - _KEPT)


def _key(attempt: Attempt) -> dict[str, str]:
    return {f"of_{name}": getattr(attempt, name) for name in _ATTEMPT}
