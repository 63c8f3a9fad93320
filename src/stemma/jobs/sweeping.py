"""The jobs that need no network: counted refusals, checkpoints, expired uploads, old answers and deliveries."""

from stemma.access.refusal import enter_due_refusals, namespaces_with_refusals
from stemma.jobs.job import Job, Turn
from stemma.names import SYSTEM_NAMESPACE
from stemma.operations.files.uploads import COMMIT
from stemma.system import KEPT_FOR, System, Transaction
from stemma.webhooks import Outbox

_SYSTEM_LOG = frozenset({SYSTEM_NAMESPACE})
_NO_LOG: frozenset[str] = frozenset()
_LOGS_AT_ONCE = 50
_HOUR = 3_600_000_000


def refusals(system: System) -> Job:
    """Enter refusals that were counted and that no other refusal has brought up for a minute."""

    def work(turn: Turn) -> str:
        entered = 0
        while not turn.stopping.is_set() and (namespaces := system.executor.read(namespaces_with_refusals)):
            for namespace in namespaces:
                entered += system.executor.write(
                    lambda tx, namespace=namespace: enter_due_refusals(tx, namespace),  # type: ignore[misc]  # mypy cannot type a default
                    _SYSTEM_LOG | {namespace},
                )
        return f"{entered} entered" if entered else ""

    return Job("refusals", 5, lambda tx: bool(namespaces_with_refusals(tx)), work)


def checkpoints(system: System) -> Job:
    """Sign the ends of logs that others have left unsigned: who was killed, or could not sign.

    A server signs each second what it entered itself; here every log is looked at, and so more seldom.
    """
    ledger = system.subjects.ledger
    seen: list[object] = [None]

    def grown(tx: Transaction) -> list[str]:
        return [name for name in tx.ledger.namespaces() if ledger.unsigned_tail(tx, name)]

    def due(tx: Transaction) -> bool:
        """Look only where something was committed since nothing was to be signed."""
        if tx.generation is not None and tx.generation == seen[0]:
            return False
        if grown(tx):
            return True
        seen[0] = tx.generation
        return False

    def work(turn: Turn) -> str:
        names = system.executor.read(grown)
        signers = system.signers()
        for first in range(0, len(names), _LOGS_AT_ONCE):
            some = names[first : first + _LOGS_AT_ONCE]
            if turn.stopping.is_set():
                break
            system.executor.write(
                lambda tx, some=some: [ledger.checkpoint(tx, name, signers) for name in some],  # type: ignore[misc]  # mypy cannot type a default
                frozenset(some),
            )
        return f"{len(names)} signed" if names else ""

    return Job("checkpoints", 10, due, work)


def uploads(system: System) -> Job:
    """End uploads that have expired, and delete what they left; forget who was killed while they committed one."""

    def sweep(tx: Transaction) -> int:
        for lease in tx.upkeep.leases():
            if lease.name.startswith(COMMIT) and lease.expires <= tx.now:
                tx.upkeep.release(lease.name, lease.holder)
        return system.subjects.artifacts.sweep(tx)

    def work(turn: Turn) -> str:
        del turn
        swept = system.executor.write(sweep, _NO_LOG)
        return f"{swept} deleted" if swept else ""

    return Job("uploads", 60, lambda tx: bool(tx.artifacts.uploads.expired(tx.now)), work)


def answers(system: System) -> Job:
    """Forget, once an hour, answers whose idempotency keys no longer count, and deliveries that ended long ago."""
    outbox = Outbox(system.subjects.webhooks)

    def due(tx: Transaction) -> bool:
        before = tx.upkeep.report("answers")
        return before is None or before.ended < tx.now - _HOUR

    def work(turn: Turn) -> str:
        del turn
        dropped = system.executor.write(lambda tx: tx.answers.drop(tx.now - KEPT_FOR), _NO_LOG)
        forgotten = 0
        while found := system.executor.write(outbox.forget, _NO_LOG):
            forgotten += found
        return f"{dropped} answers, {forgotten} deliveries"

    return Job("answers", 60, due, work)
