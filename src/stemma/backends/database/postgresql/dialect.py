"""The dialect of PostgreSQL, and what each of its failures means.

SQLSTATE codes are those of Appendix A of PostgreSQL's manual.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from stemma.backends.database.dialect import CHECK_HINT, Dialect
from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    InvalidError,
    StemmaError,
    TooLargeError,
    UnavailableError,
)

_SERIALS = count(1)
_ROWS_AT_ONCE = 1000
_PASSING = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_DEEP = 8
_GONE = (UnavailableError, "the database ended the connection", "Try again.")
_FULL = (UnavailableError, "the database has no room left", "Free space on its disk, then try again.")
_DAMAGED = (CorruptError, "the database is damaged", CHECK_HINT)
_SCHEMA = (CorruptError, "the database lacks a part of its schema", CHECK_HINT)
_Meaning = tuple[type[StemmaError], str, str]
_VALUE: _Meaning = (InvalidError, "a value cannot be stored", "Numbers have 64 bits; text is Unicode without NUL.")
_MEANINGS: Mapping[str, _Meaning] = {
    "23505": (AlreadyExistsError, "already taken", "Read what is there before writing again."),
    "40001": (UnavailableError, "others were in the way", "Try again."),
    "40P01": (UnavailableError, "others were in the way", "Try again."),
    "55P03": (UnavailableError, "another process has been writing for too long", "Try again when it is done."),
    "57014": (UnavailableError, "this took longer than it may", "Try again, or ask for less at once."),
    "57P01": _GONE,
    "57P02": _GONE,
    "57P03": (UnavailableError, "the database is starting or stopping", "Try again."),
    "57P05": _GONE,
    "25P03": _GONE,
    "53300": (UnavailableError, "the database takes no more connections", "Try again, or raise max_connections."),
    "53100": _FULL,
    "53200": (UnavailableError, "the database has no memory left", "Try again later."),
    "58030": (UnavailableError, "the disk of the database failed", "Look at its log."),
    "58P01": _DAMAGED,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "42P07": (AlreadyExistsError, "already there", "Use an empty database."),
    "42P01": _SCHEMA,
    "42703": _SCHEMA,
    "42501": (UnavailableError, "the database does not permit it", "Look at which role its URL names."),
    "25006": (UnavailableError, "the database cannot be written", "Connect to the primary, not to a standby."),
    "54000": (TooLargeError, "over a limit of the database", "Store less at once."),
    "22003": _VALUE,
    "22021": _VALUE,
    "22P05": _VALUE,
}
_CLASSES: Mapping[str, _Meaning] = {
    "23": (ConflictError, "the database refuses it", "Read the present state, then try again."),
    "08": _GONE,
    "53": (UnavailableError, "the database lacks what it needs", "Try again later."),
    "57": _GONE,
    "58": (UnavailableError, "the system of the database failed", "Look at its log."),
    "54": (TooLargeError, "over a limit of the database", "Store less at once."),
}


def _translate(error: Exception, place: str) -> StemmaError | None:
    meaning = _meaning(error)
    if meaning is None:
        return None
    kind, what, hint = meaning
    return kind(f"{what}: {_said(error)}", place=place, hint=hint)


def _meaning(error: Exception) -> _Meaning | None:
    match error:
        case OverflowError() | UnicodeEncodeError():
            return _VALUE
        case psycopg.Error(sqlstate=str() as state):
            return _MEANINGS.get(state) or _CLASSES.get(state[:2])
        case psycopg.DataError():
            return _VALUE
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return _GONE
        case _:
            return None


def _said(error: Exception) -> str:
    """Return the server's own message without the lines of detail, which quote values."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    return " ".join(str(error).split())


def _in_transaction(driver: psycopg.Connection[Any]) -> bool:
    return driver.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}


def _is_lost(driver: psycopg.Connection[Any]) -> bool:
    return bool(driver.closed)


def _is_spoilt(driver: psycopg.Connection[Any]) -> bool:
    return driver.info.transaction_status == TransactionStatus.INERROR


def _is_passing(error: BaseException) -> bool:
    cause: BaseException | None = error
    for _ in range(_DEEP):
        if isinstance(cause, psycopg.Error) and cause.sqlstate in _PASSING:
            return True
        if cause is None:
            break
        cause = cause.__cause__
    return False


def _stream(driver: psycopg.Connection[Any], sql: str, parameters: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
    """Yield rows from a cursor of the server; inside a transaction only."""
    with driver.cursor(name=f"stemma_{next(_SERIALS)}") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(sql, parameters)
        yield from cursor


def _script(driver: psycopg.Connection[Any], sql: str) -> psycopg.Cursor[Any]:
    """Run one or several statements in one round trip, which a prepared statement cannot."""
    cursor = driver.cursor()
    cursor.execute(sql, prepare=False)
    return cursor


POSTGRESQL = Dialect(
    "postgresql",
    PGDialect_psycopg(),  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    list,
    _translate,
    _in_transaction,
    script=_script,
    is_lost=_is_lost,
    is_spoilt=_is_spoilt,
    is_careful=False,  # each savepoint takes a transaction id, and two statements
    is_passing=_is_passing,
    stream=_stream,
)
