"""Issuing and revoking tokens.

A token gives nothing: its principal's roles and its own scope must both permit. One that was made by showing another is
no wider than that one, does not outlive it, and ends with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stemma.access.caller import ALL, Caller, Scope
from stemma.access.checks import may, require, unseen
from stemma.access.grant import EVERYWHERE
from stemma.access.ports import AccessTransaction, ChangingTransaction
from stemma.access.principal import Principal, check_acts
from stemma.access.role import Permission, Role
from stemma.access.token import Token, hash_of, new_text
from stemma.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from stemma.ledger import Draft, Entry, Fact, Thing, append_many, commit_text, format_time, parse_time
from stemma.names import SYSTEM_NAMESPACE
from stemma.paging import check_limit, split_page
from stemma.records import Digest

SECOND = 1_000_000
DAY = 24 * 3600
SHORTEST, USUAL, LONGEST = 60, 90 * DAY, 366 * DAY
"""Seconds that a token may last."""
MAX_LIVE = 100
MAX_NOTE = 256


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token and its text, which is shown once and kept nowhere."""

    token: Token
    text: str


class Tokens:
    """Tokens of all principals."""

    def issue(
        self, tx: ChangingTransaction, caller: Caller, principal: Principal, scope: Scope = ALL, *,
        lifetime: int | None = None, note: str = "",
    ) -> Issued:  # fmt: skip
        """Make a token that lasts `lifetime` seconds, by default 90 days.

        ForbiddenError where that is more than the caller can hand on: for others one must govern every namespace of the
        scope, and by showing a token one makes none that is wider or lasts longer.
        """
        _check_scope(tx, caller, principal, scope)
        check_acts(principal)
        if len(tx.access.tokens.live(principal.id, tx.now)) >= MAX_LIVE:
            raise ConflictError(f"{principal.id} has {MAX_LIVE} tokens already", hint="Revoke some first.")
        if len(note) > MAX_NOTE or not (note.isprintable()):
            raise InvalidError(f"{note[:80]!r} is no note", hint=f"Use at most {MAX_NOTE} printable characters.")
        expires = _expiry(tx, caller, lifetime)
        token, text = new_text(tx.ids)
        facts: dict[str, Fact] = {
            "principal": principal.id,
            "namespaces": None if scope.namespaces is None else sorted(scope.namespaces),
            "roles": None if scope.roles is None else sorted(scope.roles),
            "expires": format_time(expires),
            "note": str(commit_text(tx, note)) if note else None,
        }
        draft = Draft(SYSTEM_NAMESPACE, caller.actor, "token.issue", Thing("token", token), facts=facts)
        tx.access.tokens.keep(token, hash_of(text))
        self._enter(tx, draft)
        return Issued(self._find(tx, token), text)

    def revoke(self, tx: ChangingTransaction, caller: Caller, token: str) -> bool:
        """End a token and those that its principal made by showing it; return whether it was live.

        NotFoundError for one that is not there or that is not the caller's to end.
        """
        found = tx.access.tokens.find(token)
        if found is None or not _controls(tx, caller, found):
            raise _unknown(token)
        if not found.is_live(tx.now):
            return False
        ended = [found]
        others = [each for each in tx.access.tokens.live(found.principal, tx.now) if each.id != token]
        for each in ended:
            ended += [other for other in others if other.issuer == each.id]
        self._enter(tx, *(self.draft_revoke(caller, each) for each in ended))
        for each in ended:
            tx.access.tokens.forget(each.id)
        return True

    def show(self, tx: AccessTransaction, caller: Caller, token: str) -> Token:
        """Return a token that is the caller's to see."""
        found = tx.access.tokens.find(token)
        if found is None or not _controls(tx, caller, found):
            raise _unknown(token)
        return found

    def page(
        self, tx: AccessTransaction, caller: Caller, principal: str | None, *, after: str = "", limit: int | None = None
    ) -> tuple[tuple[Token, ...], bool]:
        """Return tokens of a principal, or of all, that are the caller's to see, by id, and whether more follow."""
        if principal is None:
            require(tx, caller, Permission.GRANT, EVERYWHERE)
        size = check_limit(limit)
        found: list[Token] = []
        while len(found) <= size and (rows := tx.access.tokens.page(principal, after, size + 1)):
            found += [row for row in rows if _controls(tx, caller, row)]
            after = rows[-1].id
        return split_page(found, size)

    def project(self, tx: AccessTransaction, entry: Entry) -> None:
        """Bring tokens up to `entry`; entries of other subjects change nothing."""
        match entry.action:
            case "token.issue":
                tx.access.tokens.add(_token(entry))
            case "token.revoke":
                tx.access.tokens.revoke(entry.thing.id, entry.time)
            case _:
                return

    def draft_revoke(self, caller: Caller, token: Token) -> Draft:
        """Return the entry of ending a token."""
        facts = {"principal": token.principal}
        return Draft(SYSTEM_NAMESPACE, caller.actor, "token.revoke", Thing("token", token.id), facts=facts)

    def _find(self, tx: AccessTransaction, token: str) -> Token:
        found = tx.access.tokens.find(token)
        if found is None:
            raise _unknown(token)
        return found

    def _enter(self, tx: ChangingTransaction, *drafts: Draft) -> None:
        for entry in append_many(tx, drafts):
            self.project(tx, entry)


