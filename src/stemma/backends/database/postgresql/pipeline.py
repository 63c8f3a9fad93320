"""A connection that asks the server only when an answer is needed: what is sent before travels with the next question.

A registration runs some thirty statements, and half of them answer nothing. They are queued, and go out together with
the first statement whose answer somebody waits for, in libpq's pipeline mode (PostgreSQL's manual, 34.5). Where one of
them fails, the waiting statement raises its error: still inside the operation, and before its savepoint is released.

Values travel as their types do: whole numbers and lists as text, text and bytes in binary. Statements are prepared on
their first use. What else psycopg does with the connection is done while nothing is queued.
"""

import re
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from stemma.backends.database.dialect import Compiled, Connection, Statement
from stemma.errors import StemmaError

_NAMED = re.compile(r"%\((\w+)\)s|%%")
_BINARY, _TEXT = 1, 0
_MOST = 256
_READABLE, _WRITABLE = select.POLLIN | select.POLLHUP | select.POLLERR, select.POLLOUT


class _Spelled(NamedTuple):
    """A statement as libpq takes it: `$1` for parameters, which are given in the order of `order`."""

    name: bytes
    sql: bytes
    order: tuple[str, ...]


class _Question(NamedTuple):
    """A statement on its way; without a name it is sent as it is, once."""

    spelled: _Spelled
    values: list[bytes | None]
    formats: list[int]
    otherwise: Callable[[], StemmaError] | None = None


