"""Refusals that the ledger remembers: at most one a minute for each (principal, action, thing), with a count.

Each refusal is counted first. A count becomes an entry when the last entry for the same is a minute old: when another
refusal in its namespace brings it up, or a job does, so that none is lost for long.
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

    def due(self, before: int, limit: int, namespace: str | None = None) -> tuple[Refused, ...]:
        """Return counts above 0 whose last entry was at or before `before` (µs), or that were never entered.

        With `namespace` only those of attempts there.
        """

    def has_log(self, namespace: str) -> bool:
        """Return whether entries may be made there: it is `_system` or a namespace, not one that is only arriving."""

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
    enter_due_refusals(tx, error.attempt.namespace)


def enter_due_refusals(tx: RefusalTransaction, namespace: str) -> int:
    """Enter the counts that are due for attempts in `namespace`, in its log or in `_system`; return how many."""
    due = tx.refusals.due(tx.now - MINUTE, _AT_ONCE, namespace)
    for refused in due:
        append(tx, _draft(tx, refused))
        tx.refusals.settle(refused.attempt, tx.now)
    return len(due)


def namespaces_with_refusals(tx: RefusalTransaction) -> tuple[str, ...]:
    """Return namespaces in which counts are due, at least one where there are any."""
    return tuple(dict.fromkeys(each.attempt.namespace for each in tx.refusals.due(tx.now - MINUTE, _AT_ONCE)))


def _draft(tx: RefusalTransaction, refused: Refused) -> Draft:
    """Return the entry; in `_system` where the namespace has no log yet, or one that is only arriving."""
    attempt = refused.attempt
    exists = tx.ledger.head(attempt.namespace).size > 0 and tx.refusals.has_log(attempt.namespace)
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