def _token(entry: Entry) -> Token:
    """Return the token of an entry; who acted by showing a token issued it by that one."""
    facts, note = entry.facts, entry.facts["note"]
    namespaces, roles = _texts(facts["namespaces"]), _texts(facts["roles"])
    scope = Scope(namespaces, None if roles is None else frozenset(Role(role) for role in roles))
    return Token(
        id=entry.thing.id,
        principal=str(facts["principal"]),
        scope=scope,
        issued=entry.time,
        expires=parse_time(str(facts["expires"])),
        issuer=entry.actor.token,
        note=None if note is None else Digest.parse(str(note)),
    )


def _texts(fact: Fact) -> frozenset[str] | None:
    return frozenset(str(each) for each in fact) if isinstance(fact, Sequence) else None


def _check_scope(tx: AccessTransaction, caller: Caller, principal: Principal, scope: Scope) -> None:
    if scope.roles is not None and Role.OWNER in scope.roles:
        raise InvalidError("a token is nobody's folder", hint="Name 'admin' instead of 'owner'.")
    if principal.id == caller.id:
        for namespace in scope.namespaces or ():
            if not may(tx, caller, Permission.READ, namespace):
                raise unseen(namespace)
    else:
        for namespace in scope.namespaces or (EVERYWHERE,):
            require(tx, caller, Permission.GRANT, namespace)
    if not (caller.scope or ALL).covers(scope):
        raise ForbiddenError(
            "a token makes no token that may do more than itself",
            hint="Narrow it with namespaces and roles, or ask an admin.",
        )


def _expiry(tx: ChangingTransaction, caller: Caller, lifetime: int | None) -> int:
    if lifetime is not None and not SHORTEST <= lifetime <= LONGEST:
        raise InvalidError(
            f"a token lasts {SHORTEST} to {LONGEST} seconds, not {lifetime}", hint="A year is the longest."
        )
    expires = tx.now + (USUAL if lifetime is None else lifetime) * SECOND
    if caller.actor.token is None:
        return expires
    shown = tx.access.tokens.find(caller.actor.token)
    if shown is None or not shown.is_live(tx.now):
        raise UnauthenticatedError("this token cannot be used", hint="It expired or was revoked just now.")
    if expires > shown.expires and lifetime is not None:
        raise ForbiddenError(
            f"a token makes no token that lasts longer than itself, until {format_time(shown.expires)}",
            hint="Ask for less, or ask an admin.",
        )
    return min(expires, shown.expires)


def _controls(tx: AccessTransaction, caller: Caller, token: Token) -> bool:
    """Return whether a token is the caller's to see and to end: their own, or one that they might have issued."""
    if token.id == caller.actor.token:
        return True
    if not (caller.scope or ALL).covers(token.scope):
        return False
    if token.principal == caller.id:
        return True
    places = token.scope.namespaces or (EVERYWHERE,)
    return all(may(tx, caller, Permission.GRANT, namespace) for namespace in places)


def _unknown(token: str) -> NotFoundError:
    return NotFoundError(f"there is no token {token[:80]!r}", hint="Give the public id: 'stemma token list' shows it.")
