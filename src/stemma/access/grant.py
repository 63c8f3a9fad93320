"""A grant: one role of one principal, in one namespace or everywhere."""

from dataclasses import dataclass

from stemma.access.role import Role
from stemma.ledger import Actor, Draft, Thing, check_namespace
from stemma.names import SYSTEM_NAMESPACE

EVERYWHERE = "*"
"""Stands for all namespaces, those to come included, and for the system's own log."""


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
