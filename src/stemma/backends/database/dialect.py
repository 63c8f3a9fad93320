"""Statements and connections: every difference between SQLite and PostgreSQL that a store could meet.

The two dialects themselves are values in `sqlite.py` and `postgresql/dialect.py`.

A statement is written in SQLAlchemy Core, compiled once per dialect, and run on the driver itself. Rows are plain
tuples as the driver returns them. No exception of a driver leaves this file: each becomes one of Stemma's own,
except those that only a mistake in this program can cause.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol, Self

from sqlalchemy import BindParameter, ColumnElement, Executable, Insert, LargeBinary, Table, bindparam, insert
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql import ClauseElement, SyntaxExtension
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Boolean, UserDefinedType

from stemma.errors import (
    StemmaError,
    UnavailableError,
)

_SERIALS = count(1)
CHECK_HINT = "Run 'stemma db check' to see what is damaged; 'stemma db rebuild' makes tables again from entries."


class Driver(Protocol):
    """What a DB-API 2.0 connection does here: `sqlite3.Connection` and `psycopg.Connection` both do."""

    def cursor(self) -> Any:  # noqa: ANN401 - the two drivers share no type of cursor
        """Return a new cursor."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:  # noqa: ANN401 - nor of parameters
        """Run a statement on a new cursor, and return that."""

    def close(self) -> None:
        """Give the connection back."""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """One kind of database: how statements are spelt, lists are passed and failures are told.

    `translate` takes an exception of the driver and the place of the database, and returns the error to raise, or
    None where only a mistake in this program explains it. `is_lost` says whether a connection is gone for good,
    `is_passing` whether running the same transaction again may succeed where it failed with this exception.
    `generation` tells committed states apart, None where the database cannot. `stream` returns rows of a query one by
    one, without holding them all; `script` runs what needs no parameters and returns a cursor. Where a dialect
    `is_careful` each operation of a batch has a savepoint of its own, else only after one of them failed.
    """

    name: str
    compiler: SqlDialect
    pass_list: Callable[[Sequence[Any]], object]
    translate: Callable[[Exception, str], StemmaError | None]
    in_transaction: Callable[[Any], bool]
    script: Callable[[Any, str], Any]
    is_lost: Callable[[Any], bool] = lambda _driver: False
    is_spoilt: Callable[[Any], bool] = lambda _driver: False
    is_careful: bool = True
    is_passing: Callable[[BaseException], bool] = lambda _error: False
    generation: Callable[[Any], int | None] = lambda _driver: None
    stream: Callable[[Any, str, Any], Iterator[tuple[Any, ...]]] | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement's text for one dialect, and what it must be run with."""

    sql: str
    names: frozenset[str]
    constants: Mapping[str, object]
    lists: tuple[str, ...]
    changes: bool


