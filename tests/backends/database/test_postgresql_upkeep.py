"""Creating, checking, rebuilding and migrating a database on PostgreSQL."""

from pathlib import Path

import pytest

from stemma.access import Access, Role, enter_refusal, local_owner
from stemma.backends.database.executor import Executor
from stemma.backends.database.maintenance.rebuild import Difference
from stemma.backends.database.postgresql.check import check
from stemma.backends.database.postgresql.migrate import dump, migrate
from stemma.backends.database.postgresql.rebuild import rebuild
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.schema import LEVEL, TableClass, tables_of
from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, StemmaError, UnavailableError, UnsupportedError
from stemma.ledger import Entry
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Message, ProtectedNames, Registry, Submission, Version
from tests.databases import change
from tests.postgresql import IDENTITY, Databases
from tests.registry.support import publish

OWNER = local_owner("u_" + "0" * 32)
ACCESS, REGISTRY = Access(), Registry(ProtectedNames())
PROJECTORS = [ACCESS.project, REGISTRY.project]
LOGS = frozenset({"_system", "risk"})
CREDIT = ModelName("risk", "credit")
NOW = 1_790_000_000_000_000


@pytest.fixture
def server(postgresql: Databases) -> PostgresqlServer:
    """Return a database with principals, versions and an alias, whose ids were drawn with gaps."""
    server = PostgresqlServer(postgresql.new())
    executor = Executor(server, on_refusal=enter_refusal)

    def fail(tx: Transaction) -> None:
        register(tx, "never")
        raise RuntimeError("this one does not happen")

    executor.write(lambda tx: ACCESS.introduce(tx, OWNER, "user", "Ada"), LOGS)
    executor.write(lambda tx: REGISTRY.create_namespace(tx, OWNER, "risk"), LOGS)
    for number in range(5):
        with pytest.raises(RuntimeError):
            executor.write(fail, LOGS)
        executor.write(lambda tx, n=number: register(tx, f"files {n}"), LOGS)  # type: ignore[misc]  # a loop's own value
    executor.close()
    return server


def register(tx: Transaction, files: str) -> None:
    data = files.encode()
    publish(tx, data)
    REGISTRY.versions.register(tx, OWNER, CREDIT, Submission(Version(Digest.of(data), tx.now), Message(files)))


def alter(server: PostgresqlServer, *statements: str) -> None:
    connection = server.open_writer()
    for statement in statements:
        change(connection, statement)
    connection.close()


def rows(server: PostgresqlServer) -> dict[str, list[tuple[object, ...]]]:
    connection = server.open_reader()
    found = {
        each.name: sorted(connection.script(f"SELECT * FROM {each.name}"), key=repr)  # noqa: S608 - declared tables
        for each in tables_of(TableClass.PROJECTED)
    }
    connection.close()
    return found


# Check


def test_a_sound_database_has_no_findings_and_is_left_as_it_is(server: PostgresqlServer) -> None:
    before = rows(server)
    assert check(server) == ()
    assert rows(server) == before


@pytest.mark.parametrize(
    ("sql", "kind", "place", "message"),
    [
        ("DROP TABLE roles", "schema", "roles", "is missing"),
        ("DROP INDEX ix_edges_up", "schema", "edges index ix_edges_up", "is missing"),
        ("ALTER TABLE roles ADD COLUMN mine TEXT", "schema", "roles column mine", "not part of"),
        ("ALTER TABLE roles DROP CONSTRAINT pk_roles", "schema", "roles", "is missing"),
        ("ALTER TABLE versions ALTER position TYPE integer", "schema", "versions column position", "not as this"),
        ('ALTER TABLE versions ALTER branch TYPE text COLLATE "POSIX"', "schema", "column branch", "not as this"),
        ("CREATE RULE forget AS ON UPDATE TO aliases DO INSTEAD NOTHING", "schema", "rule forget", "not part of"),
        ("GRANT UPDATE ON entries TO PUBLIC", "rights", "entries", "everybody may UPDATE"),
        ("GRANT DELETE ON entries TO stemma", "rights", "entries", "the role 'stemma' may DELETE"),
        ("UPDATE schema_level SET version_num = '0000'", "level", "", "stands at level 0000"),
    ],
)  # fmt: skip
def test_a_finding_says_what_and_where(server: PostgresqlServer, sql: str, kind: str, place: str, message: str) -> None:
    alter(server, sql)
    found = [each for each in check(server) if message in each.message and place in each.place]
    assert [each.check for each in found][:1] == [kind]
    assert found[0].place.startswith(server.place)


def test_what_a_subject_finds_is_among_the_findings(server: PostgresqlServer) -> None:
    def fails(tx: Transaction) -> list[object]:
        assert tx.ledger.namespaces()
        raise CorruptError("cannot be read", place="packs/bb")

    assert [finding.place for finding in check(server, [fails])] == ["packs/bb"]  # type: ignore[list-item]  # never returns


# Rebuilding


def test_what_is_rebuilt_is_what_is_there(server: PostgresqlServer) -> None:
    before = rows(server)
    for repair in (False, True):
        rebuilt = rebuild(server, PROJECTORS, repair=repair)
        assert (rebuilt.differences, rebuilt.is_repaired) == ((), False)
        assert rebuilt.entries > 5
    assert rows(server) == before


