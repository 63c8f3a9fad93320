"""The one set of tables, and the class of each.

Every table is made by `table`, so that each has a class, is strict about types, and spells a column's type in
one of three ways that SQLite and PostgreSQL keep alike: whole numbers, text, bytes. Digests are 32 bytes, times are
whole microseconds since the epoch, truth is 0 or 1.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from stemma.backends.database.dialect import Connection, Statement
from stemma.errors import ConflictError, UnsupportedError

WHOLE: TypeEngine[Any] = BigInteger().with_variant(Integer(), "sqlite")
TEXT: TypeEngine[Any] = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted by code point everywhere, whatever the language of the database."""
BYTES: TypeEngine[Any] = LargeBinary()
DIGEST_SIZE = 32
LEVEL = "0001"
"""The revision under migrations/ that these tables stand at."""

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class TableClass(StrEnum):
    """What a table's rows are, and so how they come back when they are lost."""

    PRIMARY = "primary"
    """The truth itself: entries, records, detached texts. Only a backup brings it back."""
    PROJECTED = "projected"
    """Follows from entries and records; `stemma db rebuild` makes it again and compares."""
    JOURNAL = "journal"
    """High volume, mutable or short-lived; not ledgered; backed up."""


def table(name: str, kind: TableClass, *items: SchemaItem, rowid: bool = True) -> Table:
    """Declare a table of class `kind`.

    `rowid=False` stores the rows in the order of the primary key itself, which suits small rows with a key
    that is not one whole number.
    """
    for item in items:
        if isinstance(item, Column):
            item.type = _narrowed(name, item)
    return Table(name, METADATA, *items, info={"class": kind}, sqlite_strict=True, sqlite_with_rowid=rowid)


def digest_column(name: str, *items: SchemaItem, nullable: bool = False, primary_key: bool = False) -> Column[Any]:
    """Return a column that holds the 32 bytes of a SHA-256 (`Digest.raw`)."""
    check = CheckConstraint(f"length({name}) = {DIGEST_SIZE}", name=f"{name}_size")
    return Column(name, BYTES, check, *items, nullable=nullable, primary_key=primary_key)


def tables_of(kind: TableClass) -> tuple[Table, ...]:
    """Return the tables of one class that have been declared so far, parents before children."""
    return tuple(each for each in METADATA.sorted_tables if each.info["class"] is kind)


def _narrowed(table_name: str, column: Column[Any]) -> TypeEngine[Any]:
    match column.type:
        case Boolean() | Integer():
            return WHOLE
        case String():
            return TEXT
        case LargeBinary():
            return BYTES
        case other:
            raise TypeError(f"{table_name}.{column.name} is {other!r}; a column holds WHOLE, TEXT or BYTES")


level = table("schema_level", TableClass.JOURNAL, Column("version_num", TEXT, primary_key=True))
"""The revision that the database stands at, under the name of the column that Alembic asks for."""
repository = table("repository", TableClass.JOURNAL, Column("identity", TEXT, primary_key=True))
"""The identity of the repository that the database belongs to, which its folder holds too."""

_LEVEL = Statement(select(level.c.version_num))
_IDENTITY = Statement(select(repository.c.identity))
IDENTIFY = Statement(insert(repository))


def level_of(connection: Connection) -> str:
    """Return the revision that a database stands at."""
    row = connection.one(_LEVEL)
    return "" if row is None else str(row[0])


def refuse_level(connection: Connection, *, older: bool = False) -> None:
    """Raise UnsupportedError unless the tables are those of this release, or with `older` of one before."""
    found = level_of(connection)
    if found < LEVEL and not older:
        raise UnsupportedError(
            f"the database stands at level {found or 'none'}, this release works at {LEVEL}",
            place=connection.place,
            hint="'stemma db migrate' brings it up; it makes a backup first.",
        )
    if found > LEVEL:
        raise UnsupportedError(
            f"the database stands at level {found}, this release knows levels up to {LEVEL}",
            place=connection.place,
            hint="Install a newer release of Stemma; a database never goes back.",
        )


def refuse_foreign(connection: Connection, identity: str) -> None:
    """Raise ConflictError where the database belongs to another repository than `identity`."""
    held = connection.one(_IDENTITY)
    if held is not None and held[0] != identity:
        raise ConflictError(
            "this database belongs to another repository than the folder",
            place=connection.place,
            hint="Put the folder together with the database that it was made with; STEMMA_DATABASE_URL may name it.",
        )
