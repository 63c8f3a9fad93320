"""A backup of one database comes back on the other, and its backup on the first again: the same, row by row."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from stemma.app import RepositoryFolder, open_folder, restore_folder
from stemma.backends.backup.contents import FolderContents
from stemma.backends.backup.listing import read_listing
from stemma.backends.backup.restoring import Restoring, restore
from stemma.backends.database.maintenance.format import KNOWN, POSTGRESQL, Format
from stemma.backends.database.postgresql.restoring import NewServer
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.client.upkeep.backups import verify_backup
from stemma.errors import AlreadyExistsError, CorruptError, NotFoundError
from stemma.names import ModelName
from stemma.registry import Subject
from tests.backup.stories import make, tell
from tests.postgresql import Databases


def opened(root: Path, url: str | None) -> RepositoryFolder:
    return open_folder(root, database_url=url)


def contents(folder: RepositoryFolder) -> dict[str, tuple[bytes, ...]]:
    return folder.system.executor.read(
        lambda tx: {
            name: tuple(row.data for row in tx.ledger.rows(name, 0, 100_000)) for name in tx.ledger.namespaces()
        }
    )


def test_from_sqlite_to_postgresql_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Databases
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    tell(tmp_path / "work", tmp_path / "files")
    first = opened(tmp_path / "work", None)
    make(first, tmp_path / "backup")
    url = postgresql.empty()
    restore_folder(tmp_path / "backup", tmp_path / "server", database_url=url)
    moved = opened(tmp_path / "server", url)
    assert contents(moved) == contents(first)
    assert moved.check() == ()
    assert moved.rebuild(repair=False).differences == ()
    registry = moved.system.subjects.registry
    owner = moved.owner("ada")
    moved.system.executor.write(
        lambda tx: registry.labels.set(tx, owner, Subject(ModelName("bank", "loans")), "moved", "yes"),
        frozenset({"bank"}),
    )
    make(moved, tmp_path / "backup-2")
    verify_backup(tmp_path / "backup-2")
    restore_folder(tmp_path / "backup-2", tmp_path / "again")
    last = opened(tmp_path / "again", None)
    assert contents(last) == contents(moved)
    assert last.check() == ()
    assert last.rebuild(repair=False).differences == ()
    tables = {table.name: table.rows for table in read_listing(tmp_path / "backup").tables}
    assert {table.name: table.rows for table in read_listing(tmp_path / "backup-2").tables}.keys() == tables.keys()
    for folder in (first, moved, last):
        folder.close()


def test_a_database_that_is_taken_is_refused_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Databases
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    tell(tmp_path / "work", tmp_path / "files", pushes=1)
    folder = opened(tmp_path / "work", None)
    make(folder, tmp_path / "backup")
    folder.close()
    url = postgresql.empty()
    restore_folder(tmp_path / "backup", tmp_path / "server", database_url=url)
    with pytest.raises(AlreadyExistsError):
        restore_folder(tmp_path / "backup", tmp_path / "second", database_url=url)
    server = opened(tmp_path / "server", url)
    assert server.check() == ()
    server.close()


def test_what_fails_leaves_the_database_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Databases
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    tell(tmp_path / "work", tmp_path / "files", pushes=1)
    folder = opened(tmp_path / "work", None)
    make(folder, tmp_path / "backup")
    folder.close()
    entries = next((tmp_path / "backup").rglob("entries.rows"))
    data = entries.read_bytes()
    entries.write_bytes(data[:-3] + b"\0\0\0")
    url = postgresql.empty()
    with pytest.raises(CorruptError):
        restore_folder(tmp_path / "backup", tmp_path / "server", database_url=url)
    entries.write_bytes(data)
    with pytest.raises(NotFoundError):
        opened(tmp_path / "server", url)
    restore_folder(tmp_path / "backup", tmp_path / "server", database_url=url)
    server = opened(tmp_path / "server", url)
    assert server.check() == ()
    server.close()


def test_until_all_is_whole_the_database_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Databases
) -> None:
    """So that a restore that is killed amid it can be begun again."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    tell(tmp_path / "work", tmp_path / "files", pushes=1)
    folder = opened(tmp_path / "work", None)
    make(folder, tmp_path / "backup")
    folder.close()
    url = postgresql.empty()
    identity = read_listing(tmp_path / "backup").identity
    reached = []

    def open_contents(_: Path) -> FolderContents:  # all rows are loaded by then
        with psycopg.connect(url) as other:
            reached.append(other.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone())
        raise KeyboardInterrupt

    asked = Restoring(
        tmp_path / "backup",
        tmp_path / "server" / ".stemma",
        Format(features={POSTGRESQL: KNOWN[POSTGRESQL]}),
        lambda _: NewServer(PostgresqlServer(url)),
        open_contents,
    )
    with pytest.raises(KeyboardInterrupt):
        restore(asked)
    assert reached == [(0,)]
    restore(replace(asked, open_contents=lambda made: FolderContents.open(made, identity, None)))
    server = opened(tmp_path / "server", url)
    assert server.check() == ()
    server.close()
