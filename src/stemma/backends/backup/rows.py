"""Rows of a table on their way into a file and back, alike for every database.

A file is a header and chunks: the length of what follows, its BLAKE3, and one zstd frame of a MessagePack array of
rows; a row is an array of whole numbers, texts, bytes and nil. Rows stand in the order of the primary key.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard
from blake3 import blake3
from sqlalchemy import Table, bindparam, insert, select, tuple_

from stemma.backends.backup.listing import StoredTable
from stemma.backends.database.dialect import Connection, Statement
from stemma.backends.database.schema import TableClass, tables_of
from stemma.backends.database.transaction import ALL_TABLES
from stemma.errors import AlreadyExistsError, ConflictError, CorruptError, InvalidError, UnavailableError

HEADER = b"STEMROWS\x01\x00\x00\x00"
MAX_CHUNK = 1 << 30  # a single row can be a record of a million paths
_CHUNK_BYTES = 1 << 20
_ROWS = 500
_LEVEL = 3
_HEAD = struct.Struct("<I32s")
_VALUES = {int, str, bytes, type(None)}
# What belongs to processes and machines, not to the repository: it is made anew where that comes back.
PASSING = frozenset({"leases", "repository", "schema_level", "uploads"})


def kept_tables() -> list[Table]:
    """Return the tables that a backup holds: all primary ones, and the journals that last."""
    assert ALL_TABLES.tables  # noqa: S101  # importing it has declared every table
    kept = [*tables_of(TableClass.PRIMARY), *tables_of(TableClass.JOURNAL)]
    return sorted((table for table in kept if table.name not in PASSING), key=lambda table: table.name)


def write_rows(connection: Connection, table: Table, write: Callable[[bytes], None]) -> StoredTable:
    """Write all rows of a table as the connection's snapshot has them; return what the listing says of them."""
    digest, size, count = hashlib.sha256(), 0, 0
    compressor = zstandard.ZstdCompressor(level=_LEVEL)

    def put(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)
        write(data)

    put(HEADER)
    for rows in _chunks(connection, table):
        count += len(rows)
        frame = compressor.compress(msgspec.msgpack.encode(rows))
        put(_HEAD.pack(len(frame), blake3(frame).digest()) + frame)
    columns = tuple(column.name for column in table.columns)
    return StoredTable(table.name, columns, count, size, digest.hexdigest())


def _chunks(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    chunk: list[tuple[Any, ...]] = []
    size = 0
    for row in _every_row(connection, table):
        chunk.append(row)
        size += sum(len(value) if isinstance(value, bytes | str) else 9 for value in row)
        if size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _every_row(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """Yield rows page by page, so that no driver holds a whole table in memory."""
    first, behind = _statements(table)
    places = [list(table.columns).index(column) for column in table.primary_key.columns]
    rows = connection.all(first, size=_ROWS)
    while rows:
        yield from rows
        if len(rows) < _ROWS:
            return
        last = {f"after{number}": rows[-1][place] for number, place in enumerate(places)}
        rows = connection.all(behind, size=_ROWS, **last)


@cache
def _statements(table: Table) -> tuple[Statement, Statement]:
    key = list(table.primary_key.columns)
    page = select(*table.columns).order_by(*key).limit(bindparam("size"))
    after = [bindparam(f"after{number}", type_=column.type, required=True) for number, column in enumerate(key)]
    return Statement(page), Statement(page.where(tuple_(*key) > tuple_(*after)))


def read_rows(path: Path, stored: StoredTable) -> Iterator[list[list[Any]]]:
    """Yield chunks of rows; a CorruptError names the file and the offset from which on it is not what was written."""
    digest, offset, count = hashlib.sha256(), 0, 0
    with _opened(path) as file:

        def take(length: int) -> bytes:
            nonlocal offset
            data = file.read(length)
            if len(data) < length:
                raise CorruptError("the file ends too early", place=f"{path}, offset {offset}")
            digest.update(data)
            offset += length
            return data

        if take(len(HEADER)) != HEADER:
            raise CorruptError("not a file of rows", place=f"{path}, offset 0")
        while offset < stored.size:
            place = f"{path}, offset {offset}"
            rows = _decode(take, stored, place)
            count += len(rows)
            yield rows
        if file.read(1) or count != stored.rows or digest.hexdigest() != stored.sha256:
            raise CorruptError("the rows are not those that the listing names", place=f"{path}, offset {offset}")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise CorruptError("a file is missing", place=str(path)) from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error


def _decode(take: Callable[[int], bytes], stored: StoredTable, place: str) -> list[list[Any]]:
    length, check = _HEAD.unpack(take(_HEAD.size))
    if length > min(MAX_CHUNK, stored.size):
        raise CorruptError("a chunk is longer than any that is written", place=place)
    frame = take(length)
    if blake3(frame).digest() != check:
        raise CorruptError("a chunk is not what its checksum says", place=place)
    try:
        if zstandard.frame_content_size(frame) > MAX_CHUNK:
            raise CorruptError("a chunk unpacks to more than any that is written", place=place)
        rows = msgspec.msgpack.decode(zstandard.decompress(frame, MAX_CHUNK), type=list[list[Any]])
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"a chunk cannot be read: {error}", place=place) from error
    if any(len(row) != len(stored.columns) or not _VALUES.issuperset(map(type, row)) for row in rows):
        raise CorruptError("a row has other columns than the listing says", place=place)
    return rows


def load_rows(connection: Connection, table: Table, chunks: Iterator[Sequence[Sequence[Any]]]) -> None:
    """Insert rows that `read_rows` yields; a CorruptError where they are none that the table can hold."""
    statement = Statement(insert(table), keys=tuple(column.name for column in table.columns))
    names = [column.name for column in table.columns]
    for rows in chunks:
        try:
            connection.run_many(statement, [dict(zip(names, row, strict=True)) for row in rows])
        except (AlreadyExistsError, ConflictError, InvalidError) as error:
            raise CorruptError(f"a row cannot stand in its table: {error.message}", place=table.name) from error
