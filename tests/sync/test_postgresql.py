"""A folder on SQLite grows into a repository on PostgreSQL, and back."""

from pathlib import Path

import pytest

from stemma.client import Repository
from tests.postgresql import Databases
from tests.sync.support import Author, check, past, proofs, redact, sync


def test_a_folder_grows_into_postgresql_and_back(
    postgresql: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Repository.init(tmp_path / "first")
    Author(first, tmp_path / "files").live(12)
    redact(first, "team/churn@v2")
    url = postgresql.empty()
    second = Repository.init(tmp_path / "second", database=url)
    third = Repository.init(tmp_path / "third")
    sync(first, second)
    sync(second, third)
    for repository in (second, third):
        assert past(repository) == past(first)
        assert proofs(repository, "team") == proofs(first, "team")
    Author(first, tmp_path / "files", seed=2).push("team/churn", "here 001")
    Author(second, tmp_path / "more", seed=3).push("team/churn", "there 002")
    parted = sync(first, second, "team")
    assert {(each.kind, each.name) for each in parted.conflicts} == {("branch", "main"), ("number", "1.4.0")}
    assert sync(first, second, "team").namespaces[0].versions == 0
    third.close()
    second.close()
    with Repository.open(third.root) as again:
        check(again)
    monkeypatch.setenv("STEMMA_DATABASE_URL", url)
    with Repository.open(second.root) as again:
        check(again)