class Statement:
    """One SQL statement, compiled when it is first run against a dialect.

    What it is run with must be exactly the parameters that it names; a parameter of `member_of` takes a sequence.
    An INSERT or UPDATE without values of its own takes the columns `keys`, all where none are given.
    """

    __slots__ = ("_compiled", "element", "keys")

    def __init__(self, element: Executable, keys: Sequence[str] | None = None) -> None:
        self.element = element
        self.keys = keys
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> Compiled:
        """Return the SQL text for `dialect` and what it must be run with."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _compile(self.element, self.keys, dialect)
        return found


def _compile(element: Executable, keys: Sequence[str] | None, dialect: Dialect) -> Compiled:
    if not isinstance(element, ClauseElement):
        raise TypeError(f"{element!r} is not a statement of SQLAlchemy Core")
    compiled = element.compile(dialect=dialect.compiler, column_keys=keys)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"{element!r} is not a statement with parameters")
    if "POSTCOMPILE" in compiled.string:
        raise TypeError(f"use member_of instead of in_: {compiled.string}")
    binds = compiled.binds
    constants = {name: value for name, value in compiled.params.items() if not _is_open(binds.get(name))}
    lists = tuple(name for name, bind in binds.items() if isinstance(bind.type, _List))
    names = frozenset(compiled.params) - constants.keys()
    return Compiled(compiled.string, names, constants, lists, changes=element.is_dml)


def _is_open(bind: BindParameter[Any] | None) -> bool:
    return bind is not None and bind.required


class Link:
    """A connection of the driver and the transaction that is open on it; used by one thread at a time.

    Errors are those of `Connection`.
    """

    __slots__ = ("batch", "changes", "dialect", "driver", "memory", "place", "serial")

    def __init__(self, driver: Driver, dialect: Dialect, place: str) -> None:
        self.serial = next(_SERIALS)
        self.changes = 0
        self.memory: tuple[object, dict[object, Any]] = (None, {})
        self.batch: object | None = None
        self.driver = driver
        self.dialect = dialect
        self.place = place

    def define(self, element: ExecutableDDLElement) -> None:
        """Create or drop what `element` says."""
        self.script(str(element.compile(dialect=self.dialect.compiler)))

    def script(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement that needs no parameters, such as BEGIN or a PRAGMA, and return its rows.

        PostgreSQL also takes several with semicolons between them, and answers the rows of the first.
        """
        try:
            cursor = self.dialect.script(self.driver, sql)
            rows: list[tuple[Any, ...]] = [] if cursor.description is None else cursor.fetchall()
        except Exception as error:
            raise self._translated(error) from error
        return rows

    def script_ahead(self, sql: str) -> None:
        """Run one statement that needs no parameters and answers nothing; a failure may show as for `send`."""
        self.script(sql)

    def settle(self) -> None:
        """Wait until all that was sent is done, and raise what failed."""

    def commit(self) -> None:
        """Make durable what was done; UnavailableError where the database undid it instead."""
        try:
            cursor = self.dialect.script(self.driver, "COMMIT")
        except Exception as error:
            raise self._translated(error) from error
        if getattr(cursor, "statusmessage", "COMMIT") != "COMMIT":
            raise UnavailableError("the database undid the transaction", place=self.place, hint="Try again.")

    def generation(self) -> object | None:
        """Return what changes when another connection has committed; None where the database does not tell."""
        try:
            told = self.dialect.generation(self.driver)
        except Exception as error:
            raise self._translated(error) from error
        return None if told is None else (self.serial, told)

    @property
    def is_lost(self) -> bool:
        """Whether nothing more can be done with it."""
        return self.dialect.is_lost(self.driver)

    @property
    def is_spoilt(self) -> bool:
        """Whether the transaction that is open can only be rolled back."""
        return self.is_lost or self.dialect.is_spoilt(self.driver)

    def was_ended(self) -> bool:
        """Return whether a connection that lay idle was ended by the other side."""
        return self.is_lost

    def is_passing(self, error: BaseException) -> bool:
        """Return whether running the same transaction again may succeed where it failed with `error`."""
        return self.is_lost or self.dialect.is_passing(error)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; SQLite ends one by itself when a disk fails or is full."""
        return self.dialect.in_transaction(self.driver)

    def close(self) -> None:
        """Close the connection of the driver."""
        self.driver.close()

    def _translated(self, error: Exception) -> Exception:
        return self.dialect.translate(error, self.place) or error


class Connection(Link):
    """A connection on which statements are run.

    Every method raises AlreadyExistsError and ConflictError where a constraint says no, UnavailableError
    where the database cannot answer now, and CorruptError where the file is damaged.
    """

    __slots__ = ()

    def one(self, statement: Statement, /, **parameters: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        try:
            row: tuple[Any, ...] | None = self._execute(statement, parameters).fetchone()
        except Exception as error:
            raise self._translated(error) from error
        return row

    def all(self, statement: Statement, /, **parameters: object) -> list[tuple[Any, ...]]:
        """Return all rows."""
        try:
            rows: list[tuple[Any, ...]] = self._execute(statement, parameters).fetchall()
        except Exception as error:
            raise self._translated(error) from error
        return rows

    def stream(self, statement: Statement, /, **parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows one by one; the tables it reads must not be written until it is exhausted."""
        try:
            if self.dialect.stream is None:
                yield from self._execute(statement, parameters)
            else:
                compiled = statement.compiled(self.dialect)
                yield from self.dialect.stream(self.driver, compiled.sql, self._checked(compiled, parameters))
        except Exception as error:
            raise self._translated(error) from error

    def run(self, statement: Statement, /, **parameters: object) -> int:
        """Change rows; return how many."""
        try:
            return int(self._execute(statement, parameters).rowcount)
        except Exception as error:
            raise self._translated(error) from error

    def send(self, statement: Statement, /, **parameters: object) -> None:
        """Change rows where nobody asks how many; on PostgreSQL a failure may show only at the next answer."""
        try:
            self._execute(statement, parameters)
        except Exception as error:
            raise self._translated(error) from error

    def demand(self, statement: Statement, otherwise: Callable[[], StemmaError], /, **parameters: object) -> None:
        """Change rows; where there are none, raise what `otherwise` returns, perhaps as late as for `send`."""
        if not self.run(statement, **parameters):
            raise otherwise()

    def run_many(self, statement: Statement, rows: Sequence[Mapping[str, object]]) -> None:
        """Run `statement` once for each set of parameters; a failure may show as for `send`."""
        if not rows:
            return
        compiled = statement.compiled(self.dialect)
        for row in rows:
            if len(row) != len(compiled.names):
                raise TypeError(_mismatch(compiled, row))
        try:
            filled: Sequence[Mapping[str, object]] = rows
            if compiled.constants or compiled.lists:
                filled = [self._fill(compiled, row) for row in rows]
            self.driver.cursor().executemany(compiled.sql, filled)
        except Exception as error:
            raise self._translated(error) from error

    def _execute(self, statement: Statement, parameters: Mapping[str, object]) -> Any:  # noqa: ANN401 - a driver's cursor
        compiled = statement.compiled(self.dialect)
        return self.driver.execute(compiled.sql, self._checked(compiled, parameters))

    def _checked(self, compiled: Compiled, parameters: Mapping[str, object]) -> Mapping[str, object]:
        if len(parameters) != len(compiled.names):  # of as many, the driver misses one that has another name
            raise TypeError(_mismatch(compiled, parameters))
        return self._fill(compiled, parameters) if compiled.constants or compiled.lists else parameters

    def _fill(self, compiled: Compiled, parameters: Mapping[str, object]) -> Mapping[str, object]:
        filled = {**compiled.constants, **parameters}
        for name in compiled.lists:
            values = filled[name]
            if not isinstance(values, Sequence) or isinstance(values, str | bytes):
                raise TypeError(f"parameter {name!r} is a list, not {type(values).__name__}")
            filled[name] = self.dialect.pass_list(values)
        return filled


