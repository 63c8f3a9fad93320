"""Checking a database on PostgreSQL: is the schema the declared one, may anybody change entries, do rows fit together.

Only reads: what is declared is created as temporary tables, compared by what the catalogue says of both, and undone.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial

from sqlalchemy import Table
from sqlalchemy.schema import CreateIndex, CreateTable

from stemma.backends.database.dialect import CHECK_HINT, Connection
from stemma.backends.database.maintenance.check import Check, Finding, run_check, run_steps
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.schema import METADATA

_COLUMNS = """
    SELECT c.relname, 'column ' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attnotnull THEN 'NOT NULL' END, CASE WHEN a.atthasdef THEN 'DEFAULT' END,
           CASE WHEN a.attidentity <> '' THEN 'IDENTITY' END, l.collname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relnamespace = {schema} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"""
_CONSTRAINTS = """
    SELECT c.relname, 'constraint ' || o.conname, pg_get_constraintdef(o.oid)
    FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid
    WHERE c.relnamespace = {schema} AND o.contype <> 'n'"""
_INDEXES = """
    SELECT c.relname, 'index ' || x.relname,
           pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE c.relnamespace = {schema} AND c.relkind = 'r'"""
_TRIGGERS = """
    SELECT c.relname, 'trigger ' || t.tgname, '' FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid
    WHERE c.relnamespace = {schema} AND NOT t.tgisinternal
    UNION ALL SELECT c.relname, 'rule ' || r.rulename, '' FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid
    WHERE c.relnamespace = {schema} AND c.relkind = 'r'"""
_PRESENT, _TEMPORARY = "current_schema()::regnamespace", "pg_my_temp_schema()"
_WHERE = re.compile(r" ON \S+\.(?=\S+ USING )")
_RIGHTS = """
    SELECT DISTINCT grantee::regrole::text, privilege_type
    FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner)))
    WHERE oid = to_regclass('entries') AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE') ORDER BY 1, 2"""


def check(server: PostgresqlServer, more: Sequence[Check] = ()) -> tuple[Finding, ...]:
    """Return what is wrong with a database, nothing where all is well; as `maintenance.check.check` does for SQLite."""
    connection = server.open_writer(patient=True)
    with closing(connection):
        connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ")
        return run_steps(connection, [_rights], [_schema, *(partial(run_check, each) for each in more)])


def _schema(connection: Connection) -> Iterator[Finding]:
    """Yield what is missing from declared tables, or declared otherwise, or hangs on them and is not declared."""
    present = _describe(connection, _PRESENT)
    connection.script("SAVEPOINT declared")
    create_temporary(connection, METADATA.sorted_tables)
    declared = _describe(connection, _TEMPORARY)
    connection.script("ROLLBACK TO declared")
    tables = {table.name for table in METADATA.sorted_tables}
    for name, what in sorted(declared.keys() | present.keys()):
        if (name, what) in declared:
            if (name, "") not in present and what != "":
                continue
            if present.get((name, what)) == declared[name, what]:
                continue
            problem = "is not as this release declares it" if (name, what) in present else "is missing"
        elif name in tables:
            problem = "is not part of a repository"
        else:
            continue
        yield Finding("schema", f"{connection.place}: {' '.join(filter(None, (name, what)))}", problem, CHECK_HINT)


def _describe(connection: Connection, schema: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for query in (_COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS):
        for table, what, definition in connection.script(query.format(schema=schema)):
            found[table, ""] = "table"
            found[table, what] = _WHERE.sub(" ON ", definition)
    return found


def create_temporary(connection: Connection, tables: Iterable[Table]) -> None:
    """Create tables that this connection alone sees, and which hide those of the same name."""
    for table in tables:
        sql = str(CreateTable(table).compile(dialect=connection.dialect.compiler)).strip()
        connection.script(sql.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
        for index in table.indexes:
            connection.define(CreateIndex(index))


def _rights(connection: Connection) -> Iterator[Finding]:
    """Yield who may change entries: nobody needs to, and a right that came back is evidence."""
    for role, right in connection.script(_RIGHTS):
        who = "everybody" if role == "-" else f"the role {role!r}"
        hint = f"REVOKE {right} ON entries FROM {'PUBLIC' if role == '-' else role}; then ask who granted it."
        yield Finding("rights", f"{connection.place}: entries", f"{who} may {right} entries of the log", hint)
