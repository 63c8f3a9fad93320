"""The executor: the only code that begins and ends transactions.

1. Operations that write are queued to one thread. It takes what is queued, begins, locks the logs that they append to,
   runs each in a savepoint of its own, commits once, and only then answers. One that raises is rolled back alone.
   One that arrives meanwhile joins where its logs are locked already, and otherwise begins the next batch.
2. Where the commit fails, no operation of the batch has happened and each is answered UnavailableError, also those that
   had raised: what they saw may never have been. Where a connection is lost amid the commit, the answer says so.
3. A refusal that carries an `attempt` is entered by `on_refusal`, in a transaction of its own, before it is answered.
4. Operations that read run in the caller's thread on a connection that cannot write, inside one snapshot.
5. After a fork, the child is refused: SQLite's locks belong to the parent.
"""

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from stemma.backends.database.dialect import Connection
from stemma.backends.database.execution.queued import Boundary, Database, Deliver, Queued, Refusals
from stemma.backends.database.execution.writer import SYSTEM_LOG, Writer, enter_into, ignore, logs_of, wake
from stemma.backends.database.transaction import Clock, SystemClock, Transaction
from stemma.errors import StemmaError, UnavailableError

_IDLE_READERS = 8
Result = TypeVar("Result")


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
        self._writer = Writer(database, self._clock, on_refusal, on_boundary or ignore)
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
        queued = self._submit(Queued(operation, logs, wake, answered))
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
        self.submit(partial(enter_into, enter, error), logs_of(error), deliver, waiter)
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
        connection = self._begin_reading()
        keep = False
        try:
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

    def _begin_reading(self) -> Connection:
        """Begin on an idle connection, or on a new one where those that were idle have been lost."""
        while True:
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._database.open_reader()
            else:
                if connection.was_ended():
                    connection.close()
                    continue
            try:
                connection.script_ahead("BEGIN")
            except BaseException:
                connection.close()
                raise
            return connection

    def _enter_refusal(self, error: StemmaError) -> None:
        enter = self._on_refusal
        if enter is not None and error.attempt is not None:
            self.write(partial(enter_into, enter, error), logs_of(error))

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