def test_differences_are_told_row_by_row_and_repaired(server: PostgresqlServer) -> None:
    alter(
        server,
        "DELETE FROM versions WHERE sequence = 2",
        "UPDATE branches SET head = 1",
        "INSERT INTO roles VALUES ('u_eve', '*', 'admin')",
        "DELETE FROM edges WHERE id = (SELECT min(id) FROM edges)",
    )
    found = rebuild(server, PROJECTORS)
    assert not found.is_repaired
    told = {(each.table, each.what) for each in found.differences}
    assert told == {("versions", "missing"), ("branches", "different"), ("roles", "extra"), ("edges", "missing")}
    assert Difference("roles", ("u_eve", "*", Role.ADMIN.value), "extra") in found.differences
    assert rebuild(server, PROJECTORS, repair=True).is_repaired
    assert rebuild(server, PROJECTORS).differences == ()
    assert check(server) == ()
    executor = Executor(server)
    executor.write(lambda tx: register(tx, "after the repair"), LOGS)
    executor.close()
    assert rebuild(server, PROJECTORS).differences == ()


def test_a_lost_table_comes_back(server: PostgresqlServer) -> None:
    before = rows(server)
    alter(server, "DROP TABLE aliases", "DROP TABLE nodes")
    found = {each.table for each in rebuild(server, PROJECTORS).differences}
    assert {"aliases", "nodes"} <= found
    assert rebuild(server, PROJECTORS, repair=True).is_repaired
    assert check(server) == ()
    assert {name: len(held) for name, held in rows(server).items()} == {
        name: len(held) for name, held in before.items()
    }


def test_a_projection_writes_projected_tables_only(server: PostgresqlServer) -> None:
    def writes_texts(tx: Transaction, _entry: Entry) -> None:
        tx.texts.put("sha256:" + "0" * 64, b"salt", "text")

    def writes_entries(tx: Transaction, entry: Entry) -> None:
        tx.ledger.add("risk", tx.ledger.rows("risk", 0, 1), [])
        del entry

    for writes in (writes_texts, writes_entries):
        with pytest.raises(Exception, match="view"):
            rebuild(server, [writes])


def test_an_entry_that_does_not_follow_is_named(server: PostgresqlServer) -> None:
    with pytest.raises(CorruptError) as caught:
        rebuild(server, [*PROJECTORS, *PROJECTORS], repair=True)
    assert caught.value.place.endswith(")")
    alter(server, "UPDATE entries SET data = '{}'::bytea WHERE sequence = 1")
    before = rows(server)
    with pytest.raises(CorruptError):
        rebuild(server, PROJECTORS, repair=True)
    assert rows(server) == before


def test_a_repair_holds_off_other_writers(server: PostgresqlServer) -> None:
    alter(server, "DELETE FROM branches")
    other = Executor(PostgresqlServer(server.url, 0.1))
    refused: list[StemmaError] = []

    def meanwhile(tx: Transaction, entry: Entry) -> None:
        REGISTRY.project(tx, entry)
        if not refused:
            with pytest.raises(UnavailableError) as caught:
                other.write(lambda tx: tx.now, frozenset())
            refused.append(caught.value)
            assert other.read(lambda tx: tx.ledger.head("risk").size) > 0

    assert rebuild(server, [ACCESS.project, meanwhile], repair=True).is_repaired
    assert refused
    assert other.write(lambda tx: tx.now, frozenset())
    other.close()


# Migration


def test_migrating_from_nothing_gives_the_declared_schema(postgresql: Databases, tmp_path: Path) -> None:
    server = PostgresqlServer(postgresql.empty())
    alter(server, 'CREATE TABLE schema_level (version_num text COLLATE "C" CONSTRAINT pk_schema_level PRIMARY KEY)')
    with pytest.raises(UnsupportedError, match="level none"):
        server.check_level()
    migrated = migrate(server, tmp_path / "backups", NOW)
    assert (migrated.before, migrated.after) == ("", LEVEL)
    assert migrated.backup == tmp_path / "backups" / "level-none-20260921T141320Z.dump"
    assert migrated.backup.read_bytes().startswith(b"PGDMP")
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [migrated.backup.name]
    server.check_level()
    assert check(server) == ()
    assert migrate(server, tmp_path / "backups", NOW).backup is None


def test_a_migration_that_fails_changes_nothing(postgresql: Databases, tmp_path: Path) -> None:
    server = PostgresqlServer(postgresql.empty())
    alter(server, "CREATE TABLE schema_level (version_num text PRIMARY KEY)", "CREATE TABLE texts (mine int)")
    with pytest.raises(UnavailableError, match="changed nothing") as caught:
        migrate(server, tmp_path / "backups", NOW)
    assert "backups" in caught.value.hint
    connection = server.open_reader()
    tables = connection.script("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    assert tables == [("schema_level",), ("texts",)]
    connection.close()


def test_without_pg_dump_nothing_is_migrated(
    postgresql: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PostgresqlServer(postgresql.new())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="pg_dump is not installed"):
        dump(server, tmp_path / "backups", "today")


def test_a_newer_level_is_never_migrated(server: PostgresqlServer, tmp_path: Path) -> None:
    alter(server, "UPDATE schema_level SET version_num = '9999'")
    with pytest.raises(UnsupportedError):
        migrate(server, tmp_path / "backups", NOW)
    assert not (tmp_path / "backups").exists()


def test_what_was_created_for_a_repository_can_be_taken_back(postgresql: Databases) -> None:
    server = PostgresqlServer(postgresql.empty())
    server.create(IDENTITY)
    server.drop()
    server.create(IDENTITY)
    assert check(server) == ()
