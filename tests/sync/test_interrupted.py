"""Interrupted anywhere: what is there is a true beginning, nobody works with it, and the next time goes on."""

import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stemma.client import Repository
from stemma.client.syncing import sending
from stemma.errors import ConflictError, NotFoundError, StemmaError, UnavailableError
from stemma.operations import AnyOperation
from stemma.operations.exchange.receiving import RECEIVE
from tests.sync.support import Author, Bent, calls, check, past, proofs, read, sync

PART = 4
MOMENTS = 10


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """Make a repository with a past."""
    repository = Repository.init(tmp_path / "source")
    Author(repository, tmp_path / "files").live(9)
    return repository


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send few entries at once."""
    monkeypatch.setattr(sending, "MOST_ENTRIES", PART)


def failing(at: int) -> Callable[[AnyOperation, Any], Any]:
    """Return what loses the answer to the n-th part that arrived, and is away from then on."""
    left = [at]

    def lie(operation: AnyOperation, answer: Any) -> Any:  # noqa: ANN401  # any answer
        left[0] -= operation is RECEIVE
        if left[0] < 0:
            raise UnavailableError("the network is gone")
        return answer

    return lie


@pytest.mark.usefixtures("small_parts")
def test_every_part_may_be_the_last(source: Repository, tmp_path: Path) -> None:
    target = Repository.init(tmp_path / "target")
    sizes = []
    for _ in range(100):
        try:
            sync(source, Bent(calls(target), failing(2)), "team")
        except UnavailableError:
            sizes.append(read(target, lambda tx: tx.ledger.head("team").size))
            if list(target.namespaces()):
                continue
            arriving(target)
        else:
            break
    assert sizes == sorted(set(sizes)), "each time it went on where it had ended"
    assert len(sizes) > 3
    sync(source, target)
    assert past(target) == past(source)
    assert proofs(target, "team") == proofs(source, "team")
    target.close()
    with Repository.open(target.root) as again:
        check(again)


def arriving(target: Repository) -> None:
    """Check that nobody works with a namespace that is only arriving, and that all of it adds up."""
    with pytest.raises(NotFoundError, match="arriving"):
        target.show("team/churn@production")
    with pytest.raises(NotFoundError):
        list(target.models("team"))
    with pytest.raises(StemmaError):
        target.aliases.set("team/churn", "canary", "v1")
    with pytest.raises((ConflictError, NotFoundError)):
        Author(target, target.root / "files").push("team/churn", "mine 001")
    assert target.database.check() == ()
    assert target.database.rebuild().differences == ()
    target.audit.verify()


@pytest.mark.usefixtures("small_parts")
def test_two_at_once_meet(source: Repository, tmp_path: Path) -> None:
    target = Repository.init(tmp_path / "target")
    others = [Repository.open(root) for root in (source.root, source.root)]
    ends = [Repository.open(target.root) for _ in others]
    failures: list[BaseException] = []

    def run(one: Repository, other: Repository) -> None:
        try:
            sync(one, other)
        except StemmaError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(others, ends, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert past(target) == past(source)
    for each in (*others, *ends):
        each.close()
    target.close()
    with Repository.open(target.root) as again:
        check(again)


@pytest.mark.usefixtures("small_parts")
def test_who_writes_meanwhile_loses_nothing(source: Repository, tmp_path: Path) -> None:
    """Where somebody writes between two parts, the logs have parted there, and the rest is taken over singly."""
    target = Repository.init(tmp_path / "target")
    sync(source, target)
    author = Author(source, tmp_path / "more", seed=5)
    for number in range(4):
        author.push("team/churn", f"more {number:03}")
    written: list[str] = []

    def interfere(operation: AnyOperation, answer: Any) -> Any:  # noqa: ANN401  # any answer
        if operation is RECEIVE and not written:
            written.append(Author(target, tmp_path / "mine").push("team/churn", "meanwhile 001"))
        return answer

    done = sync(source, Bent(calls(target), interfere), "team")
    assert written
    assert [each.relation for each in done.namespaces] == ["parted"]
    mine = {version.digest for version in target.history("team/churn")}
    assert {version.digest for version in source.history("team/churn")} < mine
    target.close()
    with Repository.open(target.root) as again:
        check(again)


@pytest.mark.slow
@pytest.mark.parametrize("parted", [False, True])
def test_killed_at_any_boundary(
    source: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, parted: bool
) -> None:
    empty = Repository.init(tmp_path / "empty")
    if parted:
        Author(empty, tmp_path / "theirs", seed=7).push("team/churn", "theirs 001")
    for each in (source, empty):
        each.close()
    shutil.copytree(empty.root, tmp_path / "whole")
    count = int(run(source.root, tmp_path / "whole", 10**9).stdout)
    assert count > 20
    with Repository.open(tmp_path / "whole") as repository:
        expected = {version.digest for version in repository.history("team/churn")}
    for boundary in sorted(random.Random(3).sample(range(1, count + 1), MOMENTS)):
        root = tmp_path / f"killed-{boundary}"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / f"pins-{boundary}"))  # each is a repository of its own
        shutil.copytree(empty.root, root)
        assert run(source.root, root, boundary).returncode == -9
        with Repository.open(root) as repository:
            assert repository.database.check() == (), f"boundary {boundary}"
            assert repository.database.rebuild().differences == (), f"boundary {boundary}"
        assert run(source.root, root, 10**9).returncode == 0
        with Repository.open(source.root) as whole, Repository.open(root) as repository:
            check(repository)
            if parted:
                assert {version.digest for version in repository.history("team/churn")} == expected
            else:
                assert past(repository) == past(whole)


def run(source: Path, target: Path, boundary: int) -> "subprocess.CompletedProcess[str]":
    """Run the program that synchronises."""
    return subprocess.run(
        [sys.executable, "-m", "tests.sync.killed", str(source), str(target), str(boundary)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("small_parts")
def test_what_will_never_come_to_its_end_is_kept_as_it_is(source: Repository, tmp_path: Path) -> None:
    target = Repository.init(tmp_path / "target")
    with pytest.raises(UnavailableError):
        sync(source, Bent(calls(target), failing(2)), "team")
    with pytest.raises(ConflictError, match="arriving"):
        target.people.create_namespace("team")
    target.people.create_namespace("team", as_arrived=True)
    versions = target.history("team/churn")
    assert versions
    Author(target, tmp_path / "mine").push("team/churn", "mine 001")
    assert [each.relation for each in sync(source, target, "team").namespaces] == ["parted"]
    assert {each.digest for each in source.history("team/churn")} < {
        each.digest for each in target.history("team/churn")
    }
    target.close()
    with Repository.open(target.root) as again:
        check(again)
