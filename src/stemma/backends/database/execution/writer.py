"""The thread that writes: it takes what is queued, runs it in batches, commits, and answers.

A batch that failed for a reason that passes, such as a deadlock or a connection lost before the commit, is run again a
few times; one whose commit was lost is not, since it may have happened.

Where savepoints are dear, a batch is first run without. An operation that fails before it changed anything has simply
failed; after another failure nobody can tell whose changes are whose, and the batch is run again with savepoints.
"""

import random
import time
from collections import deque
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

from stemma.backends.database.dialect import Connection
from stemma.backends.database.execution.queued import Boundary, Database, Deliver, Queued, Refusals
from stemma.backends.database.transaction import Clock, Transaction
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnavailableError, UnsupportedError
from stemma.names import SYSTEM_NAMESPACE

MAX_BATCH = 256
BATCH_SECONDS = 0.05
SYSTEM_LOG = frozenset({SYSTEM_NAMESPACE})
_TRIES = 4
_PAUSE = 0.02


class _SpoiltError(Exception):
    """Operations of a batch have failed, and it cannot be told which."""


class Writer:
    """The thread that writes: its queue, its connection, and the batch at hand."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_refusal: Refusals | None,
        on_boundary: Boundary,
    ) -> None:
        self.queue: SimpleQueue[Queued[Any] | None] = SimpleQueue()
        self._waiting: deque[Queued[Any]] = deque()
        self._database = database
        self._clock = clock
        self._on_refusal = on_refusal
        self._on_boundary = on_boundary
        self._connection: Connection | None = None
        self._commits = False
        self._ends = False

    def work(self) -> None:
        """Serve the queue until it says None."""
        while self._waiting or not self._ends:
            if not self._waiting and not self._receive(self.queue.get()):
                break
            self._receive_all()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
            self._run(batch, joinable=True)
            self._enter_refusals(batch)
            _answer(batch)
        self._drop()

    def _receive(self, queued: Queued[Any] | None) -> bool:
        if queued is None:
            self._ends = True
            return False
        self._waiting.append(queued)
        return True

    def _receive_all(self) -> None:
        try:
            while self._receive(self.queue.get_nowait()):
                pass
        except Empty:
            pass

    def _run(self, batch: list[Queued[Any]], *, joinable: bool) -> None:
        """Run the operations in `batch`, and each that may still join it; commit them all or none."""
        careful = False
        for left in reversed(range(_TRIES)):
            self._commits = False
            try:
                careful = careful or not self._is_done_boldly(batch, joinable=joinable)
                if careful:
                    self._attempt(batch, joinable=False, careful=True)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the callers wait for an answer
                careful = True
                connection, commits = self._connection, self._commits
                passing = connection is not None and connection.is_passing(error)
                unknown = commits and connection is not None and connection.is_lost
                self._drop()
                if left and passing and not unknown:
                    time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - to break step, not to keep a secret
                    continue
                for queued in batch:
                    queued.fail(_unknown(error) if unknown else _unstored(error))
            return

    def _is_done_boldly(self, batch: list[Queued[Any]], *, joinable: bool) -> bool:
        try:
            self._attempt(batch, joinable=joinable, careful=False)
        except _SpoiltError:
            return False
        return True

    def _attempt(self, batch: list[Queued[Any]], *, joinable: bool, careful: bool) -> None:
        connection, locked = self._begin(batch)
        run_one = self._run_one if careful or connection.dialect.is_careful else self._run_boldly
        deadline = time.monotonic() + BATCH_SECONDS
        for queued in batch:
            run_one(connection, queued)
        while joinable and time.monotonic() < deadline and (joined := self._next(batch, locked)):
            run_one(connection, joined)
        try:
            connection.settle()
        except BaseException as error:
            if careful or connection.is_passing(error):
                raise
            self._give_up(connection, error)
        if connection.is_spoilt:
            self._give_up(connection, None)
        self._on_boundary("commit")
        self._commits = True
        connection.commit()
        self._on_boundary("committed")

    def _begin(self, batch: list[Queued[Any]]) -> tuple[Connection, frozenset[str] | None]:
        if self._connection is None:
            self._connection = self._database.open_writer()
        locked = self._database.begin(self._connection, frozenset().union(*(queued.logs for queued in batch)))
        self._connection.batch = self._connection.generation()  # while it writes, nobody else commits where this tells
        self._on_boundary("begin")
        return self._connection, locked

    def _next(self, batch: list[Queued[Any]], locked: frozenset[str] | None) -> Queued[Any] | None:
        """Move one operation to `batch` whose logs are locked; the others keep their order."""
        if len(batch) >= MAX_BATCH:
            return None
        self._receive_all()
        for index, queued in enumerate(islice(self._waiting, MAX_BATCH)):
            if locked is None or queued.logs <= locked:
                del self._waiting[index]
                batch.append(queued)
                return queued
        return None

    def _give_up(self, connection: Connection, error: BaseException | None) -> NoReturn:
        connection.script("ROLLBACK")
        raise _SpoiltError from error

    def _run_boldly(self, connection: Connection, queued: Queued[Any]) -> None:
        queued.error = None
        before = connection.changes
        try:
            queued.result = queued.operation(Transaction(connection, self._clock.now(), logs=queued.logs))
        except BaseException as error:
            if connection.is_passing(error):
                raise
            if connection.changes != before or connection.is_spoilt:
                self._give_up(connection, error)
            queued.fail(error)

    def _run_one(self, connection: Connection, queued: Queued[Any]) -> None:
        queued.error = None
        connection.script_ahead("SAVEPOINT operation")
        try:
            queued.result = queued.operation(Transaction(connection, self._clock.now(), logs=queued.logs))
            connection.script("RELEASE operation")
        except BaseException as error:
            if not connection.in_transaction or connection.is_passing(error):
                raise
            queued.fail(error)
            connection.script("ROLLBACK TO operation")
            connection.script("RELEASE operation")

    def _enter_refusals(self, batch: list[Queued[Any]]) -> None:
        enter = self._on_refusal
        if enter is None:
            return
        refused = [
            (queued, queued.error)
            for queued in batch
            if isinstance(queued.error, StemmaError) and queued.error.attempt is not None
        ]
        if refused:
            entering = [Queued(partial(enter_into, enter, error), logs_of(error), wake, None) for _, error in refused]
            self._run(entering, joinable=False)
            for (queued, _), entered in zip(refused, entering, strict=True):
                if entered.error is not None:
                    queued.fail(entered.error)

    def _drop(self) -> None:
        """Close the connection, which rolls back; the next batch opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _unstored(error: BaseException) -> StemmaError:
    """Return what a caller is told whose batch was not stored because of `error`; each gets one of its own."""
    match error:
        case CorruptError() | NotFoundError() | UnavailableError() | UnsupportedError():
            failure = type(error)(error.message, hint=error.hint, place=error.place)
        case _:
            failure = UnavailableError(f"nothing was stored: {error!r}", hint="Try again.")
    failure.__cause__ = error
    return failure


