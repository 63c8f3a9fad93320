"""Refusals that the ledger remembers: at most one a minute for each (principal, action, thing), with a count.

Each refusal is counted first. A count becomes an entry when the last entry for the same is a minute old, also when it
is another refusal that brings it up, so that none is lost for long.
"""

from dataclasses import dataclass
from typing import Protocol, cast

from stemma.errors import Attempt, StemmaError
from stemma.ledger import Actor, ActorKind, Draft, Fact, LedgerTransaction, Thing, append
from stemma.names import SYSTEM_NAMESPACE

MINUTE = 60_000_000
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Refused:
    """`count` refusals of the same attempt that no entry holds yet."""

    attempt: Attempt
    count: int


class RefusalStore(Protocol):
    """Counts refusals until they are entered."""

    def count(self, attempt: Attempt) -> None:
        """Count one refusal."""

    def due(self, before: int, limit: int) -> tuple[Refused, ...]:
        """Return counts above 0 whose last entry was at or before `before` (µs), or that were never entered."""

    def settle(self, attempt: Attempt, time: int) -> None:
        """Note that the count was entered at `time`; it starts from 0 again."""


class RefusalTransaction(LedgerTransaction, Protocol):
    """What entering a refusal asks of a transaction."""

    @property
    def refusals(self) -> RefusalStore:
        """The counts."""


def enter_refusal(tx: RefusalTransaction, error: StemmaError) -> None:
    """Enter the attempt that `error` refused, or count it; changes nothing where the error carries none."""
    if error.attempt is None:
        return
    tx.refusals.count(error.attempt)
    for refused in tx.refusals.due(tx.now - MINUTE, _AT_ONCE):
        append(tx, _draft(tx, refused))
        tx.refusals.settle(refused.attempt, tx.now)


def _draft(tx: RefusalTransaction, refused: Refused) -> Draft:
    """Return the entry; a namespace that has no log yet is not given one by those who may not enter it."""
    attempt = refused.attempt
    exists = tx.ledger.head(attempt.namespace).size > 0
    facts: dict[str, Fact] = {"count": refused.count}
    if not exists:
        facts["namespace"] = attempt.namespace
    return Draft(
        namespace=attempt.namespace if exists else SYSTEM_NAMESPACE,
        actor=Actor(cast("ActorKind", attempt.actor_kind), attempt.actor),
        action=attempt.action,
        thing=Thing(attempt.thing_kind, attempt.thing),
        outcome="refused",
        facts=facts,
    )
