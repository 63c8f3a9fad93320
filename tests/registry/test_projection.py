"""From entries to rows: the same whatever the order of the logs, and nothing from what is malformed."""

from itertools import permutations

import pytest

from stemma.backends.database.schema import TableClass, tables_of
from stemma.backends.database.transaction import Transaction
from stemma.errors import AlreadyExistsError, ConflictError, CorruptError, InvalidError, NotFoundError
from stemma.ledger import Draft, Entry, Fact, Thing
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Alias, Measurement, Numbering, Parent, ParentKind, Registration, Subject
from stemma.registry.projection import ACTIONS, project
from stemma.registry.resolve import registered
from tests.databases import change, new_connection
from tests.registry.support import CREDIT, NOW, OWNER, World, digest_of, select

pytestmark = pytest.mark.usefixtures("each_database")

OTHER = ModelName("vision", "faces")
DEEP = ModelName("deep", "model")
REGISTRY = frozenset(
    "namespaces models versions taints numbers branches aliases protections moves labels evidence measurements".split()
)


def lived_in() -> World:
    """Return a world in which everything has happened, across three namespaces."""
    world = World()
    for name in ("vision", "deep"):
        world.do(lambda tx, n=name: world.registry.create_namespace(tx, OWNER, n))  # type: ignore[misc]  # a loop's own value
    first = world.pushed()
    child = world.push(OTHER, parents=(Parent(ParentKind.FINE_TUNED_FROM, first.digest),)).version
    world.push(DEEP, parents=(Parent(ParentKind.DISTILLED_FROM, child.digest),))
    world.push(DEEP)
    world.push(numbering=Numbering(pending=True))
    world.branch("gbdt", "v2")
    world.push(branch="gbdt")
    world.point("production", "v2", reason="new")
    world.point("production", "v3")
    world.back("production")
    world.point("champion", "v3")
    registry = world.registry
    world.do(lambda tx: registry.aliases.delete(tx, OWNER, CREDIT, "champion"))
    world.do(lambda tx: registry.aliases.protect(tx, OWNER, CREDIT, "production"))
    world.do(lambda tx: registry.aliases.protect(tx, OWNER, CREDIT, "staging"))
    world.do(lambda tx: registry.aliases.unprotect(tx, OWNER, CREDIT, "staging", reason="x"))
    world.do(lambda tx: registry.labels.set(tx, OWNER, Subject(CREDIT), "owner", "Ada"))
    world.do(lambda tx: registry.labels.set(tx, OWNER, Subject(CREDIT, select("v1")), "kind", "a"))
    world.do(lambda tx: registry.labels.delete(tx, OWNER, Subject(CREDIT, select("v1")), "kind"))
    world.do(lambda tx: registry.entitle(tx, OWNER, OTHER, "Faces"))
    world.do(lambda tx: registry.describe(tx, OWNER, OTHER, "Sees faces."))
    world.do(lambda tx: registry.evidence.measure(tx, OWNER, OTHER, None, [Measurement("auc", 0.5, (0, 1), "all")]))
    world.do(lambda tx: registry.versions.release(tx, OWNER, CREDIT, select("v3")))
    world.withdraw("v1")
    return world


def contents(world: World) -> dict[str, list[tuple[object, ...]]]:
    tables = [table.name for table in tables_of(TableClass.PROJECTED) if table.name in REGISTRY]
    assert set(tables) == REGISTRY
    return {name: sorted(world.connection.script(f"SELECT * FROM {name}"), key=repr) for name in tables}  # noqa: S608  # declared tables


def test_any_order_of_the_logs_gives_the_same_rows() -> None:
    world = lived_in()
    expected = contents(world)
    assert all(expected.values()), "every table has something to compare"
    assert {each.tainted for each in world.do(lambda tx: tx.registry.versions.page(DEEP, 9, 9))} == {True}
    logs = {name: world.entries(name) for name in ("risk", "vision", "deep", "_system")}
    assert {each.action for log in logs.values() for each in log} == ACTIONS - {"text.redact", "version.import"}
    for order in permutations(logs):
        again = World.__new__(World)
        again.connection = new_connection()
        for name in ("records", "texts"):
            rows = world.connection.script(f"SELECT * FROM {name}")  # noqa: S608  # declared tables
            marks = ",".join("?" * len(rows[0]))
            for row in rows:
                change(again.connection, f"INSERT INTO {name} VALUES ({marks})", *row)  # noqa: S608  # as above
        for name in order:
            for entry in logs[name]:
                project(Transaction(again.connection, entry.time), entry)
        assert contents(again) == expected, order


