"""SQLite: where its files may lie, how they are opened, at which level."""

import sqlite3
from pathlib import Path

import pytest

from stemma.backends.database.sqlite import SqliteFile, mount_type, open_memory, refuse_network
from stemma.errors import AlreadyExistsError, NotFoundError, StemmaError, UnsupportedError

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /home rw,nosuid shared:7 master:1 - nfs4 server:/home rw,vers=4.2
31 30 0:27 / /home/ada/local rw - xfs /dev/sdb rw
32 22 0:28 / /mnt/my\\040share rw - cifs //server/share rw
33 22 0:29 / /mnt/ssh rw - fuse.sshfs ada@server: rw
34 22 0:30 / /mnt/over rw - ext4 /dev/sdc rw
35 22 0:31 / /mnt/over rw - nfs server:/over rw
36 22 0:32 / /work rw - 9p share rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/models", "ext4"),
        ("/home/ada/models", "nfs4"),
        ("/home/ada/local/models", "xfs"),
        ("/homes/ada", "ext4"),
        ("/mnt/my share/models", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/over/x", "nfs"),
        ("/work", "9p"),
    ],
)
def test_the_innermost_and_last_mount_counts(path: str, kind: str) -> None:
    assert mount_type(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("folder", ["/home/ada/models", "/mnt/my share", "/mnt/ssh/deep/down", "/mnt/over"])
def test_network_file_systems_are_refused(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr("stemma.backends.database.sqlite._MOUNTS", mounts)
    refuse_network.cache_clear()
    try:
        with pytest.raises(UnsupportedError, match="network file system") as caught:
            refuse_network(Path(folder))
        assert "stemma serve" in caught.value.hint
        with pytest.raises(UnsupportedError):
            SqliteFile(Path(folder) / "stemma.db").create()
        refuse_network(Path("/home/ada/local"))
        monkeypatch.setattr("stemma.backends.database.sqlite._MOUNTS", tmp_path / "none")
        refuse_network.cache_clear()
        refuse_network(Path(folder))
    finally:
        refuse_network.cache_clear()


def test_opening_creates_nothing(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "stemma.db")
    for ask in (file.open_writer, file.open_reader, file.check_level):
        with pytest.raises(NotFoundError):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_creating_replaces_nothing(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "stemma.db")
    file.create()
    with pytest.raises(AlreadyExistsError):
        file.create()
    file.check_level()


def test_writers_are_durable_and_readers_cannot_write(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "odd ?#% name.db")
    file.create()
    writer, reader = file.open_writer(), file.open_reader()
    assert writer.script("PRAGMA journal_mode") == [("wal",)]
    assert writer.script("PRAGMA synchronous") == [(2,)]
    assert writer.script("PRAGMA foreign_keys") == [(1,)]
    with pytest.raises(StemmaError):
        reader.script("DELETE FROM entries")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".db"] == [file.path.name]
    writer.close()
    reader.close()


@pytest.mark.parametrize(("level", "word"), [("0000", "migrate"), ("", "migrate"), ("9999", "newer release")])
def test_another_level_is_refused_and_left_alone(tmp_path: Path, level: str, word: str) -> None:
    file = SqliteFile(tmp_path / "stemma.db")
    file.create()
    with sqlite3.connect(file.path) as driver:
        driver.execute("DELETE FROM schema_level")
        if level:
            driver.execute("INSERT INTO schema_level VALUES (?)", (level,))
    driver.close()
    before = file.path.read_bytes()
    with pytest.raises(UnsupportedError) as caught:
        file.check_level()
    assert word in caught.value.hint
    assert file.path.read_bytes() == before


def test_memory_has_every_table() -> None:
    connection = open_memory()
    assert connection.script("SELECT count(*) FROM entries") == [(0,)]
    connection.close()
