"""Registering, reading and withdrawing versions."""

import pytest

from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnsupportedError,
)
from stemma.ledger import commit_text
from stemma.lineage import Ask, EdgeKind, Lineage
from stemma.names import ModelName
from stemma.paging import Pager
from stemma.records import Digest
from stemma.registry import (
    Account,
    DatasetRole,
    DatasetUse,
    External,
    Measurement,
    Message,
    Parent,
    ParentKind,
    Registered,
    Submission,
    Version,
)
from stemma.registry.versions import read_version
from tests.databases import change
from tests.registry.support import CREDIT, FRAUD, OWNER, World, digest_of, select

pytestmark = pytest.mark.usefixtures("each_database")

HUB = External.parse("hf:org/base@" + "a" * 40)


def register(world: World, submission: Submission, model: ModelName = CREDIT) -> Registered:
    return world.do(lambda tx: world.registry.versions.register(tx, OWNER, model, submission))


def show(world: World, selector: str, model: ModelName = CREDIT) -> Account:
    return world.do(lambda tx: world.registry.versions.show(tx, OWNER, model, select(selector)))


def test_the_first_version_makes_the_model_and_its_line() -> None:
    world = World()
    version = world.pushed()
    assert (version.sequence, version.branch, str(version.number)) == (1, "main", "1.0.0")
    assert world.actions() == ["model.create", "version.register", "version.number"]
    assert world.actions("_system") == ["namespace.create"]
    second = world.pushed()
    _, _, _, entry, numbered = world.entries()
    assert (entry.before, entry.after) == (version.digest, second.digest)
    assert entry.facts == {"model": "credit", "sequence": 2, "branch": "main"}
    assert numbered.facts == {"model": "credit", "sequence": 2, "number": "1.1.0", "chosen": False}
    assert (second.time, second.position, second.actor) == (entry.time, entry.sequence, OWNER.id)


def test_an_account_gives_the_texts_back() -> None:
    world = World()
    message = Message("Train on March", "Drift", "Fewer refusals")
    detached = {"author": " Ada ", "host": "gpu-7", "command": "python train.py\n  --x", "diff": "+1\n-1\n"}
    register(world, Submission(Version(world.files("x"), 0), message, detached))
    account = show(world, "v1")
    assert account.texts == {
        "what": "Train on March",
        "why": "Drift",
        "author": "Ada",
        "host": "gpu-7",
        "command": "python train.py\n  --x",
        "diff": "+1\n-1",
    }
    assert account.version.time == account.registration.time
    assert account.version.parents == ()
    assert b"Ada" not in account.version.encode()
    assert world.actions()[-1] == "evidence.add"
    findings = world.do(lambda tx: world.registry.evidence.findings(tx, OWNER, CREDIT, None))
    assert findings.impacts == ("Fewer refusals",)


def test_a_redacted_text_is_none_and_the_digest_stays() -> None:
    world = World()
    version = world.pushed()
    account = show(world, "v1")
    world.do(lambda tx: tx.texts.redact(account.version.commitments["what"]))
    again = show(world, "v1")
    assert again.texts == {"what": None}
    assert again.registration.digest == version.digest
    assert world.do(lambda tx: world.registry.versions.subjects(tx, OWNER, [version])) == (None,)


def test_subjects_are_first_lines() -> None:
    world = World()
    versions = [world.push(what=what).version for what in ("One\n\nmore", "Two")]
    assert world.do(lambda tx: world.registry.versions.subjects(tx, OWNER, versions)) == ("One", "Two")


@pytest.mark.parametrize(
    ("detached", "error"),
    [
        ({"what": "x"}, InvalidError),
        ({"why": "x"}, InvalidError),
        ({"mood": "x"}, InvalidError),
        ({"author": "a\nb"}, InvalidError),
        ({"author": ""}, InvalidError),
        ({"diff": "\x1b[2J"}, InvalidError),
        ({"diff": "x" * (2**20 + 1)}, TooLargeError),
    ],
)
def test_texts_beside_the_message_are_known_and_clean(detached: dict[str, str], error: type[Exception]) -> None:
    world = World()
    submission = Submission(Version(world.files("x"), 0), Message("x"), detached)
    with pytest.raises(error):
        register(world, submission)
    assert world.actions() == []


# Parents


def test_a_version_continues_the_head_of_its_branch() -> None:
    world = World()
    first, second = world.pushed(), world.pushed()
    assert show(world, "v2").version.parents == (Parent(ParentKind.CONTINUES, first.digest),)
    world.branch("gbdt", "v1")
    world.push(branch="gbdt")
    assert show(world, "v3").version.parents == (Parent(ParentKind.CONTINUES, first.digest),)
    register(world, Submission(Version(world.files("r"), 0), Message("from scratch"), is_root=True))
    assert show(world, "v4").version.parents == ()
    world.withdraw("v4")
    world.push()
    assert show(world, "v5").version.parents == (Parent(ParentKind.CONTINUES, second.digest),)


def test_a_line_of_withdrawn_versions_is_still_continued() -> None:
    world = World()
    first = world.pushed()
    world.withdraw("v1")
    assert world.push().version.tainted
    assert show(world, "v2").version.parents == (Parent(ParentKind.CONTINUES, first.digest),)


