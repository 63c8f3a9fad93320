"""`stemma backup` and `stemma restore`."""

from pathlib import Path

import pytest

from stemma.client.answers import BackedUp, BackupState
from tests.cli.running import stemma


@pytest.fixture
def place() -> str:
    """Stay in a folder: its owner makes backups."""
    return "folder"


@pytest.mark.usefixtures("model")
def test_backing_up_and_restoring(tmp_path: Path) -> None:
    first = stemma("backup", tmp_path / "backup", "--with-keys", "--json").read(BackedUp)
    assert first.copied == first.backup.packs == 2
    assert first.backup.keys
    assert stemma("backup", tmp_path / "backup", "--with-keys", "--json").read(BackedUp).copied == 0
    found = stemma("restore", tmp_path / "backup", "--verify", "--json").read(BackupState)
    assert found.entries > 5
    shown = stemma("restore", tmp_path / "backup", tmp_path / "again")
    assert shown.code == 0
    assert "The repository is restored." in shown.out
    again = ("--repo", tmp_path / "again")
    assert stemma("db", "check", *again).code == 0
    assert stemma("verify", "--all", *again).code == 0
    assert stemma("show", "bank/loans@latest", *again).code == 0
    taken = stemma("restore", tmp_path / "backup", tmp_path / "again")
    assert taken.code == 5
    assert "there is a repository" in taken.err


@pytest.mark.usefixtures("model")
def test_keys_that_are_not_taken_are_told_of(tmp_path: Path) -> None:
    done = stemma("backup", tmp_path / "backup")
    assert done.code == 0
    assert "keep .stemma/keys elsewhere" in done.err
    refused = stemma("restore", tmp_path / "backup", tmp_path / "again")
    assert refused.code == 3
    assert "--keys" in refused.err
    keys = Path(".stemma/keys").absolute()
    assert stemma("restore", tmp_path / "backup", tmp_path / "again", "--keys", keys).code == 0


@pytest.mark.usefixtures("model")
def test_damage_exits_with_seven_and_says_where(tmp_path: Path) -> None:
    assert stemma("backup", tmp_path / "backup", "--with-keys").code == 0
    rows = next((tmp_path / "backup").rglob("entries.rows"))
    data = rows.read_bytes()
    rows.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
    for line in (("--verify",), (tmp_path / "again",)):
        damaged = stemma("restore", tmp_path / "backup", *line)
        assert damaged.code == 7
        assert "entries.rows, offset" in damaged.err
    assert not (tmp_path / "again" / ".stemma").exists()


def test_what_makes_no_sense_is_refused(folder: Path, tmp_path: Path) -> None:
    assert stemma("restore", tmp_path / "nothing", tmp_path / "again").code == 3
    assert stemma("restore", tmp_path / "nothing", tmp_path / "again", "--verify").code == 2
    assert stemma("backup", folder / ".stemma" / "backup").code == 5