def _mismatch(compiled: Compiled, parameters: Mapping[str, object]) -> str:
    return f"this statement takes {sorted(compiled.names)}, not {sorted(parameters)}: {compiled.sql}"


class _List(UserDefinedType[Any]):
    """The type of a parameter that is a list."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        raise TypeError("a list is a parameter, never a column")


class _MemberOf(ColumnElement[bool]):
    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: BindParameter[Any] = bindparam(name, type_=_List(), required=True)
        self.binary = isinstance(column.type, LargeBinary)

    def self_group(self, against: OperatorType | None = None) -> Self:  # noqa: ARG002 - SQLAlchemy passes it
        """Return the condition as it is: in `... IN (...) = 1` no index would be used."""
        return self


def member_of(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that `column` is one of the values in the list parameter `name`; any length, also none."""
    return _MemberOf(column, name)


@compiles(_MemberOf, "sqlite")
def _member_in_json(element: _MemberOf, compiler: SQLCompiler, **options: object) -> str:
    values = compiler.process(element.values, **options)
    column = compiler.process(element.column, **options)
    return f"{column} IN (SELECT {'blob_of(value)' if element.binary else 'value'} FROM json_each({values}))"  # noqa: S608 - parts that the compiler made


@compiles(_MemberOf, "postgresql")
def _member_of_array(element: _MemberOf, compiler: SQLCompiler, **options: object) -> str:
    return f"{compiler.process(element.column, **options)} = ANY({compiler.process(element.values, **options)})"


class _OnConflict(SyntaxExtension, ClauseElement):
    inherit_cache = False
    _traverse_internals = []  # noqa: RUF012 - SQLAlchemy reads a list here

    def __init__(self, keys: Sequence[str] = (), update: Sequence[str] = (), add: str = "") -> None:
        self.keys = tuple(keys)
        self.update = tuple(update)
        self.add = add

    def apply_to_insert(self, insert_stmt: Insert) -> None:
        insert_stmt.apply_syntax_extension_point(lambda _: [self], "post_values")


@compiles(_OnConflict)
def _on_conflict(element: _OnConflict, compiler: SQLCompiler, **_options: object) -> str:
    quote = compiler.preparer.quote
    if not element.keys:
        return "ON CONFLICT DO NOTHING"
    changes = [f"{quote(name)} = excluded.{quote(name)}" for name in element.update]
    if element.add:
        table, _, name = element.add.partition(".")
        changes.append(f"{quote(name)} = {quote(table)}.{quote(name)} + excluded.{quote(name)}")
    return f"ON CONFLICT ({', '.join(map(quote, element.keys))}) DO UPDATE SET {', '.join(changes)}"


def insert_or_ignore(table: Table) -> Insert:
    """Return an INSERT that changes nothing where any unique key is taken (`run` answers 0 then)."""
    return insert(table).ext(_OnConflict())


def add_up(table: Table, keys: Sequence[str], column: str) -> Insert:
    """Return an INSERT that, where `keys` are taken, adds its `column` to the one that is there."""
    return insert(table).ext(_OnConflict(keys, add=f"{table.name}.{column}"))


def upsert(table: Table, keys: Sequence[str], update: Sequence[str] | None = None) -> Insert:
    """Return an INSERT that, where `keys` are taken, overwrites the columns `update` (default: all others)."""
    others = [column.name for column in table.columns if column.name not in keys]
    return insert(table).ext(_OnConflict(keys, others if update is None else update))