def _unknown(error: BaseException) -> StemmaError:
    """Return what a caller is told whose batch may have been stored: the connection was lost amid the commit."""
    failure = UnavailableError(
        f"whether this was stored is not known: {error}",
        hint="Look before you try again; the same request with the same idempotency key is safe.",
    )
    failure.__cause__ = error
    return failure


def enter_into(enter: Refusals, error: StemmaError, tx: Transaction) -> None:
    """Enter the refusal; its error comes before the transaction so that the rest is an operation."""
    enter(tx, error)


def logs_of(error: StemmaError) -> frozenset[str]:
    """Return the logs that a refusal may be entered in: that of its namespace, or `_system` where it has none."""
    return SYSTEM_LOG if error.attempt is None else SYSTEM_LOG | {error.attempt.namespace}


def wake(answered: list[Queued[Any]]) -> None:
    """Answer those who wait on a lock."""
    for queued in answered:
        queued.waiter.release()


def _answer(batch: list[Queued[Any]]) -> None:
    """Deliver every answer, and keep none."""
    by_deliver: dict[Deliver, list[Queued[Any]]] = {}
    for queued in batch:
        by_deliver.setdefault(queued.deliver, []).append(queued)
    batch.clear()
    for deliver, answered in by_deliver.items():
        deliver(answered)


def ignore(_event: str, /) -> None:
    """Take no note."""
