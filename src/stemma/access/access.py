"""Access: who there is, which roles they hold, and who a token's text says that the caller is.

All follows from entries in the log `_system`: `principal.introduce`, `principal.disable`, `role.grant`, `role.revoke`,
`token.issue`, `token.revoke`. Nobody gives what they do not govern: a role is given by who may grant in that very
place, so no admin of one namespace reaches beyond it.
"""

from dataclasses import replace
from typing import cast

from stemma.access import carried
from stemma.access.caller import Caller
from stemma.access.carried import project_carried
from stemma.access.checks import may, readable, require
from stemma.access.grant import EVERYWHERE, Grant
from stemma.access.ports import AccessTransaction, AuthenticationTransaction, ChangingTransaction
from stemma.access.principal import Principal, check_acts, check_name, is_pseudonym, name_key, new_pseudonym
from stemma.access.role import Permission, Role, permits
from stemma.access.token import Known, hash_of, is_same, public_id
from stemma.access.tokens import Tokens
from stemma.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from stemma.ledger import Actor, ActorKind, Draft, Entry, LogFilter, Thing, append_many, commit_text
from stemma.names import SYSTEM_NAMESPACE
from stemma.paging import check_limit, split_page
from stemma.records import Digest

_LAST_ADMIN = "Make somebody else admin everywhere first."


