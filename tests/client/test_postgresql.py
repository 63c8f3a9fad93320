"""A repository on PostgreSQL: the folder and the database go together, and the URL stays out of sight."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from stemma.client import Repository
from stemma.errors import AlreadyExistsError, ConflictError, InvalidError, UnsupportedError
from tests.postgresql import Databases


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "weights.txt").write_text("0.5")
    return folder


def test_it_is_made_used_and_found_again(
    postgresql: Databases, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.empty()
    with Repository.init(tmp_path / "repo", database=url) as repository:
        pushed = repository.push("bank/loans", source, message="first").version
        repository.aliases.set("bank/loans", "production", "latest")
    folder = tmp_path / "repo" / ".stemma"
    assert not (folder / "stemma.db").exists()
    assert json.loads((folder / "format.json").read_text())["features"] == {"postgresql": "0.1.0"}
    assert not any(url.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    with pytest.raises(InvalidError, match="nothing says where") as caught:
        Repository.open(tmp_path / "repo")
    assert "STEMMA_DATABASE_URL" in caught.value.hint
    monkeypatch.setenv("STEMMA_DATABASE_URL", url)
    with Repository.open(tmp_path / "repo") as repository:
        assert repository.resolve("bank/loans@production").digest == pushed.digest
        assert repository.database.check() == ()
        assert repository.database.rebuild().differences == ()
        assert repository.verify(deep=True).sound
        repository.audit.verify()
    with pytest.raises(AlreadyExistsError):
        Repository.init(tmp_path / "other", database=url)
    assert not (tmp_path / "other" / ".stemma").exists()


def test_a_folder_and_a_database_that_do_not_belong_together_are_refused(
    postgresql: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [postgresql.empty(), postgresql.empty()]
    for name, url in zip(("one", "two"), urls, strict=True):
        Repository.init(tmp_path / name, database=url).close()
    monkeypatch.setenv("STEMMA_DATABASE_URL", urls[1])
    Repository.open(tmp_path / "two").close()
    with pytest.raises(ConflictError, match="belongs to another repository"):
        Repository.open(tmp_path / "one")
    for name in ("three", "four"):
        Repository.init(tmp_path / name).close()
    shutil.copy(tmp_path / "three" / ".stemma" / "stemma.db", tmp_path / "four" / ".stemma" / "stemma.db")
    with pytest.raises(ConflictError, match="belongs to another repository"):
        Repository.open(tmp_path / "four")


def test_a_repositorys_file_cannot_say_where_its_database_is(postgresql: Databases, tmp_path: Path) -> None:
    url = postgresql.empty()
    Repository.init(tmp_path, database=url).close()
    (tmp_path / ".stemma" / "config.toml").write_text(f'[database]\nurl = "{url}"\n')
    with pytest.raises(InvalidError):
        Repository.open(tmp_path)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("stemma.backends.database.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnsupportedError, match="psycopg") as caught:
        Repository.init(tmp_path, database="postgresql://db.example/models")
    assert "stemma-ml[postgres]" in caught.value.hint
    assert not (tmp_path / ".stemma").exists()
