"""The caller: who asks, which roles they hold everywhere, and what their token narrows these to.

Roles in one namespace are not here: they are read in the transaction, so that a role taken away counts at once.
"""

from dataclasses import dataclass

from stemma.access.role import Permission, Role, permissions, permits
from stemma.errors import InvalidError
from stemma.ledger import Actor, check_namespace


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token may be used for: these namespaces, and what these roles carry; None narrows nothing.

    A scope gives nothing. What its principal may not do, its token may not do either.
    """

    namespaces: frozenset[str] | None = None
    roles: frozenset[Role] | None = None

    def __post_init__(self) -> None:
        if self.namespaces is not None:
            for namespace in self.namespaces:
                check_namespace(namespace)
        if self.namespaces == frozenset() or self.roles == frozenset():
            raise InvalidError("a scope without namespaces or roles permits nothing", hint="Name at least one.")

    def admits(self, permission: Permission, namespace: str) -> bool:
        """Return whether the token may be used for that; `EVERYWHERE` is in no list of namespaces."""
        is_within = self.namespaces is None or namespace in self.namespaces
        return is_within and (self.roles is None or permits(self.roles, permission))

    def covers(self, other: "Scope") -> bool:
        """Return whether `other` admits nothing that this one does not."""
        if self.namespaces is not None and (other.namespaces is None or not other.namespaces <= self.namespaces):
            return False
        if self.roles is None:
            return True
        return other.roles is not None and permissions(other.roles) <= permissions(self.roles)


ALL = Scope()
"""The scope that narrows nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is what entries name; `roles` hold in every namespace; `scope` is that of the token, if there is one."""

    actor: Actor
    roles: frozenset[Role] = frozenset()
    scope: Scope | None = None

    @property
    def id(self) -> str:
        """The pseudonym; page tokens are bound to it."""
        return self.actor.id

    @property
    def view(self) -> str:
        """Tells callers apart who may see different things: the pseudonym, and the token where there is one."""
        return self.actor.id if self.actor.token is None else f"{self.actor.id} {self.actor.token}"


def local_owner(pseudonym: str) -> Caller:
    """Return the owner of a folder, who is asked for no token and may ask for everything."""
    return Caller(Actor("user", pseudonym), frozenset({Role.OWNER}))
