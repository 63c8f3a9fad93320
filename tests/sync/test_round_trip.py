"""A folder's past goes to another repository and back, and is the same everywhere."""

import time
from pathlib import Path

import pytest

from stemma.client import Repository
from stemma.errors import InvalidError
from tests.sync.support import Author, check, past, proofs, read, redact, sync


@pytest.fixture
def lived_in(tmp_path: Path) -> Repository:
    """Make a repository with a past."""
    repository = Repository.init(tmp_path / "first")
    Author(repository, tmp_path / "files").live(24)
    return repository


def test_a_past_goes_over_and_back(lived_in: Repository, tmp_path: Path) -> None:
    forgotten = redact(lived_in, "team/churn@v2")
    second, third = Repository.init(tmp_path / "second"), Repository.init(tmp_path / "third")
    done = sync(lived_in, second)
    assert [(each.namespace, each.relation) for each in done.namespaces] == [("lab", "new"), ("team", "new")]
    assert done.conflicts == ()
    sync(second, third)
    for repository in (second, third):
        assert past(repository) == past(lived_in)
        assert read(repository, lambda tx: tx.texts.read(forgotten)) == (b"", None)
        for namespace in ("team", "lab"):
            assert proofs(repository, namespace) == proofs(lived_in, namespace)
        repository.close()
        with Repository.open(repository.root) as again:
            check(again)


def test_again_changes_nothing(lived_in: Repository, tmp_path: Path) -> None:
    second = Repository.init(tmp_path / "second")
    sync(lived_in, second)
    before = (past(second), proofs(second, "_system"), proofs(second, "team"))
    done = sync(lived_in, second)
    assert [(each.relation, each.entries, each.bytes) for each in done.namespaces] == [("same", 0, 0)] * 2
    assert (past(second), proofs(second, "_system"), proofs(second, "team")) == before


def test_what_was_added_later_follows(lived_in: Repository, tmp_path: Path) -> None:
    second = Repository.init(tmp_path / "second")
    sync(lived_in, second)
    Author(lived_in, tmp_path / "files", seed=1).push("team/churn", "later 001")
    plan = sync(lived_in, second, plan=True)
    assert past(second) != past(lived_in)
    done = sync(lived_in, second)
    assert [each.relation for each in done.namespaces] == ["same", "behind"]
    assert plan.namespaces == done.namespaces
    assert done.namespaces[1].versions == 1
    assert past(second) == past(lived_in)
    back = sync(second, lived_in)
    assert [each.relation for each in back.namespaces] == ["same", "same"]
    Author(second, tmp_path / "files", seed=2).push("team/churn", "there 002")
    assert [each.relation for each in sync(lived_in, second).namespaces] == ["same", "ahead"]
    assert [each.relation for each in sync(second, lived_in).namespaces] == ["same", "behind"]
    assert past(second) == past(lived_in)


def test_there_is_nothing_to_synchronise_with_oneself(lived_in: Repository) -> None:
    with pytest.raises(InvalidError, match="same repository"):
        sync(lived_in, lived_in)


@pytest.mark.slow
def test_two_hundred_versions(tmp_path: Path) -> None:
    first, second = Repository.init(tmp_path / "first"), Repository.init(tmp_path / "second")
    Author(first, tmp_path / "files").live(200)
    began = time.monotonic()
    done = sync(first, second)
    print(f"{time.monotonic() - began:.1f} s, {sum(each.bytes for each in done.namespaces)} bytes")  # noqa: T201
    assert past(first) == past(second)
    assert proofs(first, "team") == proofs(second, "team")
    second.close()
    with Repository.open(second.root) as again:
        check(again)