def entry(action: str, *, after: Digest | None = None, before: Digest | None = None, **facts: Fact) -> Entry:
    draft = Draft(
        "risk", OWNER.actor, action, Thing("x", "x"), before=before, after=after, facts={"model": "credit", **facts}
    )
    return Entry.at(draft, sequence=99, time=NOW, skewed=False)


ONE = digest_of("one")


@pytest.mark.parametrize(
    "malformed",
    [
        entry("version.register", sequence=2, branch="main"),
        entry("version.register", after=ONE, sequence=2, branch="main"),
        entry("version.register", after=ONE, sequence=True, branch="main"),
        entry("version.register", after=ONE, sequence="2", branch="main"),
        entry("version.register", after=ONE, sequence=2, branch=1),
        entry("version.withdraw", sequence=1),
        entry("evidence.add", after=ONE, sequence=1),
        entry("alias.back", after=ONE, alias="production", sequence=1, position=77),
        entry("alias.delete", alias="production"),
    ],
)
def test_a_malformed_entry_is_corrupt_and_says_which(malformed: Entry) -> None:
    world = World()
    world.push()
    with pytest.raises(CorruptError) as caught:
        world.do(lambda tx: project(tx, malformed))
    assert "99 of risk" in str(caught.value)


@pytest.mark.parametrize(
    ("impossible", "kind"),
    [
        (entry("version.number", sequence=1, number="1.0"), InvalidError),
        (entry("version.number", sequence=1, number="9.0.0"), AlreadyExistsError),
        (entry("version.number", sequence=9, number="9.0.0"), ConflictError),
        (entry("version.number", sequence=2, number="1.0.0"), AlreadyExistsError),
        (entry("alias.set", alias="production", sequence=1, after=ONE, before=ONE), ConflictError),
        (entry("alias.delete", alias="production", before=ONE), ConflictError),
        (entry("model.create"), AlreadyExistsError),
        (entry("branch.create", branch="main", sequence=1), AlreadyExistsError),
    ],
)
def test_an_impossible_entry_changes_nothing(impossible: Entry, kind: type[Exception]) -> None:
    world = World()
    world.push()
    world.push(numbering=Numbering(pending=True))
    world.point("production", "v1")
    before = contents(world)
    with pytest.raises(kind):
        world.do(lambda tx: project(tx, impossible))
    assert contents(world) == before


def test_refusals_and_other_subjects_change_nothing() -> None:
    world = World()
    world.push()
    before = contents(world)
    draft = Draft(
        "risk",
        OWNER.actor,
        "alias.set",
        Thing("x", "x"),
        outcome="refused",
        after=ONE,
        facts={"model": "credit", "alias": "production", "sequence": 1},
    )
    world.do(lambda tx: project(tx, Entry.at(draft, sequence=99, time=NOW, skewed=False)))
    world.do(lambda tx: project(tx, entry("role.grant")))
    world.do(lambda tx: project(tx, entry("text.redact")))
    assert contents(world) == before


def test_the_stores_refuse_what_would_lose_an_update() -> None:
    world = World()
    version = world.pushed()
    world.point("production", "v1")
    put = Alias(CREDIT, "production", 1, version.digest, 1)
    for before in (None, ONE):
        with pytest.raises(ConflictError, match="somebody else moved"):
            world.do(lambda tx, b=before: tx.registry.aliases.put(put, b))  # type: ignore[misc]  # a loop's own value
    assert not world.do(lambda tx: tx.registry.branches.advance(CREDIT, "none", 8))
    skipping = Registration(CREDIT, 3, ONE, ONE, "main", NOW, "u_1", 1)
    with pytest.raises(ConflictError, match="does not follow"):
        world.do(lambda tx: tx.registry.versions.add(skipping))
    with pytest.raises(NotFoundError, match="no version v9"):
        world.do(lambda tx: registered(tx, CREDIT, 9))
    assert world.do(lambda tx: tx.registry.numbers.highest(CREDIT, "none")) is None


def test_what_names_a_version() -> None:
    world = World()
    assert world.pushed().reference == "risk/credit@1.0.0"
    assert world.push(numbering=Numbering(pending=True)).version.reference == "risk/credit@v2"
