"""Rebuilding on PostgreSQL: projected tables are made again as temporary tables, compared, and perhaps put in place.

Temporary tables hide those of the same name, so that projections write to them; every other table is hidden by a view
through which nothing can be written. Where the connection ends, nothing of it is left. Ids that count up can come out
otherwise than they were, since several processes drew them; so nodes and edges are compared by their names.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing

from sqlalchemy import Table
from sqlalchemy.schema import CreateIndex, CreateTable

from stemma.backends.database.dialect import Connection
from stemma.backends.database.maintenance.rebuild import (
    MAX_DIFFERENCES,
    Difference,
    Filler,
    Projector,
    Rebuilt,
    replay,
    tell_rows,
)
from stemma.backends.database.postgresql.check import create_temporary
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.schema import METADATA, TableClass, tables_of
from stemma.errors import CorruptError
from stemma.names import EVERY_LOG

_EDGES = """SELECT c.name AS child, p.name AS parent, e.kind FROM {0}.edges AS e
    JOIN {0}.nodes AS c ON c.id = e.child JOIN {0}.nodes AS p ON p.id = e.parent"""
_NAMED = {
    "nodes": ("name", "SELECT name, is_linked, parents, children FROM {0}.nodes"),
    "edges": ("child, parent, kind", _EDGES),
}


def rebuild(
    server: PostgresqlServer, projectors: Sequence[Projector], fillers: Sequence[Filler] = (), *, repair: bool = False
) -> Rebuilt:
    """Make the projected tables again and compare them; as `maintenance.rebuild.rebuild` does for SQLite.

    A repair holds off other writers from its beginning and happens in one transaction.
    """
    with closing(server.open_writer(patient=True)) as connection:
        if repair:
            server.begin(connection, frozenset({EVERY_LOG}))
        else:
            connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ")
        schema = _hide(connection)
        count = replay(connection, projectors, fillers)
        differences = tuple(_compare(connection, schema))
        if repair and differences:
            _swap(connection, schema)
            connection.commit()
        return Rebuilt(count, differences, is_repaired=repair and bool(differences))


def _hide(connection: Connection) -> str:
    """Hide every table behind one of this connection's own; return the schema of those that are hidden, quoted."""
    ((schema,),) = connection.script("SELECT quote_ident(current_schema())")
    projected = tables_of(TableClass.PROJECTED)
    for table in METADATA.sorted_tables:
        if table not in projected:
            name = _quoted(connection, table.name)
            connection.script(
                f"CREATE TEMP VIEW {name} AS WITH every AS NOT MATERIALIZED (SELECT * FROM {schema}.{name}) "  # noqa: S608 - names of tables declared here
                "SELECT * FROM every"
            )
    create_temporary(connection, projected)
    return str(schema)


def _compare(connection: Connection, schema: str) -> Iterator[Difference]:
    for table in tables_of(TableClass.PROJECTED):
        connection.script("SAVEPOINT compare")
        try:
            missing = _without(connection, table, "pg_temp", schema)
            extra = _without(connection, table, schema, "pg_temp")
        except CorruptError as error:
            connection.script("ROLLBACK TO compare")
            yield Difference(table.name, (), f"unreadable: {error.message}")
            continue
        yield from tell_rows(table, missing, extra)


def _without(connection: Connection, table: Table, one: str, other: str) -> set[tuple[object, ...]]:
    """Return the keys of the first rows that the schema `one` has and `other` lacks."""
    columns = ", ".join(_quoted(connection, column.name) for column in table.columns)
    own = ", ".join(_quoted(connection, column.name) for column in table.primary_key.columns) or columns
    plain = f"SELECT {columns} FROM {{0}}.{_quoted(connection, table.name)}"  # noqa: S608 - names of tables declared here
    keys, rows = _NAMED.get(table.name, (own, plain))
    return set(
        connection.script(
            f"SELECT {keys} FROM ({rows.format(one)} EXCEPT {rows.format(other)}) AS d "  # noqa: S608 - as above
            f"ORDER BY {keys} LIMIT {MAX_DIFFERENCES}"
        )
    )


def _swap(connection: Connection, schema: str) -> None:
    """Replace the projected tables, in the transaction that is open; readers see those before until it commits."""
    tables = tables_of(TableClass.PROJECTED)
    for table in tables:
        _create_missing(connection, table, schema)
    for table in reversed(tables):
        connection.script(f"DELETE FROM {schema}.{_quoted(connection, table.name)}")  # noqa: S608 - names of tables declared here
    for table in tables:
        name = _quoted(connection, table.name)
        columns = ", ".join(_quoted(connection, column.name) for column in table.columns)
        connection.script(f"INSERT INTO {schema}.{name} ({columns}) SELECT {columns} FROM pg_temp.{name}")  # noqa: S608 - as above
        counting = table.autoincrement_column
        if counting is not None:
            connection.script(
                f"SELECT setval(pg_get_serial_sequence('{schema}.{name}', '{counting.name}'), "  # noqa: S608 - as above
                f"coalesce(max({_quoted(connection, counting.name)}), 0) + 1, false) FROM {schema}.{name}"
            )


def _create_missing(connection: Connection, table: Table, schema: str) -> None:
    name = _quoted(connection, table.name)
    ((present,),) = connection.script(f"SELECT to_regclass('{schema}.{name}') IS NOT NULL")
    if not present:
        connection.script(_within(str(CreateTable(table).compile(dialect=connection.dialect.compiler)), name, schema))
        for index in table.indexes:
            sql = str(CreateIndex(index).compile(dialect=connection.dialect.compiler))
            connection.script(sql.replace(f" ON {name} ", f" ON {schema}.{name} ", 1))


def _within(sql: str, name: str, schema: str) -> str:
    return sql.replace(f"CREATE TABLE {name} ", f"CREATE TABLE {schema}.{name} ", 1)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.compiler.identifier_preparer.quote(name)