class Access:
    """Introduces and removes principals, gives and takes roles, and says who asks; `tokens` is the other noun."""

    def __init__(self) -> None:
        self.tokens = Tokens()

    def authenticate(
        self, tx: AuthenticationTransaction, text: str | None, *, owner: Caller | None = None
    ) -> Caller:  # fmt: skip
        """Return who asks, or raise UnauthenticatedError: alike for a token that is unknown, expired or revoked.

        Without a token it is `owner`, the folder's, as long as nobody was ever given a role.
        """
        if text is None:
            if owner is not None and self.is_open(tx):
                return owner
            raise UnauthenticatedError(
                "no token was given", hint="Ask an admin for one, then 'stemma login', or set STEMMA_TOKEN."
            )
        known = self._find_known(tx, text)
        if known is None or not known.is_live(tx.now):
            raise UnauthenticatedError(
                "this token cannot be used", hint="It may have expired or been revoked: ask for another."
            )
        principal, token = known.principal, known.token
        return Caller(Actor(principal.kind, principal.id, "token", token.id), scope=token.scope)

    def is_open(self, tx: AuthenticationTransaction) -> bool:
        """Return whether nobody was ever given a role, so that only the owner of the folder uses the repository.

        Taking the last role away does not open it again.
        """
        if not tx.access.roles.is_empty():
            return False
        size = tx.ledger.head(SYSTEM_NAMESPACE).size
        granted = LogFilter(action="role.grant")
        return not tx.ledger.search(SYSTEM_NAMESPACE, granted, first=0, end=size, newest_first=False, limit=1)

    # -- principals ---------------------------------------------------------------------------------------------

    def introduce(self, tx: ChangingTransaction, caller: Caller, kind: ActorKind, name: str) -> Principal:
        """Make a principal; AlreadyExistsError where the name differs from another's in case or form only."""
        require(tx, caller, Permission.GRANT, SYSTEM_NAMESPACE)
        if (other := tx.access.principals.named(name_key(check_name(name)))) is not None:
            raise AlreadyExistsError(f"the name {name!r} is that of {other.id}", hint="Names are unique, in any case.")
        pseudonym = new_pseudonym(tx.ids, kind)
        facts = {"kind": kind, "name": commit_text(tx, name)}
        thing = Thing("principal", pseudonym)
        self._enter(tx, Draft(SYSTEM_NAMESPACE, caller.actor, "principal.introduce", thing, facts=facts))
        return self.find(tx, pseudonym)

    def remove(self, tx: ChangingTransaction, caller: Caller, principal: Principal, *, forget: bool = False) -> None:
        """Take every role and token from a principal, for good; with `forget` its name is forgotten too.

        ConflictError for oneself, for the last admin everywhere, and for one who was removed already.
        """
        require(tx, caller, Permission.GRANT, SYSTEM_NAMESPACE)
        if forget:
            require(tx, caller, Permission.REDACT, SYSTEM_NAMESPACE)
        if principal.id == caller.id:
            raise ConflictError("nobody removes themselves", hint="Ask another admin.")
        check_acts(principal)
        held = tx.access.roles.of(principal.id)
        for grant in held:
            require(tx, caller, Permission.GRANT, grant.namespace)
            _refuse_last(tx, grant)
        tokens = tx.access.tokens.live(principal.id, tx.now)
        thing = Thing("principal", principal.id)
        self._enter(
            tx,
            *(grant.draft("role.revoke", caller.actor) for grant in held),
            *(self.tokens.draft_revoke(caller, token) for token in tokens),
            Draft(SYSTEM_NAMESPACE, caller.actor, "principal.disable", thing, facts={"forgotten": forget}),
        )
        for token in tokens:
            tx.access.tokens.forget(token.id)
        if forget:
            tx.texts.redact(principal.name)

    def find(self, tx: AccessTransaction, text: str) -> Principal:
        """Return the principal with a pseudonym, or the live one with a name, whoever asks; else NotFoundError."""
        principals = tx.access.principals
        principal = principals.find(text) if is_pseudonym(text) else principals.named(name_key(text))
        if principal is None:
            raise _unknown(text)
        return principal

    def who(self, tx: AccessTransaction, caller: Caller, text: str) -> Principal:
        """Return a principal that the caller may see: themselves, and whoever has a role where they can read."""
        principal = self.find(tx, text)
        if principal.id != caller.id and not may(tx, caller, Permission.READ, SYSTEM_NAMESPACE):
            within = _visible(tx, caller)
            if within is not None and within.isdisjoint(grant.namespace for grant in tx.access.roles.of(principal.id)):
                raise _unknown(text)
        return principal

    def page(
        self, tx: AccessTransaction, caller: Caller, *, after: str = "", limit: int | None = None
    ) -> tuple[tuple[Principal, ...], bool]:
        """Return principals behind `after` that the caller may see, by pseudonym, and whether more follow."""
        size = check_limit(limit)
        within = None if may(tx, caller, Permission.READ, SYSTEM_NAMESPACE) else _visible(tx, caller)
        return split_page(tx.access.principals.page(after, size + 1, within, caller.id), size)

    def name_of(self, tx: ChangingTransaction, pseudonym: str) -> str | None:
        """Return the display name of a principal, None where it is unknown or was redacted."""
        principal = tx.access.principals.find(pseudonym)
        held = None if principal is None else tx.texts.read(principal.name)
        return None if held is None else held[1]

    # -- roles --------------------------------------------------------------------------------------------------

    def grant(self, tx: ChangingTransaction, caller: Caller, grant: Grant) -> bool:
        """Give a role to a principal, named or under a pseudonym; return False where it is held in this very place."""
        require(tx, caller, Permission.GRANT, grant.namespace)
        principal = self.find(tx, grant.principal)
        grant = replace(grant, principal=principal.id)
        if grant.role is Role.OWNER:
            raise InvalidError("the owner of a folder is whoever owns the folder", hint="Grant 'admin' instead.")
        check_acts(principal)
        if tx.access.roles.holds(grant):
            return False
        self._enter(tx, grant.draft("role.grant", caller.actor))
        return True

    def revoke(self, tx: ChangingTransaction, caller: Caller, grant: Grant) -> bool:
        """Take a role away; return False where it is not held in this very place.

        ConflictError where it makes the last admin everywhere.
        """
        require(tx, caller, Permission.GRANT, grant.namespace)
        grant = replace(grant, principal=self.find(tx, grant.principal).id)
        if not tx.access.roles.holds(grant):
            return False
        _refuse_last(tx, grant)
        self._enter(tx, grant.draft("role.revoke", caller.actor))
        return True

    def found(self, tx: ChangingTransaction, caller: Caller, namespace: str) -> bool:
        """Make who made a namespace its admin, unless they govern it anyway; return whether that took a role.

        Asked in the transaction that made it, and nowhere else: this checks nothing.
        """
        if permits(caller.roles | tx.access.roles.held(caller.id, namespace), Permission.GRANT):
            return False
        self._enter(tx, Grant(caller.id, namespace, Role.ADMIN).draft("role.grant", caller.actor))
        return True

    def roles(self, tx: AccessTransaction, caller: Caller, pseudonym: str) -> tuple[Grant, ...]:
        """Return what a principal holds everywhere and in namespaces that the caller can read."""
        within = readable(tx, caller)
        held = tx.access.roles.of(pseudonym)
        return tuple(each for each in held if within is None or each.namespace in within | {EVERYWHERE})

    def members(
        self, tx: AccessTransaction, caller: Caller, namespace: str, *, after: str = "", limit: int | None = None
    ) -> tuple[tuple[str, tuple[Grant, ...]], ...]:
        """Return who was given a role in a namespace or everywhere, by pseudonym, with these roles.

        One more than `limit` where more follow.
        """
        require(tx, caller, Permission.READ, namespace)
        found: dict[str, list[Grant]] = {}
        for grant in tx.access.roles.within(namespace, after, check_limit(limit) + 1):
            found.setdefault(grant.principal, []).append(grant)
        return tuple((principal, tuple(grants)) for principal, grants in found.items())

    # -- entries ------------------------------------------------------------------------------------------------

    def project(self, tx: ChangingTransaction, entry: Entry) -> None:
        """Bring principals, roles and tokens up to `entry`; refusals and entries of other subjects change nothing."""
        if entry.outcome != "done" or entry.namespace != SYSTEM_NAMESPACE:  # a log that arrived gives nobody a role
            return
        facts, thing = entry.facts, entry.thing.id
        match entry.action:
            case "principal.introduce":
                self._introduced(tx, entry)
            case carried.ACTION:
                project_carried(tx, entry)
            case "principal.disable":
                tx.access.principals.disable(thing, entry.time)
            case "role.grant":
                tx.access.roles.grant(Grant(thing, str(facts["namespace"]), Role(str(facts["role"]))))
            case "role.revoke":
                tx.access.roles.revoke(Grant(thing, str(facts["namespace"]), Role(str(facts["role"]))))
            case _:
                self.tokens.project(tx, entry)

    def _introduced(self, tx: ChangingTransaction, entry: Entry) -> None:
        name = Digest.parse(str(entry.facts["name"]))
        held = tx.texts.read(name)
        text = None if held is None else held[1]
        kind = cast("ActorKind", entry.facts["kind"])
        tx.access.principals.add(
            Principal(entry.thing.id, kind, name, entry.time), None if text is None else name_key(text)
        )

    def _enter(self, tx: ChangingTransaction, *drafts: Draft) -> None:
        for entry in append_many(tx, drafts):
            self.project(tx, entry)

    def _find_known(self, tx: AuthenticationTransaction, text: str) -> Known | None:
        """Return what a token's text stands for."""
        token = public_id(text)
        known = None if token is None else tx.access.tokens.known(token)
        return known if is_same(hash_of(text), None if known is None else known.hashed) else None


def _visible(tx: AccessTransaction, caller: Caller) -> frozenset[str] | None:
    """Return the places whose people the caller may see: those who act everywhere act in each namespace."""
    within = readable(tx, caller)
    return within | {EVERYWHERE} if within else within


def _refuse_last(tx: AccessTransaction, grant: Grant) -> None:
    if grant.namespace == EVERYWHERE and grant.role is Role.ADMIN and not tx.access.roles.is_shared(grant):
        raise ConflictError(f"{grant.principal} is the last admin everywhere", hint=_LAST_ADMIN)


def _unknown(text: str) -> NotFoundError:
    return NotFoundError(f"there is nobody called {text[:80]!r}", hint="Give a name as it is, or a pseudonym.")
