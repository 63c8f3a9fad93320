"""Two repositories that both went on: versions are taken over, what differs is listed, nothing is overwritten."""

from pathlib import Path

import pytest

from stemma.client import Repository
from stemma.ledger import Entry
from stemma.ledger.evidence.checkpoint import Checkpoint
from stemma.ledger.proof import verify_inclusion
from stemma.operations import Transaction
from stemma.records import Digest, read_record
from stemma.registry.exchange.origin import Origin
from tests.sync.support import Author, calls, check, past, proofs, read, sync


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Repository, Repository]:
    """Make two repositories with the same past, that both went on from there."""
    first, second = Repository.init(tmp_path / "first"), Repository.init(tmp_path / "second")
    for number in range(3):
        Author(first, tmp_path / f"files-{number}", seed=number).push("team/churn", f"shared {number:03}")
    first.aliases.set("team/churn", "production", "v2")
    sync(first, second)
    Author(first, tmp_path / "here", seed=10).push("team/churn", "at first 001")
    Author(second, tmp_path / "there", seed=11).push("team/churn", "at second 002")
    return first, second


def listed(done: object) -> set[tuple[str, str]]:
    """Return kind and name of all conflicts."""
    return {(each.kind, each.name) for each in done.conflicts}  # type: ignore[attr-defined]  # a Synced


def test_a_version_keeps_its_digest_and_brings_its_proof(pair: tuple[Repository, Repository]) -> None:
    first, second = pair
    mine = first.show("team/churn@latest")
    before = proofs(second, "team")
    done = sync(first, second)
    assert [(each.relation, each.versions, each.entries) for each in done.namespaces] == [("parted", 1, 0)]
    assert listed(done) == {("branch", "main"), ("number", "1.3.0")}
    there = second.show(f"team/churn@{mine.digest}")
    assert (there.number, there.sequence, there.digest) == (None, 5, mine.digest)
    assert (there.message, there.author, there.params) == (mine.message, mine.author, mine.params)
    assert [(each.name, each.value) for each in there.metrics] == [(each.name, each.value) for each in mine.metrics]
    assert there.branch == f"main-from-{identity(first)[:8]}"
    assert second.show("team/churn@latest").message.what == "at second 002"
    assert second.files(f"team/churn@{mine.digest}") == first.files(f"team/churn@{mine.digest}")
    assert proofs(second, "team")[0][: len(before[0])] == before[0]  # type: ignore[index, arg-type]  # entries
    verify_origin(first, second, mine.digest)
    second.close()
    with Repository.open(second.root) as again:
        check(again)


def identity(repository: Repository) -> str:
    """Return the id of a repository."""
    return calls(repository).folder.system.subjects.ledger.repository


def verify_origin(source: Repository, target: Repository, digest: str) -> None:
    """Verify the proof that a version was registered at its source, from what the target holds alone."""

    def step(tx: Transaction) -> tuple[bytes, bytes]:
        rows = tx.ledger.rows("team", 0, 1000)
        entries = (Entry.decode(row.data) for row in rows)
        entry = next(each for each in entries if each.action == "version.import" and each.after == digest)
        origin = tx.records.read(Digest(str(entry.facts["origin"])))
        assert origin is not None
        checkpoint = tx.records.read(Digest(str(read_record(origin, place="origin")["checkpoint"])))
        assert checkpoint is not None
        return origin, checkpoint

    origin, checkpoint = (read_record(each, place="record") for each in read(target, step))
    keys = checkpoint["keys"]
    assert isinstance(keys, list)
    signed = Origin.verify("team", str(checkpoint["note"]), [str(key) for key in keys]).checkpoint
    assert signed.origin == f"stemma/{identity(source)}/team"
    assert isinstance(signed, Checkpoint)
    path, index, size = origin["path"], origin["index"], origin["size"]
    assert isinstance(path, list)
    assert isinstance(index, int)
    assert size == signed.size
    entry = Entry.decode(str(origin["entry"]).encode())
    verify_inclusion(
        leaf_hash=entry.leaf_hash,
        index=index,
        size=signed.size,
        root=signed.root,
        path=[bytes.fromhex(str(each)) for each in path],
    )
    assert entry.after == digest


