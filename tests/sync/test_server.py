"""Between a folder and a server, both ways, over HTTP."""

from pathlib import Path

import pytest

from stemma.access import EVERYWHERE, Grant, Role
from stemma.client import Repository
from stemma.client.syncing.synchronise import synchronise
from stemma.errors import ForbiddenError, NotFoundError
from stemma.operations import Transaction
from tests.serving import serving
from tests.sync.support import CONFIRMED, Author, calls, check, past, proofs, read, redact, write


@pytest.fixture
def first(tmp_path: Path) -> Repository:
    """Make a folder with a past."""
    repository = Repository.init(tmp_path / "first")
    Author(repository, tmp_path / "files").live(12)
    return repository


def across(source: Repository, target: Repository) -> list[tuple[str, str]]:
    """Synchronise over whatever both stand on; return what each namespace was found to be."""
    done = synchronise(source._calls, target._calls, trust=CONFIRMED)  # noqa: SLF001  # what it drives
    assert done.conflicts == ()
    return [(each.namespace, each.relation) for each in done.namespaces]


def test_a_folder_goes_to_a_server_and_back(first: Repository, tmp_path: Path) -> None:
    forgotten = redact(first, "team/churn@v2")
    Repository.init(tmp_path / "second").close()
    third = Repository.init(tmp_path / "third")
    with serving(tmp_path / "second") as url, Repository.open(url) as server:
        assert across(first, server) == [("lab", "new"), ("team", "new")]
        assert across(first, server) == [("lab", "same"), ("team", "same")]
        assert past(server) == past(first)
        assert across(server, third) == [("lab", "new"), ("team", "new")]
        Author(first, tmp_path / "files", seed=4).push("team/churn", "later 001")
        assert across(first, server) == [("lab", "same"), ("team", "behind")]
    third.close()
    with Repository.open(tmp_path / "second") as second, Repository.open(third.root) as again:
        check(second)
        check(again)
        assert past(second) == past(first)
        assert proofs(second, "team") == proofs(first, "team")
        assert read(again, lambda tx: tx.texts.read(forgotten)) == (b"", None)
        assert across(second, again) == [("lab", "same"), ("team", "behind")]
        assert past(again) == past(first)


def test_a_token_says_what_may_arrive(first: Repository, tmp_path: Path) -> None:
    second = Repository.init(tmp_path / "second")
    owner = calls(second).caller()
    access = calls(second).folder.system.subjects.access
    tokens: dict[Role, str] = {}
    for role in (Role.ADMIN, Role.CONTRIBUTOR, Role.READER):

        def introduce(tx: Transaction, role: Role = role) -> str:
            principal = access.introduce(tx, owner, "user", str(role))
            access.grant(tx, owner, Grant(principal.id, EVERYWHERE, role))
            return access.tokens.issue(tx, owner, principal).text

        tokens[role] = write(second, introduce, "_system")
    second.close()
    with serving(tmp_path / "second") as url:
        for role in (Role.READER, Role.CONTRIBUTOR):
            with Repository.open(url, token=tokens[role]) as server, pytest.raises((ForbiddenError, NotFoundError)):
                across(first, server)
        with Repository.open(url, token=tokens[Role.ADMIN]) as server:
            assert across(first, server) == [("lab", "new"), ("team", "new")]
            assert past(server) == past(first)
