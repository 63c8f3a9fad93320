"""Format, migration, check and rebuilding of a repository's database."""

import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from stemma.access import Access, Grant, Role, local_owner
from stemma.backends.database.executor import Executor
from stemma.backends.database.maintenance.check import Finding, check, schema_of
from stemma.backends.database.maintenance.format import FORMAT_FILE, Format
from stemma.backends.database.maintenance.migrate import SCRIPTS, back_up, migrate, upgrade
from stemma.backends.database.maintenance.rebuild import Difference, Rebuilt, rebuild
from stemma.backends.database.schema import LEVEL, TableClass, level, tables_of
from stemma.backends.database.sqlite import SqliteFile, create_table, open_memory
from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnavailableError, UnsupportedError
from stemma.ledger import Entry
from stemma.lineage import Edge, EdgeKind, link
from tests.backends.database.freeze_schema import INITIAL, INITIAL_POSTGRESQL, declared_postgresql, declared_sql

NOW = 1_790_000_000_000_000
OWNER = local_owner("u_" + "0" * 32)
ACCESS = Access()


def new_database(place: Path) -> SqliteFile:
    """Make a database with principals and roles."""
    file = SqliteFile(place / "stemma.db")
    file.create()
    executor = Executor(file)

    def introduce(tx: Transaction, name: str) -> None:
        ada = ACCESS.introduce(tx, OWNER, "user", name)
        ACCESS.grant(tx, OWNER, Grant(ada.id, "me", Role.READER))

    for number in range(5):
        executor.write(partial(introduce, name=f"Ada {number}"))
    executor.close()
    return file


def change(file: SqliteFile, sql: str, *parameters: object) -> None:
    """Change rows behind Stemma's back."""
    driver = sqlite3.connect(file.path, isolation_level=None)
    driver.execute(sql, parameters)
    driver.close()


def rows(file: SqliteFile) -> dict[str, list[tuple[object, ...]]]:
    connection = file.open_reader()
    found = {
        each.name: sorted(connection.script(f"SELECT * FROM {each.name}"), key=repr)  # noqa: S608 - declared tables
        for each in tables_of(TableClass.PROJECTED)
    }
    connection.close()
    return found


# Format


def test_a_format_is_read_as_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Format.read(tmp_path)
    written = Format(1, 1, 1, {"collection": "0.4.0"})
    written.write(tmp_path)
    assert Format.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [FORMAT_FILE]
    Format().write(tmp_path)
    Format.read(tmp_path).check(tmp_path)
    assert (tmp_path / FORMAT_FILE).read_text() == '{"features":{},"min_reader":1,"min_writer":1,"version":1}\n'


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}', "\xff", '{"a":1,"a":2}', "9" * 100_000])
def test_a_damaged_format_says_where(tmp_path: Path, text: str) -> None:
    (tmp_path / FORMAT_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(CorruptError) as caught:
        Format.read(tmp_path)
    assert caught.value.place == str(tmp_path / FORMAT_FILE)


def test_what_a_newer_release_wrote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"'holograms' \(since release 7\.1\.0\)") as caught:
        Format(features={"holograms": "7.1.0"}).check(tmp_path)
    assert "7.1.0" in caught.value.hint
    Format(version=2, min_reader=1, min_writer=2).check(tmp_path, writes=False)
    with pytest.raises(UnsupportedError, match="written from format 2 on"):
        Format(version=2, min_reader=1, min_writer=2).check(tmp_path)
    with pytest.raises(UnsupportedError, match="read from format 3 on"):
        Format(version=3, min_reader=3, min_writer=3).check(tmp_path, writes=False)


def test_a_format_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        Format().write(tmp_path / "missing")


# Migration


def test_the_first_level_is_what_is_declared() -> None:
    """Until the first release: python -m tests.backends.database.freeze_schema; afterwards add a revision."""
    assert declared_sql() == INITIAL.read_text(encoding="utf-8")
    assert declared_postgresql() == INITIAL_POSTGRESQL.read_text(encoding="utf-8")
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == LEVEL