def test_given_parents_are_kept_as_they_are() -> None:
    world = World()
    first = world.pushed(FRAUD)
    parents = (Parent(ParentKind.DISTILLED_FROM, first.digest), Parent(ParentKind.ADAPTER_OF, HUB))
    world.push()
    world.push(parents=parents)
    assert show(world, "v2").version.parents == parents
    assert world.do(lambda tx: tx.lineage.find(HUB, "children")) is not None


def test_a_parent_must_be_there_and_may_be_a_record_only_if_it_is_a_version() -> None:
    world = World()
    world.files("not a version")
    for origin in (digest_of("nothing"), digest_of("not a version")):
        with pytest.raises(NotFoundError, match="given as a parent"):
            world.push(parents=(Parent(ParentKind.CONTINUES, origin),))


def test_builds_come_later() -> None:
    world = World()
    first = world.pushed()
    with pytest.raises(UnsupportedError, match="builds"):
        world.push(parents=(Parent(ParentKind.BUILD_OF, first.digest),))


def test_the_manifest_must_be_there() -> None:
    world = World()
    with pytest.raises(NotFoundError, match="no manifest"):
        register(world, Submission(Version(digest_of("nothing"), 0), Message("x")))


# The same again


def test_unchanged_content_is_answered_by_the_head() -> None:
    world = World()
    first = world.push(files="a", if_changed=True)
    again = world.push(files="a", what="again", if_changed=True)
    assert (first.created, again.created, again.version) == (True, False, first.version)
    assert world.push(files="b", if_changed=True).created
    assert world.push(files="a", if_changed=True).created
    assert world.push(files="a").created
    assert world.actions().count("version.register") == 4


def test_a_withdrawn_head_is_no_answer() -> None:
    world = World()
    world.push(files="a")
    world.withdraw("v1")
    assert world.push(files="a", if_changed=True).version.sequence == 2


def complete(world: World) -> Version:
    """Return a record that was made elsewhere."""
    what = world.do(lambda tx: commit_text(tx, "Made elsewhere"))
    return Version(world.files("x"), 1, commitments={"what": what})


def test_a_record_is_registered_as_it_is() -> None:
    world = World()
    world.push()
    version = complete(world)
    first = register(world, Submission(version))
    assert first.version.digest == version.digest
    with pytest.raises(AlreadyExistsError, match=r"registered as 1\.1\.0 \(v2\)"):
        register(world, Submission(version))
    world.push()
    again = register(world, Submission(version, if_changed=True))
    assert (again.created, again.version) == (False, first.version)
    copied = register(world, Submission(version), FRAUD)
    assert copied.version.digest == version.digest
    assert str(copied.version) == "1.0.0 (v1)"
    with pytest.raises(InvalidError, match="need"):
        register(world, Submission(version, detached={"author": "Ada"}))
    with pytest.raises(InvalidError, match="does not say what changed"):
        register(world, Submission(Version(world.files("x"), 1)))


# Branches


def test_a_branch_must_be_made_first_but_for_the_first_line() -> None:
    world = World()
    assert world.pushed(branch="gbdt").branch == "gbdt"
    with pytest.raises(NotFoundError, match="no branch 'gbtd'") as caught:
        world.push(branch="gbtd")
    assert "Did you mean gbdt?" in caught.value.hint
    assert world.pushed(branch="main").branch == "main"
    lines = world.do(lambda tx: world.registry.branches.every(tx, OWNER, CREDIT))
    assert [(line.branch.name, line.branch.head, line.branch.start) for line in lines] == [
        ("gbdt", 1, None),
        ("main", 2, None),
    ]


def test_the_first_line_may_not_take_the_name_of_an_alias() -> None:
    world = World()
    world.push(branch="gbdt")
    world.point("production", "v1")
    with pytest.raises(NotFoundError):
        world.push(branch="production")
    with pytest.raises(InvalidError):
        world.push(branch="v2")


def test_a_branch_shows_its_newest_usable_version() -> None:
    world = World()
    world.push()
    world.branch("gbdt", "v1")
    world.push(branch="gbdt")

    def tip() -> int | None:
        line = world.do(lambda tx: world.registry.branches.show(tx, OWNER, CREDIT, "gbdt"))
        return None if line.tip is None else line.tip.sequence

    assert tip() == 2
    world.withdraw("v2")
    assert tip() == 1
    world.withdraw("v1")
    assert tip() is None
    with pytest.raises(NotFoundError, match="is withdrawn"):
        world.resolve("risk/credit@gbdt")
    with pytest.raises(NotFoundError, match="no branch"):
        world.do(lambda tx: world.registry.branches.show(tx, OWNER, CREDIT, "none-such"))


def test_a_namespace_must_be_made_first() -> None:
    world = World()
    with pytest.raises(NotFoundError, match="no namespace 'new'"):
        world.push(ModelName("new", "model"))


# Withdrawal


