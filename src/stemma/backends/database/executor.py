"""The executor: the only code that begins and ends transactions.

1. Operations that write are queued to one thread. It takes what is queued, begins, runs each in a savepoint of its
   own, commits once, and only then answers. One that raises is rolled back alone.
2. Where the commit fails, no operation of the batch has happened and each is answered UnavailableError, also those that
   had raised: what they saw may never have been.
3. A refusal that carries an `attempt` is entered by `on_refusal`, in a transaction of its own, before it is answered.
4. Operations that read run in the caller's thread on a connection that cannot write, inside one snapshot.
5. After a fork, the child is refused: SQLite's locks belong to the parent.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, cast

from stemma.backends.database.dialect import Connection
from stemma.backends.database.transaction import Clock, SystemClock, Transaction
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnavailableError, UnsupportedError

MAX_BATCH = 256
BATCH_SECONDS = 0.05
_IDLE_READERS = 8
Result = TypeVar("Result")


class Database(Protocol):
    """A database that can be opened any number of times; `begin` waits for other writers, but not for ever."""

    def open_writer(self) -> Connection:
        """Return a connection whose commits are durable."""

    def open_reader(self) -> Connection:
        """Return a connection that cannot write."""

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that may write; UnavailableError where another holds on for too long."""


class Boundary(Protocol):
    """Told `begin`, `commit` and `committed` just before and after they happen; a test may end the process there."""

    def __call__(self, event: str, /) -> None:
        """Take note of `event`."""


class Refusals(Protocol):
    """Enters what was refused; `error.attempt` is there."""

    def __call__(self, tx: Transaction, error: StemmaError, /) -> None:
        """Enter the refusal in the ledger, or count it where it repeats one."""


class _Queued(Generic[Result]):
    """An operation on its way to the writer and its answer on the way back."""

    __slots__ = ("answered", "error", "operation", "result")

    def __init__(self, operation: Callable[[Transaction], Result], /) -> None:
        self.operation = operation
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.answered = threading.Lock()
        self.answered.acquire()

    def fail(self, error: BaseException) -> None:
        """Answer with `error`."""
        self.result = None
        self.error = error


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

    def write(self, operation: Callable[[Transaction], Result]) -> Result:
        """Run `operation` in the writer thread and return its result once it is durable.

        Raises what the operation raises, and UnavailableError where nothing could be made durable.
        """
        self._check_caller()
        queued = _Queued(operation)
        with self._gate:
            self._check_open()
            if self._thread is None:
                self._thread = threading.Thread(target=self._writer.work, name="stemma-writer", daemon=True)
                self._thread.start()
            self._writer.queue.put(queued)
        queued.answered.acquire()
        if queued.error is not None:
            error, queued.error = queued.error, None
            try:
                raise error
            finally:
                del error  # breaks the cycle error → traceback → this frame
        return cast("Result", queued.result)

    def read(self, operation: Callable[[Transaction], Result]) -> Result:
        """Run `operation` in this thread, inside one snapshot of the last commits; what it writes is refused."""
        self._check_caller()
        self._inside.reads = True
        try:
            return self._read(operation)
        except StemmaError as error:
            self._inside.reads = False
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
            self.write(lambda tx: enter(tx, error))

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
        self.queue: SimpleQueue[_Queued[Any] | None] = SimpleQueue()
        self._database = database
        self._clock = clock
        self._on_refusal = on_refusal
        self._on_boundary = on_boundary
        self._connection: Connection | None = None
        self._ends = False

    def work(self) -> None:
        """Serve the queue until it says None."""
        while not self._ends:
            first = self.queue.get()
            if first is None:
                break
            batch = [first]
            self._run(batch, self._take)
            self._enter_refusals(batch)
            while batch:
                batch.pop().answered.release()
        self._drop()

    def _run(self, batch: list[_Queued[Any]], take: Callable[[list[_Queued[Any]]], bool]) -> None:
        """Run the operations in `batch`, and each that `take` still adds to it; commit them all or none."""
        try:
            connection = self._begin()
            deadline = time.monotonic() + BATCH_SECONDS
            for queued in batch:
                self._run_one(connection, queued)
            while len(batch) < MAX_BATCH and time.monotonic() < deadline and take(batch):
                self._run_one(connection, batch[-1])
            self._on_boundary("commit")
            connection.script("COMMIT")
            self._on_boundary("committed")
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers wait for an answer
            self._drop()
            for queued in batch:
                queued.fail(_unstored(error))

    def _begin(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.open_writer()
        self._database.begin(self._connection)
        self._on_boundary("begin")
        return self._connection

    def _take(self, batch: list[_Queued[Any]]) -> bool:
        try:
            queued = self.queue.get_nowait()
        except Empty:
            return False
        if queued is None:
            self._ends = True
            return False
        batch.append(queued)
        return True

    def _run_one(self, connection: Connection, queued: _Queued[Any]) -> None:
        connection.script("SAVEPOINT operation")
        try:
            queued.result = queued.operation(Transaction(connection, self._clock.now()))
        except BaseException as error:
            queued.error = error
            if not connection.in_transaction:
                raise
            connection.script("ROLLBACK TO operation")
        connection.script("RELEASE operation")

    def _enter_refusals(self, batch: list[_Queued[Any]]) -> None:
        enter = self._on_refusal
        if enter is None:
            return
        refused = [
            (queued, queued.error)
            for queued in batch
            if isinstance(queued.error, StemmaError) and queued.error.attempt is not None
        ]
        if refused:
            entering = [_Queued(partial(_enter, enter, error)) for _, error in refused]
            self._run(entering, _take_nothing)
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


def _take_nothing(_batch: list[_Queued[Any]], /) -> bool:
    return False


def _ignore(_event: str, /) -> None:
    """Take no note."""
