"""The caller: who asks, and which roles they hold everywhere.

Roles in one namespace are not here: they are read in the transaction, so that a role taken away counts at once.
"""

from dataclasses import dataclass

from stemma.access.role import Role
from stemma.ledger import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is what entries name; `roles` hold in every namespace."""

    actor: Actor
    roles: frozenset[Role] = frozenset()

    @property
    def id(self) -> str:
        """The pseudonym; page tokens are bound to it."""
        return self.actor.id


def local_owner(pseudonym: str) -> Caller:
    """Return the owner of a folder, who is asked for no token and may ask for everything."""
    return Caller(Actor("user", pseudonym), frozenset({Role.OWNER}))
