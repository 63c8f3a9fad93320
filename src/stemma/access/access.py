"""Access: principals, their roles, and the one question whether a caller may.

Principals and roles follow from entries in the log `_system`: `principal.introduce`, `role.grant`, `role.revoke`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from stemma.access.caller import Caller
from stemma.access.principal import Principal, check_pseudonym, new_pseudonym
from stemma.access.role import Permission, Role, permits
from stemma.errors import Attempt, ConflictError, ForbiddenError, InvalidError, NotFoundError
from stemma.ledger import Actor, ActorKind, Draft, Entry, LedgerTransaction, Thing, append, check_namespace, commit_text
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest

EVERYWHERE = "*"
_MAX_NAME = 256


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that a principal holds in a namespace, or in all of them (`EVERYWHERE`)."""

    principal: str
    namespace: str
    role: Role

    def __post_init__(self) -> None:
        if self.namespace != EVERYWHERE:
            check_namespace(self.namespace)

    def draft(self, action: str, actor: Actor) -> Draft:
        """Return the entry of giving or taking it."""
        facts = {"namespace": self.namespace, "role": str(self.role)}
        return Draft(SYSTEM_NAMESPACE, actor, action, Thing("principal", self.principal), facts=facts)


class AccessStore(Protocol):
    """Principals and roles, in the caller's transaction."""

    def add(self, principal: Principal) -> None:
        """Add a principal; an AlreadyExistsError where the pseudonym is taken."""

    def find(self, pseudonym: str) -> Principal | None:
        """Return a principal."""

    def page(self, after: str, limit: int) -> Sequence[Principal]:
        """Return principals whose pseudonyms follow `after`, in order."""

    def roles(self, pseudonym: str, namespace: str) -> frozenset[Role]:
        """Return the roles that a principal holds in a namespace: given for it, or everywhere."""

    def holds(self, grant: Grant) -> bool:
        """Return whether exactly this was granted."""

    def grant(self, grant: Grant) -> None:
        """Give a role; changes nothing where it is held."""

    def revoke(self, grant: Grant) -> None:
        """Take a role away; changes nothing where it is not held."""


class AccessTransaction(Protocol):
    """What `require` asks of a transaction."""

    @property
    def access(self) -> AccessStore:
        """Principals and roles."""


class _Transaction(AccessTransaction, LedgerTransaction, Protocol):
    """What changes of principals and roles ask of a transaction."""


def require(tx: AccessTransaction, caller: Caller, permission: Permission, namespace: str) -> None:
    """Return if the caller may, else raise.

    A caller who may not even read is told NotFoundError, as if the namespace did not exist; any other
    ForbiddenError, which the ledger remembers.
    """
    if permits(caller.roles, permission):
        return
    roles = caller.roles | tx.access.roles(caller.id, namespace)
    if permits(roles, permission):
        return
    if not permits(roles, Permission.READ):
        raise NotFoundError(f"there is no namespace {namespace!r}", hint="Or you may not see it: ask its admin.")
    actor = caller.actor
    raise ForbiddenError(
        f"{actor.id} may not {permission} in {namespace!r}",
        hint="Ask an admin of the namespace for a role that may.",
        attempt=Attempt(namespace, actor.kind, actor.id, f"access.{permission}", "namespace", namespace),
    )


class Access:
    """Introduces principals, and gives and takes roles."""

    def introduce(self, tx: _Transaction, caller: Caller, kind: ActorKind, name: str) -> Principal:
        """Make a principal whose display name is `name`."""
        require(tx, caller, Permission.GRANT, SYSTEM_NAMESPACE)
        if not name or len(name) > _MAX_NAME or not name.isprintable():
            raise InvalidError(f"{name[:80]!r} is no display name", hint=f"Use 1 to {_MAX_NAME} printable characters.")
        pseudonym = new_pseudonym(tx.ids, kind)
        facts = {"kind": kind, "name": commit_text(tx, name)}
        thing = Thing("principal", pseudonym)
        self._enter(tx, Draft(SYSTEM_NAMESPACE, caller.actor, "principal.introduce", thing, facts=facts))
        return self.find(tx, pseudonym)

    def find(self, tx: AccessTransaction, pseudonym: str) -> Principal:
        """Return a principal, or raise NotFoundError."""
        principal = tx.access.find(check_pseudonym(pseudonym))
        if principal is None:
            raise NotFoundError(f"there is no principal {pseudonym}")
        return principal

    def name_of(self, tx: _Transaction, pseudonym: str) -> str | None:
        """Return the display name of a principal, None where it is unknown or was redacted."""
        principal = tx.access.find(pseudonym)
        held = None if principal is None else tx.texts.read(principal.name)
        return None if held is None else held[1]

    def grant(self, tx: _Transaction, caller: Caller, grant: Grant) -> None:
        """Give a role; a ConflictError where it is held in this very place already."""
        self._check(tx, caller, grant)
        if grant.role is Role.OWNER:
            raise InvalidError("the owner of a folder is whoever owns the folder", hint="Grant 'admin' instead.")
        if tx.access.holds(grant):
            raise ConflictError(f"{grant.principal} is {grant.role} in {grant.namespace!r} already")
        self._enter(tx, grant.draft("role.grant", caller.actor))

    def revoke(self, tx: _Transaction, caller: Caller, grant: Grant) -> None:
        """Take a role away; a ConflictError where it is not held in this very place."""
        self._check(tx, caller, grant)
        if not tx.access.holds(grant):
            raise ConflictError(f"{grant.principal} is not {grant.role} in {grant.namespace!r}")
        self._enter(tx, grant.draft("role.revoke", caller.actor))

    def project(self, tx: AccessTransaction, entry: Entry) -> None:
        """Bring principals and roles up to `entry`; entries of other subjects change nothing."""
        facts, thing = entry.facts, entry.thing.id
        match entry.action:
            case "principal.introduce":
                kind = cast("ActorKind", facts["kind"])
                tx.access.add(Principal(thing, kind, Digest.parse(str(facts["name"])), entry.time))
            case "role.grant":
                tx.access.grant(Grant(thing, str(facts["namespace"]), Role(str(facts["role"]))))
            case "role.revoke":
                tx.access.revoke(Grant(thing, str(facts["namespace"]), Role(str(facts["role"]))))
            case _:
                return

    def _check(self, tx: _Transaction, caller: Caller, grant: Grant) -> None:
        require(tx, caller, Permission.GRANT, SYSTEM_NAMESPACE if grant.namespace == EVERYWHERE else grant.namespace)
        self.find(tx, grant.principal)

    def _enter(self, tx: _Transaction, draft: Draft) -> None:
        self.project(tx, append(tx, draft))