def test_again_lists_the_same_and_changes_nothing(pair: tuple[Repository, Repository]) -> None:
    first, second = pair
    once = sync(first, second)
    before = (past(second), proofs(second, "team"), proofs(second, "_system"))
    again = sync(first, second)
    assert listed(again) == listed(once)
    assert [(each.versions, each.bytes) for each in again.namespaces] == [(0, 0)]
    assert (past(second), proofs(second, "team"), proofs(second, "_system")) == before


def test_a_plan_says_the_same_and_changes_nothing(pair: tuple[Repository, Repository]) -> None:
    first, second = pair
    first.aliases.set("team/churn", "canary", "latest")
    before = (past(second), proofs(second, "team"), proofs(second, "_system"))
    plan = sync(first, second, plan=True)
    assert (past(second), proofs(second, "team"), proofs(second, "_system")) == before
    assert plan.namespaces == sync(first, second).namespaces


def test_both_end_with_all_versions(pair: tuple[Repository, Repository]) -> None:
    first, second = pair
    sync(first, second)
    sync(second, first)
    sync(first, second)
    digests = [{version.digest for version in each.history("team/churn")} for each in (first, second)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 5
    for each in (first, second):
        each.close()
        with Repository.open(each.root) as again:
            check(again)


def test_names_that_are_missing_are_made_and_others_left(pair: tuple[Repository, Repository]) -> None:
    first, second = pair
    for each, owner, title in ((first, "us", "Churn"), (second, "them", "Leaving")):
        each.aliases.set("team/churn", "production", "v1" if each is first else "v3")
        each.set_labels("team/churn", {"owner": owner, f"only-{owner}": "yes"})
        each.set_labels("team/churn@v1", {"same": "value"})
        each.set_title("team/churn", title)
    first.aliases.set("team/churn", "canary", "latest", reason="try it")
    first.aliases.protect("team/churn", "canary")
    first.branches.create("team/churn", "trial", "v1")
    first.branches.create("team/churn", "idle", "v3")
    Author(first, first.root / "trial", seed=20).push("team/churn", "a trial 003", branch="trial")
    first.withdraw("team/churn@v2", "leaks")
    second.aliases.set("team/churn", "retired", "v1")
    second.aliases.delete("team/churn", "retired", reason="never again")
    first.aliases.set("team/churn", "retired", "v3")
    done = sync(first, second)
    assert listed(done) == {
        ("branch", "main"),
        ("number", "1.3.0"),
        ("alias", "production"),
        ("alias", "retired"),
        ("label", "owner"),
        ("title", "title"),
    }
    aliases = {each.name: each for each in second.aliases.all("team/churn")}
    assert aliases["canary"].digest == first.show("team/churn@canary").digest
    assert aliases["canary"].protected
    assert aliases["production"].reference == "team/churn@1.2.0"
    assert "retired" not in aliases
    model = second.model("team/churn")
    assert (model.title, model.labels) == ("Leaving", {"only-them": "yes", "only-us": "yes", "owner": "them"})
    assert second.show("team/churn@trial").digest == first.show("team/churn@trial").digest
    assert second.show("team/churn@idle").sequence == 3
    withdrawn = second.show("team/churn@v2").withdrawn
    assert withdrawn is not None
    assert withdrawn.reason == "leaks"
    second.close()
    with Repository.open(second.root) as again:
        check(again)


def test_namespaces_that_never_met_are_merged(tmp_path: Path) -> None:
    first, second = Repository.init(tmp_path / "first"), Repository.init(tmp_path / "second")
    mine = Author(first, tmp_path / "a", seed=1).push("team/churn", "mine 001")
    other = Author(first, tmp_path / "b", seed=2).push("team/other", "only here 002")
    Author(second, tmp_path / "c", seed=3).push("team/churn", "theirs 003")
    done = sync(first, second)
    assert [(each.relation, each.versions) for each in done.namespaces] == [("parted", 2)]
    assert listed(done) == {("branch", "main"), ("number", "1.0.0")}
    assert second.show(other).number == "1.0.0"
    assert second.show(other).branch == "main"
    assert second.show(mine).number is None


def test_what_was_taken_over_moves_on_with_its_proof(pair: tuple[Repository, Repository], tmp_path: Path) -> None:
    first, second = pair
    sync(first, second)
    second.close()
    third = Repository.init(tmp_path / "third")
    with Repository.open(second.root) as again:
        sync(again, third)
        assert past(third) == past(again)
        verify_origin(first, third, first.show("team/churn@latest").digest)
    third.close()
    with Repository.open(third.root) as again:
        check(again)