def test_migrating_from_nothing_gives_the_declared_schema(tmp_path: Path) -> None:
    path = tmp_path / "stemma.db"
    path.touch()
    empty = SqliteFile(path).open_writer()
    create_table(empty, level)
    empty.close()
    file = SqliteFile(path)
    with pytest.raises(UnsupportedError, match="level none"):
        file.check_level()
    migrated = migrate(file, tmp_path / "backups", NOW)
    assert (migrated.before, migrated.after) == ("", LEVEL)
    assert migrated.backup == tmp_path / "backups" / "level-none-20260921T141320Z.db"
    assert migrated.backup.is_file()
    file.check_level()
    assert check(file) == ()
    memory, made = open_memory(), file.open_reader()
    assert schema_of(made) == schema_of(memory)
    made.close()
    assert migrate(file, tmp_path / "backups", NOW).backup is None
    executor = Executor(file)
    executor.write(lambda tx: ACCESS.introduce(tx, OWNER, "user", "Bob"))
    executor.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A table of the first level is there already."""
    path = tmp_path / "stemma.db"
    driver = sqlite3.connect(path, isolation_level=None)
    driver.execute("CREATE TABLE schema_level (version_num TEXT NOT NULL PRIMARY KEY)")
    driver.execute("CREATE TABLE texts (mine)")
    before = driver.execute("SELECT sql FROM sqlite_schema").fetchall()
    with pytest.raises(UnavailableError, match="changed nothing") as caught:
        migrate(SqliteFile(path), tmp_path / "backups", NOW)
    assert "backups" in caught.value.hint
    assert driver.execute("SELECT sql FROM sqlite_schema").fetchall() == before
    driver.close()


def test_a_newer_level_is_never_migrated(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    change(file, "UPDATE schema_level SET version_num = '9999'")
    with pytest.raises(UnsupportedError):
        migrate(file, tmp_path / "backups", NOW)
    assert not (tmp_path / "backups").exists()


def test_a_backup_is_a_whole_database(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    writer = file.open_writer()
    copy = SqliteFile(back_up(file, tmp_path / "backups", "today"))
    writer.close()
    assert rows(copy) == rows(file)
    assert check(copy) == ()
    assert [path.name for path in (tmp_path / "backups").glob("*.tmp")] == []
    with pytest.raises(UnavailableError):
        back_up(file, file.path, "never")


def test_upgrading_twice_does_nothing() -> None:
    connection = open_memory()
    before = schema_of(connection)
    driver = connection.driver
    assert isinstance(driver, sqlite3.Connection)
    upgrade("sqlite://", driver, lambda: None)
    assert schema_of(connection) == before


# Check


def test_a_sound_database_has_no_findings(tmp_path: Path) -> None:
    assert check(new_database(tmp_path)) == ()
    with pytest.raises(NotFoundError):
        check(SqliteFile(tmp_path / "missing.db"))


@pytest.mark.parametrize(
    ("sql", "kind", "place", "message"),
    [
        ("DROP TABLE token_hashes", "schema", "token_hashes", "is missing"),
        ("DROP INDEX ix_edges_up", "schema", "ix_edges_up", "is missing"),
        ("CREATE TABLE mine (x)", "schema", "mine", "not part of"),
        ("ALTER TABLE roles ADD COLUMN mine TEXT", "schema", "roles", "not as this release"),
        ("UPDATE schema_level SET version_num = '0000'", "level", "", "stands at level 0000"),
    ],
)
def test_a_finding_says_what_and_where(tmp_path: Path, sql: str, kind: str, place: str, message: str) -> None:
    file = new_database(tmp_path)
    change(file, sql)
    (finding,) = check(file)
    assert finding.check == kind
    assert finding.place.startswith(str(file.path))
    assert finding.place.endswith(place)
    assert message in finding.message


def test_damaged_pages_are_found_and_not_touched(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    size = file.path.stat().st_size
    data = bytearray(file.path.read_bytes())
    data[4096 * 3 : 4096 * 8] = os.urandom(4096 * 5)
    file.path.write_bytes(data)
    findings = check(file)
    assert findings
    assert {finding.place.split(":")[0] for finding in findings} == {str(file.path)}
    assert file.path.read_bytes() == data
    file.path.write_bytes(b"\0" * size)
    assert check(file)
    file.path.write_bytes(os.urandom(size))
    (finding,) = check(file)
    assert finding.check == "open"


def test_what_a_subject_finds_is_among_the_findings(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    lost = Finding("packs", "packs/aa", "is not there")

    def finds(tx: Transaction) -> list[Finding]:
        assert tx.access.principals.page("", 1)
        return [lost]

    def fails(_tx: Transaction) -> list[Finding]:
        raise CorruptError("cannot be read", place="packs/bb")

    found = check(file, [fails, finds])
    assert lost in found
    assert [finding.place for finding in found] == ["packs/bb", "packs/aa"]


# Rebuilding


def project_lineage(tx: Transaction, entry: Entry) -> None:
    """Project what a version would: an edge from each principal to the one introduced before."""
    if entry.action == "principal.introduce":
        parents = [Edge(f"principal:{entry.sequence - 2}", EdgeKind.CONTINUES)] if entry.sequence else []
        link(tx, f"principal:{entry.sequence}", parents)


def rebuild_access(file: SqliteFile, *, repair: bool = False) -> Rebuilt:
    return rebuild(file, [ACCESS.project], repair=repair)


def test_what_is_rebuilt_is_what_is_there(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    before = rows(file)
    assert rebuild_access(file) == Rebuilt(10, (), is_repaired=False)
    assert rebuild_access(file, repair=True) == Rebuilt(10, (), is_repaired=False)
    assert rows(file) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("rebuild-")] == []


def test_differences_are_told_row_by_row_and_repaired(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    before = rows(file)
    one, two, *_ = (row[0] for row in before["principals"])
    change(file, "DELETE FROM roles WHERE principal = ?", one)
    change(file, "UPDATE principals SET time = 0 WHERE id = ?", two)
    change(file, "INSERT INTO roles VALUES ('u_eve', '*', 'admin')")
    expected = {
        Difference("roles", (one, "me", "reader"), "missing"),
        Difference("principals", (two,), "different"),
        Difference("roles", ("u_eve", "*", "admin"), "extra"),
    }
    changed = rows(file)
    found = rebuild_access(file)
    assert (set(found.differences), found.is_repaired) == (expected, False)
    assert rows(file) == changed
    assert f"roles({one}, me, reader) is missing" in [str(each) for each in found.differences]
    assert rebuild_access(file, repair=True).is_repaired
    assert rows(file) == before
    assert check(file) == ()


def test_a_lost_table_comes_back(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    before = rows(file)
    change(file, "DROP TABLE roles")
    (found,) = rebuild_access(file).differences
    assert (found.table, found.key) == ("roles", ())
    assert rebuild_access(file, repair=True).is_repaired
    assert rows(file) == before


def test_ids_that_count_up_come_out_the_same(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    assert rebuild(file, [ACCESS.project, project_lineage], repair=True).is_repaired
    assert rebuild(file, [ACCESS.project, project_lineage]).differences == ()
    assert len(rows(file)["edges"]) == 4


def test_tables_are_also_filled_from_elsewhere(tmp_path: Path) -> None:
    file = new_database(tmp_path)

    def fill(tx: Transaction) -> None:
        link(tx, "pack:1", [Edge("pack:0", EdgeKind.DERIVED_FROM)])

    found = rebuild(file, [ACCESS.project], [fill])
    assert {each.table for each in found.differences} == {"nodes", "edges"}


def test_a_projection_writes_projected_tables_only_and_draws_no_lots(tmp_path: Path) -> None:
    file = new_database(tmp_path)

    def writes(tx: Transaction, _entry: Entry) -> None:
        tx.texts.put("sha256:" + "0" * 64, b"salt", "text")

    def draws(tx: Transaction, _entry: Entry) -> None:
        tx.ids.random(4)

    with pytest.raises(StemmaError):
        rebuild(file, [writes])
    with pytest.raises(RuntimeError, match="randomness"):
        rebuild(file, [draws])


def test_an_entry_that_does_not_follow_is_named(tmp_path: Path) -> None:
    file = new_database(tmp_path)
    with pytest.raises(CorruptError) as caught:
        rebuild(file, [ACCESS.project, ACCESS.project], repair=True)
    assert caught.value.place == "_system/0 (principal.introduce)"
    change(file, "UPDATE entries SET data = x'7b7d' WHERE sequence = 3")
    before = rows(file)
    with pytest.raises(CorruptError):
        rebuild_access(file, repair=True)
    assert rows(file) == before


def test_a_repair_holds_off_other_writers(tmp_path: Path) -> None:
    file = SqliteFile(new_database(tmp_path).path, busy_seconds=0.1)
    change(file, "DELETE FROM roles")

    def meanwhile(tx: Transaction, entry: Entry) -> None:
        ACCESS.project(tx, entry)
        other = Executor(file)
        with pytest.raises(UnavailableError):
            other.write(lambda tx: tx.now)
        assert other.read(lambda tx: tx.ledger.head("_system").size) == 10
        other.close()

    assert rebuild(file, [meanwhile], repair=True).is_repaired
