"""The executor: the only code that begins and ends transactions.

1. Operations that write are queued to one thread. It takes what is queued, begins, locks the logs that they append to,
   runs each in a savepoint of its own, commits once, and only then answers. One that raises is rolled back alone.
   One that arrives meanwhile joins where its logs are locked already, and otherwise begins the next batch.
2. Where the commit fails, no operation of the batch has happened and each is answered UnavailableError, also those that
   had raised: what they saw may never have been.
3. A refusal that carries an `attempt` is entered by `on_refusal`, in a transaction of its own, before it is answered.
4. Operations that read run in the caller's thread on a connection that cannot write, inside one snapshot.
5. After a fork, the child is refused: SQLite's locks belong to the parent.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, cast

from stemma.backends.database.dialect import Connection
from stemma.backends.database.transaction import Clock, SystemClock, Transaction
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnavailableError, UnsupportedError
from stemma.names import SYSTEM_NAMESPACE

MAX_BATCH = 256
BATCH_SECONDS = 0.05
SYSTEM_LOG = frozenset({SYSTEM_NAMESPACE})
_IDLE_READERS = 8
Result = TypeVar("Result")


class Database(Protocol):
    """A database that can be opened any number of times; `begin` waits for other writers, but not for ever."""

    def open_writer(self) -> Connection:
        """Return a connection whose commits are durable."""

    def open_reader(self) -> Connection:
        """Return a connection that cannot write."""

    def begin(self, connection: Connection, logs: frozenset[str]) -> frozenset[str] | None:
        """Begin a transaction that alone appends to `logs`; return the logs that it locked, None for all there are.

        UnavailableError where another holds on for too long.
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


class Executor:
    """Runs operations on one database; used by all threads of one process."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        on_refusal: Refusals | None = None,
        on_boundary: Boundary | None = None,
    ) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._on_refusal = on_refusal
        self._writer = _Writer(database, self._clock, on_refusal, on_boundary or _ignore)
        self._process = os.getpid()
        self._gate = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._readers: list[Connection] = []
        self._inside = threading.local()

    def write(self, operation: Callable[[Transaction], Result], logs: frozenset[str] = SYSTEM_LOG) -> Result:
        """Run `operation`, which appends to `logs` alone, in the writer thread; return its result once it is durable.

        Raises what the operation raises, and UnavailableError where nothing could be made durable.
        """
        self._check_caller()
        answered = threading.Lock()
        answered.acquire()
        queued = self._submit(Queued(operation, logs, _wake, answered))
        answered.acquire()
        return queued.answer()

    def submit(
        self,
        operation: Callable[[Transaction], Result],
        logs: frozenset[str],
        deliver: Deliver,
        waiter: object = None,
    ) -> None:
        """Queue `operation` and return at once; `deliver` is called when it is durable, or has failed.

        Its answer carries `waiter`. UnavailableError where nothing can be queued any more.
        """
        if os.getpid() != self._process:
            self._check_caller()
        self._submit(Queued(operation, logs, deliver, waiter))

    def submit_refusal(self, error: StemmaError, deliver: Deliver, waiter: object = None) -> bool:
        """Queue the entry of a refusal that `read` was told not to enter; return False where there is none to enter."""
        enter = self._on_refusal
        if enter is None or error.attempt is None:
            return False
        self.submit(partial(_enter, enter, error), _logs_of(error), deliver, waiter)
        return True

    def read(self, operation: Callable[[Transaction], Result], *, enter_refusals: bool = True) -> Result:
        """Run `operation` in this thread, inside one snapshot of the last commits; what it writes is refused.

        Entering a refusal waits for the writer: who must not wait uses `submit_refusal` instead.
        """
        self._check_caller()
        self._inside.reads = True
        try:
            return self._read(operation)
        except StemmaError as error:
            self._inside.reads = False
            if enter_refusals:
                self._enter_refusal(error)
            raise
        finally:
            self._inside.reads = False

    def close(self) -> None:
        """Run what is queued, then close every connection; later operations are answered UnavailableError."""
        if os.getpid() != self._process:
            return
        with self._gate:
            thread, self._thread, self._closed = self._thread, None, True
            self._writer.queue.put(None)
        if thread is not None:
            thread.join()
        while self._readers:
            self._readers.pop().close()

    def _submit(self, queued: Queued[Result]) -> Queued[Result]:
        with self._gate:
            self._check_open()
            if self._thread is None:
                self._thread = threading.Thread(target=self._writer.work, name="stemma-writer", daemon=True)
                self._thread.start()
            self._writer.queue.put(queued)
        return queued

    def _read(self, operation: Callable[[Transaction], Result]) -> Result:
        self._check_open()
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._database.open_reader()
        keep = False
        try:
            connection.script("BEGIN")
            try:
                return operation(Transaction(connection, self._clock.now(), reads_only=True))
            finally:
                connection.script("ROLLBACK")
                keep = not self._closed and len(self._readers) < _IDLE_READERS
        finally:
            if keep:
                self._readers.append(connection)
            else:
                connection.close()

    def _enter_refusal(self, error: StemmaError) -> None:
        enter = self._on_refusal
        if enter is not None and error.attempt is not None:
            self.write(partial(_enter, enter, error), _logs_of(error))

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("this repository is closed", hint="Open it again.")

    def _check_caller(self) -> None:
        if os.getpid() != self._process:
            raise UnavailableError(
                f"this repository was opened by process {self._process}, before the fork that made {os.getpid()}",
                hint="Open it again in the new process, or start processes by 'spawn'.",
            )
        if threading.current_thread() is self._thread or getattr(self._inside, "reads", False):
            raise RuntimeError("an operation runs inside another: pass `tx` on instead")


class _Writer:
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
        try:
            connection, locked = self._begin(batch)
            deadline = time.monotonic() + BATCH_SECONDS
            for queued in batch:
                self._run_one(connection, queued)
            while joinable and time.monotonic() < deadline and (joined := self._next(batch, locked)):
                self._run_one(connection, joined)
            self._on_boundary("commit")
            connection.script("COMMIT")
            self._on_boundary("committed")
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers wait for an answer
            self._drop()
            for queued in batch:
                queued.fail(_unstored(error))

    def _begin(self, batch: list[Queued[Any]]) -> tuple[Connection, frozenset[str] | None]:
        if self._connection is None:
            self._connection = self._database.open_writer()
        locked = self._database.begin(self._connection, frozenset().union(*(queued.logs for queued in batch)))
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

    def _run_one(self, connection: Connection, queued: Queued[Any]) -> None:
        connection.script("SAVEPOINT operation")
        try:
            queued.result = queued.operation(Transaction(connection, self._clock.now(), logs=queued.logs))
        except BaseException as error:
            queued.error = error
            if not connection.in_transaction:
                raise
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
            entering = [Queued(partial(_enter, enter, error), _logs_of(error), _wake, None) for _, error in refused]
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


def _enter(enter: Refusals, error: StemmaError, tx: Transaction) -> None:
    enter(tx, error)


def _logs_of(error: StemmaError) -> frozenset[str]:
    """Return the logs that a refusal may be entered in: that of its namespace, or `_system` where it has none."""
    return SYSTEM_LOG if error.attempt is None else SYSTEM_LOG | {error.attempt.namespace}


def _wake(answered: list[Queued[Any]]) -> None:
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


def _ignore(_event: str, /) -> None:
    """Take no note."""
