"""The system: the wired subjects, and what runs operations on them, as one value.

A door holds a `System` and an operation; which database, disk or keys stand behind it is known in `app` alone.

A change may carry an idempotency key. Its answer is then kept with it, in the transaction of the change itself, so that
whoever lost the answer asks again and is told the same, and the change happens once. Secrets are not kept.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from stemma.access import Caller
from stemma.errors import ConflictError, StemmaError
from stemma.ledger.evidence.checkpoint import Signer
from stemma.operations import Operation, Subjects
from stemma.operations import Transaction as OperationTransaction
from stemma.operations.requests import Request
from stemma.operations.views import View

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)
Result = TypeVar("Result")
KEPT_FOR = 24 * 3600 * 1_000_000
"""How long an answer is kept for its key, in microseconds."""


class Kept(NamedTuple):
    """The answer that a key got: to which request, and when."""

    request: bytes
    answer: bytes
    time: int


class KeptAnswers(Protocol):
    """Answers by caller and idempotency key."""

    def find(self, caller: str, key: str) -> Kept | None:
        """Return what is kept for a key."""

    def keep(self, caller: str, key: str, kept: Kept) -> bool:
        """Keep an answer; False where another transaction keeps one for this key."""

    def drop(self, before: int) -> int:
        """Forget all that is older than `before`; return how many these were."""


class Transaction(OperationTransaction, Protocol):
    """What the system asks of a transaction: what operations ask, and the answers that are kept for keys."""

    @property
    def answers(self) -> KeptAnswers:
        """Answers by idempotency key."""


class Queued(Protocol):
    """A change that was submitted and is answered; `waiter` is the submitter's own."""

    waiter: Any

    def answer(self) -> Any:  # noqa: ANN401  # what the change returned
        """Return what the change returned, or raise what it raised; once."""


class Deliver(Protocol):
    """Takes the answers of one batch in the writer's thread: it must be quick and must not raise."""

    def __call__(self, answered: list[Any], /) -> None:
        """Hand the answers to those who wait for them."""


class Executor(Protocol):
    """The only code that begins and ends transactions; every error that leaves it is a StemmaError."""

    def write(self, operation: Callable[[Transaction], Result], /, logs: frozenset[str] = ...) -> Result:
        """Run what may write and appends to `logs` alone (`_system` by default); return once it is durable."""
        ...

    def submit(
        self,
        operation: Callable[[Transaction], Result],
        /,
        logs: frozenset[str],
        deliver: Deliver,
        waiter: object = None,
    ) -> None:
        """Queue what may write, and return at once; `deliver` is called when it is durable, or has failed."""
        ...

    def submit_refusal(self, error: StemmaError, /, deliver: Deliver, waiter: object = None) -> bool:
        """Queue the entry of a refusal that `read` did not enter; return False where there is none to enter."""
        ...

    def read(self, operation: Callable[[Transaction], Result], /, *, enter_refusals: bool = True) -> Result:
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

    def run(
        self, operation: Operation[Asked, Answered], caller: Caller, request: Asked, key: str | None = None
    ) -> Answered:
        """Run one operation for `caller`, and return once what it changed is durable.

        With a key, a change that was answered before is not made again: it gets the same answer.
        """

        def step(tx: Transaction) -> Answered:
            return operation.run(self.subjects, tx, caller, request)

        if not operation.writes:
            return self.executor.read(step)
        if key is None:
            return self.executor.write(step, operation.logs(request))
        change = self.change(operation, lambda _: caller, request, key)
        return msgspec.json.decode(self.executor.write(change, operation.logs(request)), type=operation.response)

    def change(
        self,
        operation: Operation[Asked, Answered],
        who: Callable[[Transaction], Caller],
        request: Asked,
        key: str | None,
    ) -> Callable[[Transaction], bytes]:
        """Return what makes a change in a transaction that may write, and answers as JSON; `who` says who asks.

        A key that was used for another request in the last 24 hours is a ConflictError.
        """

        def step(tx: Transaction) -> bytes:
            caller = who(tx)
            if key is None:
                return encode(operation.run(self.subjects, tx, caller, request))
            digest = _digest_of(operation, request)
            kept = tx.answers.find(caller.view, key)
            if kept is not None and kept.time > tx.now - KEPT_FOR:
                return _repeat(kept, digest, key)
            answer = encode(operation.run(self.subjects, tx, caller, request))
            kept_answer = b"" if operation.confidential else answer
            if not tx.answers.keep(caller.view, key, Kept(digest, kept_answer, tx.now)):
                raise ConflictError(f"the idempotency key {key!r} is in use right now", hint="Ask again.")
            return answer

        return step

    def sign(self, logs: frozenset[str] | None = None) -> None:
        """Sign the end of every log that has grown since its last checkpoint; with `logs` only of these."""
        ledger = self.subjects.ledger

        def grown(tx: Transaction) -> list[str]:
            names = tx.ledger.namespaces() if logs is None else sorted(logs)
            return [name for name in names if ledger.unsigned_tail(tx, name)]

        if logs is not None and not logs:
            return
        if namespaces := self.executor.read(grown):
            signers = self.signers()
            self.executor.write(
                lambda tx: [ledger.checkpoint(tx, name, signers, at_once=True) for name in namespaces],
                frozenset(namespaces),
            )


def encode(view: View) -> bytes:
    """Return a view as JSON."""
    return _ENCODER.encode(view)


def _plain(value: object) -> str:
    """Return digests and other kinds of text as the text that they are."""
    if isinstance(value, str):
        return str.__str__(value)
    raise NotImplementedError(f"a view holds a {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def _digest_of(operation: Operation[Asked, Answered], request: Asked) -> bytes:
    text = msgspec.json.encode(request, order="deterministic")
    return hashlib.sha256(operation.name.encode() + b"\0" + text).digest()


def _repeat(kept: Kept, digest: bytes, key: str) -> bytes:
    if kept.request != digest:
        raise ConflictError(
            f"the idempotency key {key!r} was used for another request",
            hint="Use a new key for each change, and the same only to repeat it.",
        )
    if not kept.answer:
        raise ConflictError(
            f"the change with the idempotency key {key!r} is done, and the secret in its answer was told once",
            hint="Take back what it made, and make another with a new key.",
        )
    return kept.answer
