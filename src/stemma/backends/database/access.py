"""The tables of access: principals, roles and tokens, which follow from entries; hashes of tokens."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Column, Index, bindparam, delete, exists, or_, select, update

from stemma.access import EVERYWHERE, Grant, Known, Principal, Role, Scope, Token
from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore, member_of
from stemma.backends.database.schema import BYTES, TEXT, WHOLE, TableClass, digest_column, table
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
    Column("disabled", WHOLE),
    Column("name_key", TEXT, unique=True),
    rowid=False,
)
roles = table(
    "roles",
    TableClass.PROJECTED,
    Column("principal", TEXT, primary_key=True),
    Column("namespace", TEXT, primary_key=True),
    Column("role", TEXT, primary_key=True),
    Index("ix_roles_namespace", "namespace", "principal"),
    rowid=False,
)
tokens = table(
    "tokens",
    TableClass.PROJECTED,
    Column("id", TEXT, primary_key=True),
    Column("principal", TEXT, nullable=False),
    Column("namespaces", TEXT),
    Column("roles", TEXT),
    Column("issued", WHOLE, nullable=False),
    Column("expires", WHOLE, nullable=False),
    Column("issuer", TEXT),
    digest_column("note", nullable=True),
    Column("revoked", WHOLE),
    Index("ix_tokens_principal", "principal", "id"),
    rowid=False,
)
token_hashes = table(
    "token_hashes",
    TableClass.PRIMARY,
    Column("id", TEXT, primary_key=True),
    Column("hash", BYTES, nullable=False),
    rowid=False,
)

_PRINCIPAL = (
    principals.c.id, principals.c.kind, principals.c.name, principals.c.time, principals.c.disabled,
    principals.c.name_key,
)  # fmt: skip
_IS_OURS = or_(principals.c.name_key.is_not(None), principals.c.disabled.is_not(None))
_ADD = Statement(principals.insert())
_FIND = Statement(select(*_PRINCIPAL).where(principals.c.id == bindparam("id")))
_NAMED = Statement(select(*_PRINCIPAL).where(principals.c.name_key == bindparam("key")))
_FOLLOWING = select(*_PRINCIPAL).where(principals.c.id > bindparam("after"), _IS_OURS).order_by(principals.c.id)
_PAGE = Statement(_FOLLOWING.limit(bindparam("size")))
_PAGE_WITHIN = Statement(
    _FOLLOWING.where(
        or_(
            principals.c.id == bindparam("also"),
            exists().where(roles.c.principal == principals.c.id, member_of(roles.c.namespace, "within")),
        )
    ).limit(bindparam("size"))
)
_DISABLE = Statement(
    update(principals).where(principals.c.id == bindparam("of")).values(disabled=bindparam("at"), name_key=None)
)

_HERE = or_(roles.c.namespace == bindparam("namespace"), roles.c.namespace == EVERYWHERE)
_ROLE = (roles.c.principal, roles.c.namespace, roles.c.role)
_HELD = Statement(select(roles.c.role).where(roles.c.principal == bindparam("principal"), _HERE))
_OF = Statement(
    select(*_ROLE).where(roles.c.principal == bindparam("principal")).order_by(roles.c.namespace, roles.c.role)
)
_MEMBERS = select(roles.c.principal).distinct().where(roles.c.principal > bindparam("after"), _HERE)
_NEXT_MEMBERS = _MEMBERS.order_by(roles.c.principal).limit(bindparam("size")).subquery()
_WITHIN = Statement(
    select(*_ROLE)
    .join(_NEXT_MEMBERS, _NEXT_MEMBERS.c.principal == roles.c.principal)
    .where(_HERE)
    .order_by(roles.c.principal, roles.c.namespace, roles.c.role)
)
_SAME = (
    roles.c.principal == bindparam("of"),
    roles.c.namespace == bindparam("within"),
    roles.c.role == bindparam("held"),
)
_HOLDS = Statement(select(roles.c.role).where(*_SAME))
_SHARED = Statement(select(roles.c.role).where(roles.c.principal != bindparam("of"), *_SAME[1:]).limit(1))
_ANY = Statement(select(roles.c.role).limit(1))
_GRANT = Statement(insert_or_ignore(roles))
_REVOKE = Statement(delete(roles).where(*_SAME))

_TOKEN = (
    tokens.c.id, tokens.c.principal, tokens.c.namespaces, tokens.c.roles, tokens.c.issued, tokens.c.expires,
    tokens.c.issuer, tokens.c.note, tokens.c.revoked,
)  # fmt: skip
_ADD_TOKEN = Statement(tokens.insert())
_FIND_TOKEN = Statement(select(*_TOKEN).where(tokens.c.id == bindparam("id")))
_KNOWN = Statement(
    select(*_TOKEN, token_hashes.c.hash, *_PRINCIPAL)
    .join(token_hashes, token_hashes.c.id == tokens.c.id)
    .join(principals, principals.c.id == tokens.c.principal)
    .where(tokens.c.id == bindparam("id"))
)
_NEXT_TOKENS = select(*_TOKEN).where(tokens.c.id > bindparam("after")).order_by(tokens.c.id).limit(bindparam("size"))
_ALL_TOKENS = Statement(_NEXT_TOKENS)
_TOKENS_OF = Statement(_NEXT_TOKENS.where(tokens.c.principal == bindparam("principal")))
_LIVE = Statement(
    select(*_TOKEN)
    .where(
        tokens.c.principal == bindparam("principal"), tokens.c.revoked.is_(None), tokens.c.expires > bindparam("now")
    )
    .order_by(tokens.c.issued, tokens.c.id)
)
_REVOKE_TOKEN = Statement(update(tokens).where(tokens.c.id == bindparam("of")).values(revoked=bindparam("at")))
_KEEP = Statement(token_hashes.insert())
_FORGET_TOKEN = Statement(delete(token_hashes).where(token_hashes.c.id == bindparam("of")))


class DatabasePrincipals:
    """`PrincipalStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, principal: Principal, key: str | None) -> None:
        """Add a principal under the key of its name; an AlreadyExistsError where either is taken."""
        self._connection.run(
            _ADD,
            id=principal.id,
            kind=principal.kind,
            name=principal.name.raw,
            time=principal.time,
            disabled=principal.disabled,
            name_key=key,
        )

    def find(self, pseudonym: str) -> Principal | None:
        """Return a principal."""
        row = self._connection.one(_FIND, id=pseudonym)
        return None if row is None else _principal(*row)

    def named(self, key: str) -> Principal | None:
        """Return the live principal with this key."""
        row = self._connection.one(_NAMED, key=key)
        return None if row is None else _principal(*row)

    def page(self, after: str, limit: int, within: frozenset[str] | None = None, also: str = "") -> Sequence[Principal]:
        """Return principals whose pseudonyms follow `after`, in order: all, or who has a role in one of `within`."""
        if within is None:
            rows = self._connection.all(_PAGE, after=after, size=limit)
        else:
            rows = self._connection.all(_PAGE_WITHIN, after=after, size=limit, within=sorted(within), also=also)
        return [_principal(*row) for row in rows]

    def disable(self, pseudonym: str, time: int) -> None:
        """Note that a principal was removed; its name is free from now on."""
        self._connection.run(_DISABLE, of=pseudonym, at=time)


class DatabaseRoles:
    """`RoleStore` on a database; `memory` holds what was looked up since anything of this changed."""

    __slots__ = ("_connection", "_memory")

    def __init__(self, connection: Connection, memory: dict[object, Any] | None) -> None:
        self._connection = connection
        self._memory = memory

    def held(self, pseudonym: str, namespace: str) -> frozenset[Role]:
        """Return the roles that a principal holds in a namespace: given for it, or everywhere."""
        key = (pseudonym, namespace)
        if self._memory is not None and key in self._memory:
            remembered: frozenset[Role] = self._memory[key]
            return remembered
        rows = self._connection.all(_HELD, principal=pseudonym, namespace=namespace)
        found = frozenset(Role(row[0]) for row in rows)
        if self._memory is not None:
            self._memory[key] = found
        return found

    def of(self, pseudonym: str) -> Sequence[Grant]:
        """Return all that a principal holds, by namespace and role."""
        return [_grant(*row) for row in self._connection.all(_OF, principal=pseudonym)]

    def within(self, namespace: str, after: str, limit: int) -> Sequence[Grant]:
        """Return what `limit` principals that follow `after` hold in a namespace or everywhere, in order."""
        rows = self._connection.all(_WITHIN, namespace=namespace, after=after, size=limit)
        return [_grant(*row) for row in rows]

    def holds(self, grant: Grant) -> bool:
        """Return whether exactly this was granted."""
        return self._connection.one(_HOLDS, **_same(grant)) is not None

    def is_shared(self, grant: Grant) -> bool:
        """Return whether somebody else holds the same role in the same place."""
        return self._connection.one(_SHARED, **_same(grant)) is not None

    def is_empty(self) -> bool:
        """Return whether nobody holds any role."""
        return self._connection.one(_ANY) is None

    def grant(self, grant: Grant) -> None:
        """Give a role; changes nothing where it is held."""
        self._connection.run(_GRANT, principal=grant.principal, namespace=grant.namespace, role=str(grant.role))

    def revoke(self, grant: Grant) -> None:
        """Take a role away; changes nothing where it is not held."""
        self._connection.run(_REVOKE, **_same(grant))


class DatabaseTokens:
    """`TokenStore` on a database; `memory` holds what was looked up since anything of this changed."""

    __slots__ = ("_connection", "_memory")

    def __init__(self, connection: Connection, memory: dict[object, Any] | None) -> None:
        self._connection = connection
        self._memory = memory

    def add(self, token: Token) -> None:
        """Add a token."""
        namespaces, held = token.scope.namespaces, token.scope.roles
        self._connection.run(
            _ADD_TOKEN,
            id=token.id,
            principal=token.principal,
            namespaces=None if namespaces is None else json.dumps(sorted(namespaces)),
            roles=None if held is None else json.dumps(sorted(held)),
            issued=token.issued,
            expires=token.expires,
            issuer=token.issuer,
            note=None if token.note is None else token.note.raw,
            revoked=token.revoked,
        )

    def find(self, token: str) -> Token | None:
        """Return the token with a public id."""
        row = self._connection.one(_FIND_TOKEN, id=token)
        return None if row is None else _token(*row)

    def known(self, token: str) -> Known | None:
        """Return a token with its hash and its principal; None where any of them is missing."""
        if self._memory is not None and token in self._memory:
            remembered: Known = self._memory[token]
            return remembered
        row = self._connection.one(_KNOWN, id=token)
        if row is None:
            return None
        width = len(_TOKEN)
        known = Known(_token(*row[:width]), row[width], _principal(*row[width + 1 :]))
        if self._memory is not None:
            self._memory[token] = known
        return known

    def page(self, pseudonym: str | None, after: str, limit: int) -> Sequence[Token]:
        """Return tokens of a principal, or of all, whose ids follow `after`, in order."""
        if pseudonym is None:
            rows = self._connection.all(_ALL_TOKENS, after=after, size=limit)
        else:
            rows = self._connection.all(_TOKENS_OF, principal=pseudonym, after=after, size=limit)
        return [_token(*row) for row in rows]

    def live(self, pseudonym: str, now: int) -> Sequence[Token]:
        """Return a principal's tokens that are neither revoked nor expired, oldest first."""
        return [_token(*row) for row in self._connection.all(_LIVE, principal=pseudonym, now=now)]

    def revoke(self, token: str, time: int) -> None:
        """Note that a token was revoked."""
        self._connection.run(_REVOKE_TOKEN, of=token, at=time)

    def keep(self, token: str, hashed: bytes) -> None:
        """Store the hash of a token's text."""
        self._connection.run(_KEEP, id=token, hash=hashed)

    def forget(self, token: str) -> None:
        """Remove the hash of a token's text; idempotent."""
        self._connection.run(_FORGET_TOKEN, of=token)


class DatabaseAccess:
    """`AccessStore` on a database."""

    __slots__ = ("principals", "roles", "tokens")

    def __init__(self, connection: Connection, memory: dict[object, Any] | None = None) -> None:
        self.principals = DatabasePrincipals(connection)
        self.roles = DatabaseRoles(connection, memory)
        self.tokens = DatabaseTokens(connection, memory)


def _same(grant: Grant) -> dict[str, str]:
    return {"of": grant.principal, "within": grant.namespace, "held": str(grant.role)}


def _grant(principal: str, namespace: str, role: str) -> Grant:
    return Grant(principal, namespace, Role(role))


def _principal(  # noqa: PLR0917  # one for each column, in their order
    pseudonym: str, kind: str, name: bytes, time: int, disabled: int | None, key: str | None
) -> Principal:
    carried = key is None and disabled is None
    return Principal(pseudonym, cast("ActorKind", kind), Digest.from_raw(name), time, disabled, carried)


def _token(  # noqa: PLR0913, PLR0917  # one for each column, in their order
    token: str,
    principal: str,
    namespaces: str | None,
    held: str | None,
    issued: int,
    expires: int,
    issuer: str | None,
    note: bytes | None,
    revoked: int | None,
) -> Token:
    scope = Scope(
        None if namespaces is None else frozenset(json.loads(namespaces)),
        None if held is None else frozenset(Role(role) for role in json.loads(held)),
    )
    return Token(
        id=token,
        principal=principal,
        scope=scope,
        issued=issued,
        expires=expires,
        issuer=issuer,
        note=None if note is None else Digest.from_raw(note),
        revoked=revoked,
    )