def test_a_withdrawal_says_why_and_stays() -> None:
    world = World()
    world.push()
    with pytest.raises(InvalidError, match="needs a reason"):
        world.do(lambda tx: world.registry.versions.withdraw(tx, OWNER, CREDIT, select("v1"), reason=""))
    withdrawn = world.withdraw("v1")
    assert withdrawn.withdrawn == world.now
    assert show(world, "v1").reason == "it leaks"
    with pytest.raises(ConflictError, match="withdrawn already"):
        world.withdraw("v1")
    for selector in ("v1", "1.0.0", withdrawn.digest, withdrawn.digest[:20]):
        assert world.resolve(f"risk/credit@{selector}").withdrawn is not None


def test_a_version_that_an_alias_holds_is_not_withdrawn() -> None:
    world = World()
    world.push()
    world.point("production", "v1")
    world.point("champion", "v1")
    with pytest.raises(ConflictError, match="champion, production points at") as caught:
        world.withdraw("v1")
    assert "stemma alias back risk/credit champion" in caught.value.hint


def test_descendants_are_tainted_everywhere_and_go_on() -> None:
    world = World()
    root, second = world.pushed(), world.pushed()
    other = world.push(FRAUD, parents=(Parent(ParentKind.FINE_TUNED_FROM, second.digest),)).version
    world.push(FRAUD)
    world.do(lambda tx: world.registry.evidence.measure(tx, OWNER, FRAUD, None, [Measurement("auc", 0.5)]))
    world.point("production", "v1", FRAUD)
    world.withdraw("v1")
    assert [world.resolve(f"risk/credit@v{n}").tainted for n in (1, 2)] == [False, True]
    assert [world.resolve(f"risk/fraud@v{n}").tainted for n in (1, 2)] == [True, True]
    assert world.push(FRAUD, parents=(Parent(ParentKind.CONTINUES, other.digest),)).version.tainted
    assert not world.push(FRAUD, parents=(Parent(ParentKind.ADAPTER_OF, HUB),)).version.tainted
    assert [each.digest for each in show(world, "v2", FRAUD).taints] == [root.digest]
    assert show(world, "v1").taints == ()
    world.point("production", "v2", FRAUD)


# Reading


def test_versions_come_newest_first_in_pages() -> None:
    world = World()
    for _ in range(3):
        world.push()
    world.branch("gbdt", "v1")
    world.push(branch="gbdt")
    page = world.registry.versions.page
    first, more = world.do(lambda tx: page(tx, OWNER, CREDIT, limit=2))
    assert ([each.sequence for each in first], more) == ([4, 3], True)
    rest, more = world.do(lambda tx: page(tx, OWNER, CREDIT, before=3, limit=2))
    assert ([each.sequence for each in rest], more) == ([2, 1], False)
    only, more = world.do(lambda tx: page(tx, OWNER, CREDIT, branch="gbdt"))
    assert ([each.sequence for each in only], more) == ([4], False)
    with pytest.raises(NotFoundError, match="no branch"):
        world.do(lambda tx: page(tx, OWNER, CREDIT, branch="none-such"))
    with pytest.raises(InvalidError):
        world.do(lambda tx: page(tx, OWNER, CREDIT, limit=0))


def test_a_damaged_record_is_reported() -> None:
    world = World()
    version = world.pushed()
    with pytest.raises(CorruptError, match="is missing"):
        world.do(lambda tx: read_version(tx, digest_of("nothing")))
    change(world.connection, "UPDATE records SET data = ? WHERE digest = ?", b"{}", version.digest.raw)
    with pytest.raises(CorruptError, match="does not match") as caught:
        show(world, "v1")
    assert version.digest in caught.value.place


def test_digests_are_those_of_the_records() -> None:
    world = World()
    version = world.pushed()
    data = world.do(lambda tx: tx.records.read(version.digest))
    assert data is not None
    assert Digest.of(data) == version.digest


def test_lineage_holds_everything_that_a_version_came_from() -> None:
    world = World()
    run, pipeline, data = (digest_of(each) for each in ("run", "pipeline", "data"))
    uses = tuple(DatasetUse(role, data) for role in DatasetRole)
    version = Version(world.files("x"), 0, run=run, pipeline=pipeline, datasets=uses)
    registered = register(world, Submission(version, Message("x"))).version
    page = world.do(lambda tx: Lineage(Pager(b"k" * 32)).descendants(tx, data, Ask(), caller="u_1"))
    assert [(each.node, each.kind) for each in page.items] == [(registered.digest, EdgeKind.TRAINED_ON)]
    reached = {
        (each.node, each.kind)
        for each in world.do(
            lambda tx: Lineage(Pager(b"k" * 32)).ancestors(tx, registered.digest, Ask(), caller="u_1")
        ).items
    }
    assert {(run, EdgeKind.PRODUCED_BY), (pipeline, EdgeKind.FEATURES_FROM)} < reached


def test_taint_reaches_many_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemma.registry.projection._AT_ONCE", 2)
    world = World()
    for _ in range(6):
        world.push()
    world.withdraw("v1")
    versions, _ = world.do(lambda tx: world.registry.versions.page(tx, OWNER, CREDIT))
    assert [each.tainted for each in versions] == [True] * 5 + [False]
