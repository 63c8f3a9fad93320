"""The tables of access: principals and roles, which follow from entries, and counts of refusals, which do not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sqlalchemy import Column, bindparam, delete, or_, select, update

from stemma.access import EVERYWHERE, Grant, Principal, Refused, Role
from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore
from stemma.backends.database.schema import TEXT, WHOLE, TableClass, digest_column, table
from stemma.errors import Attempt
from stemma.records import Digest

if TYPE_CHECKING:
    from stemma.ledger import ActorKind

principals = table(
    "principals",
    TableClass.PROJECTED,
    Column("id", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    digest_column("name"),
    Column("time", WHOLE, nullable=False),
    rowid=False,
)
roles = table(
    "roles",
    TableClass.PROJECTED,
    Column("principal", TEXT, primary_key=True),
    Column("namespace", TEXT, primary_key=True),
    Column("role", TEXT, primary_key=True),
    rowid=False,
)
_ATTEMPT = ("namespace", "actor_kind", "actor", "action", "thing_kind", "thing")
refusals = table(
    "refusals",
    TableClass.JOURNAL,
    *(Column(name, TEXT, primary_key=True) for name in _ATTEMPT),
    Column("count", WHOLE, nullable=False, index=True),
    Column("entered", WHOLE, nullable=False, index=True),
    rowid=False,
)

_ADD = Statement(principals.insert())
_FIND = Statement(select(principals).where(principals.c.id == bindparam("id")))
_PAGE = Statement(
    select(principals).where(principals.c.id > bindparam("after")).order_by(principals.c.id).limit(bindparam("size"))
)
_ROLES = Statement(
    select(roles.c.role).where(
        roles.c.principal == bindparam("principal"),
        or_(roles.c.namespace == bindparam("namespace"), roles.c.namespace == EVERYWHERE),
    )
)
_SAME = (
    roles.c.principal == bindparam("of"),
    roles.c.namespace == bindparam("within"),
    roles.c.role == bindparam("held"),
)
_HOLDS = Statement(select(roles.c.role).where(*_SAME))
_GRANT = Statement(insert_or_ignore(roles))
_REVOKE = Statement(delete(roles).where(*_SAME))

_OF_ATTEMPT = [refusals.c[name] == bindparam(f"of_{name}") for name in _ATTEMPT]
_BEGIN = Statement(insert_or_ignore(refusals))
_COUNT = Statement(update(refusals).values(count=refusals.c.count + 1).where(*_OF_ATTEMPT))
_DUE = Statement(
    select(*(refusals.c[name] for name in _ATTEMPT), refusals.c.count)
    .where(refusals.c.count > 0, refusals.c.entered <= bindparam("before"))
    .order_by(*(refusals.c[name] for name in _ATTEMPT))
    .limit(bindparam("size"))
)
_SETTLE = Statement(update(refusals).values(count=0, entered=bindparam("time")).where(*_OF_ATTEMPT))
_FORGET = Statement(delete(refusals).where(refusals.c.count == 0, refusals.c.entered <= bindparam("before")))
_NEVER = -(2**62)
_KEPT = 3_600_000_000


class DatabaseAccess:
    """`AccessStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, principal: Principal) -> None:
        """Add a principal; an AlreadyExistsError where the pseudonym is taken."""
        name = principal.name.raw
        self._connection.run(_ADD, id=principal.id, kind=principal.kind, name=name, time=principal.time)

    def find(self, pseudonym: str) -> Principal | None:
        """Return a principal."""
        row = self._connection.one(_FIND, id=pseudonym)
        return None if row is None else _principal(*row)

    def page(self, after: str, limit: int) -> Sequence[Principal]:
        """Return principals whose pseudonyms follow `after`, in order."""
        return [_principal(*row) for row in self._connection.all(_PAGE, after=after, size=limit)]

    def roles(self, pseudonym: str, namespace: str) -> frozenset[Role]:
        """Return the roles that a principal holds in a namespace: given for it, or everywhere."""
        rows = self._connection.all(_ROLES, principal=pseudonym, namespace=namespace)
        return frozenset(Role(row[0]) for row in rows)

    def holds(self, grant: Grant) -> bool:
        """Return whether exactly this was granted."""
        row = self._connection.one(_HOLDS, of=grant.principal, within=grant.namespace, held=str(grant.role))
        return row is not None

    def grant(self, grant: Grant) -> None:
        """Give a role; changes nothing where it is held."""
        self._connection.run(_GRANT, principal=grant.principal, namespace=grant.namespace, role=str(grant.role))

    def revoke(self, grant: Grant) -> None:
        """Take a role away; changes nothing where it is not held."""
        self._connection.run(_REVOKE, of=grant.principal, within=grant.namespace, held=str(grant.role))


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

    def due(self, before: int, limit: int) -> tuple[Refused, ...]:
        """Return counts above 0 whose last entry was at or before `before` (µs), or that were never entered."""
        rows = self._connection.all(_DUE, before=before, size=limit)
        return tuple(Refused(Attempt(*row[:-1]), row[-1]) for row in rows)

    def settle(self, attempt: Attempt, time: int) -> None:
        """Note that the count was entered at `time`; it starts from 0 again."""
        self._connection.run(_SETTLE, **_key(attempt), time=time)
        self._connection.run(_FORGET, before=time - _KEPT)


def _key(attempt: Attempt) -> dict[str, str]:
    return {f"of_{name}": getattr(attempt, name) for name in _ATTEMPT}


def _principal(pseudonym: str, kind: str, name: bytes, time: int) -> Principal:
    return Principal(pseudonym, cast("ActorKind", kind), Digest.from_raw(name), time)
