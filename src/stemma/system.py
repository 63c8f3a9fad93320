"""The system: the wired subjects, and what runs operations on them, as one value.

A door holds a `System` and an operation; which database, disk or keys stand behind it is known in `app` alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from stemma.access import Caller
from stemma.ledger.evidence.checkpoint import Signer
from stemma.operations import Operation, Subjects, Transaction
from stemma.operations.requests import Request
from stemma.operations.views import View

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)
Result = TypeVar("Result")


class Executor(Protocol):
    """The only code that begins and ends transactions; every error that leaves it is a StemmaError."""

    def write(self, operation: Callable[[Transaction], Result], /, logs: frozenset[str] = ...) -> Result:
        """Run what may write and appends to `logs` alone (`_system` by default); return once it is durable."""
        ...

    def read(self, operation: Callable[[Transaction], Result], /) -> Result:
        """Run what only reads, inside one snapshot."""
        ...

    def close(self) -> None:
        """Finish what is queued and let go."""
        ...


@dataclass(frozen=True, slots=True)
class System:
    """Everything that a door needs; `signers` loads the keys of the log when they are first needed."""

    subjects: Subjects
    executor: Executor
    signers: Callable[[], tuple[Signer, ...]]

    def run(self, operation: Operation[Asked, Answered], caller: Caller, request: Asked) -> Answered:
        """Run one operation for `caller`, and return once what it changed is durable."""

        def step(tx: Transaction) -> Answered:
            return operation.run(self.subjects, tx, caller, request)

        return self.executor.write(step, operation.logs(request)) if operation.writes else self.executor.read(step)

    def sign(self) -> None:
        """Sign the end of every log that has grown since its last checkpoint."""
        ledger = self.subjects.ledger

        def grown(tx: Transaction) -> list[str]:
            return [name for name in tx.ledger.namespaces() if ledger.unsigned_tail(tx, name)]

        if namespaces := self.executor.read(grown):
            signers = self.signers()
            self.executor.write(
                lambda tx: [ledger.checkpoint(tx, name, signers, at_once=True) for name in namespaces],
                frozenset(namespaces),
            )
