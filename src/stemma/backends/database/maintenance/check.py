"""Checking a database: is the file whole, is the schema the declared one, do tables and rows fit together.

Only reads. What the database cannot know, such as whether packs are where the index says, is asked of callables that
the caller passes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from stemma.backends.database.dialect import CHECK_HINT, Connection
from stemma.backends.database.schema import LEVEL, level_of
from stemma.backends.database.sqlite import SqliteFile, open_memory
from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, StemmaError

MAX_FINDINGS = 100
Step: TypeAlias = Callable[[Connection], Iterable["Finding"]]
"""Looks at one side of a database."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: which check found it, where, what it is and what helps."""

    check: str
    place: str
    message: str
    hint: str = ""


Check: TypeAlias = Callable[[Transaction], Iterable[Finding]]
"""Compares what a subject keeps in the database with what it keeps elsewhere."""


def check(file: SqliteFile, more: Sequence[Check] = ()) -> tuple[Finding, ...]:
    """Return what is wrong with a database, nothing where all is well.

    NotFoundError where there is no file, UnavailableError where it cannot be read now: then nothing is known. Damage in
    one part does not keep the others from being checked.
    """
    try:
        connection = file.open_reader()
        connection.script("BEGIN")
    except CorruptError as error:
        return (_finding("open", error, str(file.path)),)
    with closing(connection):
        steps: list[Step] = [_schema, *(partial(run_check, each) for each in more)]
        return run_steps(connection, [_pages, _references], steps)


def run_steps(connection: Connection, always: Iterable[Step], declared: Iterable[Step]) -> tuple[Finding, ...]:
    """Return what all steps find; damage that ends one is a finding, and keeps no other from being run.

    Those that take the tables to be as `declared` are run only at the level of this release.
    """
    findings = _run(connection, always)
    if levels := _run(connection, [_level]):
        return (*findings, *levels)
    return (*findings, *_run(connection, declared))


def _run(connection: Connection, steps: Iterable[Step]) -> list[Finding]:
    findings: list[Finding] = []
    for step in steps:
        connection.script("SAVEPOINT step")
        try:
            findings += step(connection)
        except CorruptError as error:
            findings.append(_finding("read", error, connection.place))
        connection.script("ROLLBACK TO step")
    return findings


def _pages(connection: Connection) -> Iterator[Finding]:
    """Yield what SQLite finds: pages, free lists, indexes against their tables, checks and NOT NULL."""
    for (message,) in connection.script(f"PRAGMA integrity_check({MAX_FINDINGS})"):
        if message != "ok":
            yield Finding("pages", connection.place, str(message), CHECK_HINT)


def _references(connection: Connection) -> Iterator[Finding]:
    for table, row, parent, _ in connection.script("PRAGMA foreign_key_check")[:MAX_FINDINGS]:
        what = f"row {row} names what the table {parent} lacks"
        yield Finding("references", f"{connection.place}: {table}", what, CHECK_HINT)


def _level(connection: Connection) -> Iterator[Finding]:
    """Yield a finding where the tables are those of another release."""
    found = level_of(connection)
    if found != LEVEL:
        message = f"stands at level {found or 'none'}, this release works at {LEVEL}"
        yield Finding("level", connection.place, message, "Run 'stemma db migrate', or install a newer release.")


def _schema(connection: Connection) -> Iterator[Finding]:
    """Yield tables and indexes that are missing, are not declared, or are declared otherwise."""
    with closing(open_memory()) as fresh:
        declared = schema_of(fresh)
    present = schema_of(connection)
    for name in sorted(declared.keys() | present.keys()):
        if name not in present:
            what = "is missing"
        elif name not in declared:
            what = "is not part of a repository"
        elif present[name] != declared[name]:
            what = "is not as this release declares it"
        else:
            continue
        yield Finding("schema", f"{connection.place}: {name}", what, CHECK_HINT)


def schema_of(connection: Connection) -> dict[str, str]:
    """Return the SQL of each table, index, view and trigger, without differences in white space."""
    rows = connection.script("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    return {name: " ".join(str(sql).split()) for name, sql in rows if not name.startswith("sqlite_stat")}


def run_check(each: Check, connection: Connection) -> Iterable[Finding]:
    """Return what a subject finds."""
    return list(each(Transaction(connection, 0, reads_only=True)))


def _finding(check: str, error: StemmaError, place: str) -> Finding:
    return Finding(check, error.place or place, error.message, error.hint)
