"""An operation on its way to the writer and its answer on the way back, and what a database must offer for both."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

from stemma.backends.database.dialect import Connection
from stemma.backends.database.transaction import Transaction
from stemma.errors import StemmaError

Result = TypeVar("Result")


class Database(Protocol):
    """A database that can be opened any number of times; `begin` waits for other writers, but not for ever."""

    def open_writer(self) -> Connection:
        """Return a connection whose commits are durable."""

    def open_reader(self) -> Connection:
        """Return a connection that cannot write."""

    def begin(self, connection: Connection, logs: frozenset[str]) -> frozenset[str] | None:
        """Begin a transaction that alone appends to `logs`; return the logs that it locked, None for all there are.

        The log `*` stands for all: nobody else may write anything meanwhile. UnavailableError where another holds on
        for too long.
        """


class Boundary(Protocol):
    """Told `begin`, `commit` and `committed` just before and after they happen; a test may end the process there."""

    def __call__(self, event: str, /) -> None:
        """Take note of `event`."""


class Refusals(Protocol):
    """Enters what was refused; `error.attempt` is there."""

    def __call__(self, tx: Transaction, error: StemmaError, /) -> None:
        """Enter the refusal in the ledger, or count it where it repeats one."""


class Queued(Generic[Result]):
    """An operation on its way to the writer and its answer on the way back; `waiter` is the submitter's own."""

    __slots__ = ("deliver", "error", "logs", "operation", "result", "waiter")

    def __init__(
        self,
        operation: Callable[[Transaction], Result],
        logs: frozenset[str],
        deliver: "Deliver",
        waiter: Any,  # noqa: ANN401 - the submitter knows what it is
    ) -> None:
        self.operation = operation
        self.logs = logs
        self.deliver = deliver
        self.waiter = waiter
        self.result: Result | None = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Answer with `error`."""
        self.result = None
        self.error = error

    def answer(self) -> Result:
        """Return what the operation returned, or raise what it raised; once."""
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # breaks the cycle error → traceback → this frame
        return cast("Result", self.result)


class Deliver(Protocol):
    """Takes answers in the writer's thread: it must be quick and must not raise.

    All answers of one batch that have the same `deliver` come in one call, in the order in which they were submitted.
    """

    def __call__(self, answered: list[Queued[Any]], /) -> None:
        """Hand the answers to those who wait for them."""
