"""Statements and connections: lists, constants, conflicts, and no foreign exception."""

import gc
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, String, bindparam, func, select

from stemma.backends.database.dialect import (
    Connection,
    Statement,
    insert_or_ignore,
    member_of,
    upsert,
)
from stemma.backends.database.postgresql.dialect import POSTGRESQL
from stemma.backends.database.schema import BYTES, METADATA, TEXT, WHOLE, TableClass, digest_column, table, tables_of
from stemma.backends.database.sqlite import SQLITE, create_table, open_memory
from stemma.errors import AlreadyExistsError, ConflictError, CorruptError, InvalidError, UnavailableError

THINGS = table(
    "things_of_tests",
    TableClass.JOURNAL,
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    digest_column("digest"),
)
METADATA.remove(THINGS)
ADD = Statement(THINGS.insert())
NAMES = Statement(select(THINGS.c.name).where(member_of(THINGS.c.id, "ids")).order_by(THINGS.c.id))
OF_DIGESTS = Statement(select(THINGS.c.id).where(member_of(THINGS.c.digest, "digests")).order_by(THINGS.c.id))
OF_NAMES = Statement(select(THINGS.c.id).where(member_of(THINGS.c.name, "names")).order_by(THINGS.c.id))


def new_connection() -> Connection:
    connection = open_memory()
    create_table(connection, THINGS)
    return connection


def row(number: int) -> dict[str, object]:
    return {"id": number, "name": f"name {number}", "digest": number.to_bytes(32, "big")}


@given(st.sets(st.integers(0, 30)), st.lists(st.integers(0, 40)))
def test_a_list_is_a_parameter(held: set[int], asked: list[int]) -> None:
    connection = new_connection()
    connection.run_many(ADD, [row(number) for number in sorted(held)])
    expected = sorted(held & set(asked))
    assert connection.all(NAMES, ids=asked) == [(f"name {number}",) for number in expected]
    assert connection.all(OF_DIGESTS, digests=[number.to_bytes(32, "big") for number in asked]) == [
        (number,) for number in expected
    ]
    assert connection.all(OF_NAMES, names=[f"name {number}" for number in asked]) == [(number,) for number in expected]
    connection.close()


def test_a_list_uses_the_index() -> None:
    connection = new_connection()
    plan = connection.driver.cursor().execute("EXPLAIN QUERY PLAN " + OF_NAMES.compiled(SQLITE).sql, {"names": "[]"})
    assert any("USING COVERING INDEX" in step[3] for step in plan)


def test_constants_limits_and_rows() -> None:
    connection = new_connection()
    connection.run_many(ADD, [row(number) for number in range(10)])
    some = Statement(
        select(THINGS.c.id)
        .where(THINGS.c.id > 3, THINGS.c.name.like("name%"))
        .order_by(THINGS.c.id)
        .limit(bindparam("size"))
    )
    assert connection.all(some, size=2) == [(4,), (5,)]
    assert connection.one(some, size=1) == (4,)
    assert connection.one(some, size=0) is None
    assert list(connection.stream(some, size=9)) == [(number,) for number in range(4, 10)]
    count = Statement(select(func.count()).select_from(THINGS))
    assert connection.one(count) == (10,)
    connection.run_many(ADD, [])
    change = Statement(THINGS.update().values(name=bindparam("new")).where(THINGS.c.id > bindparam("least")))
    assert connection.run(change, new="the same", least=8) == 1


def test_conflicts() -> None:
    connection = new_connection()
    connection.run(ADD, **row(1))
    ignore, put = Statement(insert_or_ignore(THINGS)), Statement(upsert(THINGS, ["id"], ["name"]))
    assert connection.run(ignore, **row(1)) == 0
    assert connection.run(put, id=1, name="new", digest=b"\1" * 32) == 1
    assert connection.script("SELECT name, digest FROM things_of_tests") == [("new", (1).to_bytes(32, "big"))]
    everything = Statement(upsert(THINGS, ["id"]).returning(THINGS.c.name))
    assert connection.one(everything, id=1, name="newer", digest=b"\1" * 32) == ("newer",)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (row(1), AlreadyExistsError),
        ({**row(2), "name": "name 1"}, AlreadyExistsError),
        ({**row(2), "digest": b"short"}, ConflictError),
        ({**row(2), "digest": "text" * 8}, ConflictError),
        ({**row(2), "name": None}, ConflictError),
        ({**row(2), "name": "\ud800"}, InvalidError),
        ({**row(2), "id": 2**63}, InvalidError),
        ({"id": 2}, TypeError),
        ({**row(2), "more": 1}, TypeError),
    ],
)
def test_what_cannot_be_written(values: dict[str, object], error: type[Exception]) -> None:
    connection = new_connection()
    connection.run(ADD, **row(1))
    with pytest.raises(error):
        connection.run(ADD, **values)
    with pytest.raises(error):
        connection.run_many(ADD, [values])
    assert connection.all(Statement(select(THINGS.c.id))) == [(1,)]


def test_what_is_not_there_or_locked() -> None:
    connection = open_memory()
    with pytest.raises(CorruptError, match="lacks a part of its schema") as caught:
        connection.all(NAMES, ids=[])
    assert caught.value.place == ":memory:"
    with pytest.raises(CorruptError):
        list(connection.stream(NAMES, ids=[]))
    connection.script("PRAGMA query_only = ON")
    with pytest.raises(UnavailableError):
        connection.script("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        connection.script("SELEC")


def test_text_that_is_no_text_is_corrupt() -> None:
    connection = open_memory()
    with pytest.raises(CorruptError):
        connection.script("SELECT CAST(x'ff' AS TEXT)")


@pytest.mark.parametrize("values", ["text", 5, b"bytes"])
def test_a_list_must_be_one(values: object) -> None:
    with pytest.raises(TypeError):
        new_connection().all(NAMES, ids=values)


def test_in_is_not_used() -> None:
    with pytest.raises(TypeError, match="member_of"):
        Statement(select(THINGS.c.id).where(THINGS.c.id.in_([1, 2]))).compiled(SQLITE)


def test_every_statement_has_a_form_in_postgresql() -> None:
    gc.collect()
    statements = [each for each in gc.get_objects() if isinstance(each, Statement)]
    assert len(statements) > 50
    for statement in statements:
        assert statement.compiled(SQLITE).names == statement.compiled(POSTGRESQL).names
    assert "= ANY(" in OF_NAMES.compiled(POSTGRESQL).sql
    assert (
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name"
        in Statement(upsert(THINGS, ["id"], ["name"])).compiled(POSTGRESQL).sql
    )


def test_tables_have_a_class_and_three_types() -> None:
    assert {each.name for kind in TableClass for each in tables_of(kind)} == set(METADATA.tables)
    for each in METADATA.tables.values():
        assert {type(column.type) for column in each.columns} <= {type(WHOLE), type(TEXT), type(BYTES)}
    for kind in (Boolean(), LargeBinary(4), String(9)):
        made = table("made_for_a_test", TableClass.JOURNAL, Column("x", kind, primary_key=True))
        assert made.c.x.type in {WHOLE, TEXT, BYTES}
        METADATA.remove(made)
    with pytest.raises(TypeError, match="WHOLE, TEXT or BYTES"):
        table("made_for_a_test", TableClass.JOURNAL, Column("x", DateTime))