class PipelinedConnection(Connection):
    """A connection to PostgreSQL."""

    __slots__ = ("_is_refused", "_poll", "_prepared", "_queue", "_spelled", "_transformer")

    driver: psycopg.Connection[Any]

    def __init__(self, driver: psycopg.Connection[Any], *arguments: Any) -> None:  # noqa: ANN401 - those of Connection
        super().__init__(driver, *arguments)
        self._queue: list[_Question] = []
        self._spelled: dict[str, _Spelled] = {}
        self._prepared: set[bytes] = set()
        self._transformer = Transformer(driver)
        self._poll = select.poll()
        self._is_refused = False

    def one(self, statement: Statement, /, **parameters: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        rows = self._rows(self._ask(statement, parameters))
        return rows[0] if rows else None

    def all(self, statement: Statement, /, **parameters: object) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self._rows(self._ask(statement, parameters))

    def stream(self, statement: Statement, /, **parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows one by one."""
        self.settle()
        return super().stream(statement, **parameters)

    def run(self, statement: Statement, /, **parameters: object) -> int:
        """Change rows; return how many."""
        return self._ask(statement, parameters).command_tuples or 0

    def send(self, statement: Statement, /, **parameters: object) -> None:
        """Change rows; a failure shows when the next answer is waited for."""
        self._put(self._question(statement, parameters))

    def demand(self, statement: Statement, otherwise: Callable[[], StemmaError], /, **parameters: object) -> None:
        """Change rows; where there are none to change, the next answer that is waited for is this error."""
        self._put(self._question(statement, parameters)._replace(otherwise=otherwise))

    def run_many(self, statement: Statement, rows: Sequence[Mapping[str, object]]) -> None:
        """Send `statement` once for each set of parameters."""
        for row in rows:
            self._put(self._question(statement, row))

    def script(self, sql: str) -> list[tuple[Any, ...]]:
        """Run statements that need no parameters; return the rows of the first."""
        self.settle()
        self._is_refused = False
        return super().script(sql)

    def script_ahead(self, sql: str) -> None:
        """Send one statement that needs no parameters and answers nothing, before whatever is asked next."""
        self._put(_Question(_Spelled(b"", sql.encode(), ()), [], []))

    def commit(self) -> None:
        """Make durable what was done."""
        self.settle()
        super().commit()

    def settle(self) -> None:
        """Wait for the answers of all that was sent, and raise the first failure."""
        if self._queue:
            self._flush()

    def was_ended(self) -> bool:
        """Return whether the server said anything while nothing was asked: it does so when it ends a connection."""
        if self.is_lost:
            return True
        self._poll.register(self.driver.pgconn.socket, _READABLE)
        return bool(self._poll.poll(0))

    @property
    def is_spoilt(self) -> bool:
        """Whether the transaction that is open can only be rolled back, to its beginning or to a savepoint."""
        return self._is_refused or super().is_spoilt

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._queue) or super().in_transaction

    def _ask(self, statement: Statement, parameters: Mapping[str, object]) -> PGresult:
        self._queue.append(self._question(statement, parameters))
        return self._flush()

    def _put(self, question: _Question) -> None:
        self._queue.append(question)
        if len(self._queue) >= _MOST:
            self._flush()

    def _question(self, statement: Statement, parameters: Mapping[str, object]) -> _Question:
        compiled = statement.compiled(self.dialect)
        spelled = self._spelled.get(compiled.sql) or self._spell(compiled)
        filled = self._checked(compiled, parameters)
        self.changes += compiled.changes
        values: list[bytes | None] = []
        formats: list[int] = []
        try:
            for name in spelled.order:
                value = filled[name]
                if isinstance(value, bytes):
                    values.append(value)
                    formats.append(_BINARY)
                elif isinstance(value, str):
                    values.append(value.encode())
                    formats.append(_BINARY)
                else:
                    values.append(None if value is None else _as_text(value))
                    formats.append(_TEXT)
        except Exception as error:
            raise self._translated(error) from error
        return _Question(spelled, values, formats)

    def _spell(self, compiled: Compiled) -> _Spelled:
        order: dict[str, int] = {}

        def place(match: re.Match[str]) -> str:
            return "%" if match[1] is None else f"${order.setdefault(match[1], len(order) + 1)}"

        sql = _NAMED.sub(place, compiled.sql).encode()
        spelled = _Spelled(b"s%d" % len(self._spelled), sql, tuple(order))
        self._spelled[compiled.sql] = spelled
        return spelled

    def _flush(self) -> PGresult:
        """Send the queue and wait for every answer; return the last, or raise the first failure."""
        questions, self._queue = self._queue, []
        try:
            with self.driver.lock:
                results = self._exchange(self.driver.pgconn, questions)
        except Exception as error:
            self.driver.close()  # answers may be on their way, and would be taken for those of the next question
            raise self._translated(error) from error
        except BaseException:
            self.driver.close()
            raise
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                failure = psycopg.errors.error_from_result(result, encoding="utf-8")
                raise self._translated(failure) from failure
        for question, result in zip(questions, results, strict=True):
            if question.otherwise is not None and not result.command_tuples:
                self._is_refused = True
                raise question.otherwise()
        return results[-1]

    def _exchange(self, server: PGconn, questions: list[_Question]) -> list[PGresult]:
        """Return a result for each question; after a failure those that follow are only marked as aborted."""
        server.enter_pipeline_mode()
        expected: list[_Spelled | None] = []
        fresh: set[bytes] = set()
        for spelled, values, formats, _ in questions:
            if not spelled.name:
                server.send_query_params(spelled.sql, None)
            else:
                if spelled.name not in self._prepared and spelled.name not in fresh:
                    server.send_prepare(spelled.name, spelled.sql)
                    fresh.add(spelled.name)
                    expected.append(spelled)
                server.send_query_prepared(spelled.name, values, formats, _BINARY)
            expected.append(None)
        server.pipeline_sync()
        self._push(server)
        results: list[PGresult] = []
        for preparing in expected:
            result = self._receive(server)
            if preparing is None:
                results.append(result)
            elif result.status == ExecStatus.COMMAND_OK:
                self._prepared.add(preparing.name)
            elif result.status == ExecStatus.FATAL_ERROR:
                results.append(result)
        self._receive(server, ends=True)
        server.exit_pipeline_mode()
        return results

    def _push(self, server: PGconn) -> None:
        """Send all that is queued in libpq, taking in what the server says meanwhile."""
        while server.flush():
            self._wait(server, _READABLE | _WRITABLE)
            server.consume_input()

    def _receive(self, server: PGconn, *, ends: bool = False) -> PGresult:
        while True:
            while server.is_busy():
                self._wait(server, _READABLE)
                server.consume_input()
            result = server.get_result()
            if result is None:  # between the answers of two statements
                if server.status == ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection is lost")
                continue
            if ends or result.status != ExecStatus.PIPELINE_SYNC:
                return result

    def _wait(self, server: PGconn, events: int) -> None:
        self._poll.register(server.socket, events)
        self._poll.poll()

    def _rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result, format=psycopg.pq.Format.BINARY)
        rows: list[tuple[Any, ...]] = self._transformer.load_rows(0, result.ntuples, tuple)
        return rows


def _as_text(value: object) -> bytes:
    match value:
        case int():
            return b"%d" % value
        case list():
            return b"{" + b",".join(_element(each) for each in value) + b"}"
        case _:
            raise TypeError(f"a value is a whole number, text, bytes or a list of them, not {type(value).__name__}")


def _element(value: object) -> bytes:
    """Return a member of an array as it is written in one (PostgreSQL's manual, 8.15.6)."""
    match value:
        case bytes():
            return b'"\\\\x' + value.hex().encode() + b'"'
        case str():
            if "\0" in value:
                raise psycopg.DataError("text holds a NUL character")
            return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
        case _:
            return _as_text(value)
