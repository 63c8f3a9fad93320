"""Labels, titles, descriptions and evidence: what is said of models and versions afterwards."""

import math
from functools import partial

import pytest

from stemma.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, TooLargeError
from stemma.ledger import Draft, Thing, append
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Evidence, Measurement, Subject
from stemma.registry.annotations import MAX_LABELS, MAX_VALUE
from tests.registry.support import CREDIT, FRAUD, OWNER, World, digest_of, select

pytestmark = pytest.mark.usefixtures("each_database")

MODEL = Subject(CREDIT)
FIRST = Subject(CREDIT, select("v1"))


@pytest.fixture
def world() -> World:
    world = World()
    for _ in range(3):
        world.push()
    return world


def label(world: World, subject: Subject, key: str, value: str) -> bool:
    return world.do(lambda tx: world.registry.labels.set(tx, OWNER, subject, key, value))


def labels(world: World, subject: Subject) -> dict[str, str | None]:
    found = world.do(lambda tx: world.registry.labels.of(tx, OWNER, subject))
    return {each.key: each.value for each in found}


def test_labels_are_set_changed_and_deleted(world: World) -> None:
    assert label(world, FIRST, "owner", "Ada")
    assert not label(world, FIRST, "owner", "Ada")
    assert label(world, FIRST, "owner", "Grace")
    assert label(world, MODEL, "owner", "Team")
    assert labels(world, FIRST) == {"owner": "Grace"}
    assert labels(world, MODEL) == {"owner": "Team"}
    delete = partial(world.registry.labels.delete, caller=OWNER, subject=FIRST, key="owner")
    assert world.do(delete)
    assert not world.do(delete)
    assert labels(world, FIRST) == {}
    assert world.actions()[-4:] == ["label.set"] * 3 + ["label.delete"]
    assert not any(b"Grace" in entry.encode() for entry in world.entries())


@pytest.mark.parametrize("key", ["", " a", "a ", "a=b", "-a", "é", "a\n", "k" * 251, "../x\x00"])
def test_a_key_is_plain(world: World, key: str) -> None:
    with pytest.raises(InvalidError):
        label(world, FIRST, key, "x")
    with pytest.raises(InvalidError):
        world.do(lambda tx: world.registry.labels.delete(tx, OWNER, FIRST, key))
    with pytest.raises(InvalidError):
        world.do(lambda tx: world.registry.labels.models(tx, OWNER, "risk", key))
    with pytest.raises(InvalidError):
        world.do(lambda tx: world.registry.labels.versions(tx, OWNER, CREDIT, key))


def test_keys_of_other_tools_are_kept(world: World) -> None:
    for key in ("mlflow.user", "a b", "a/b:c", "_x", "0"):
        assert label(world, FIRST, key, "")
    assert set(labels(world, FIRST).values()) == {""}


def test_labels_are_bounded(world: World) -> None:
    with pytest.raises(TooLargeError):
        label(world, FIRST, "x", "y" * (MAX_VALUE + 1))
    with pytest.raises(InvalidError):
        label(world, FIRST, "x", "\x1b[0m")
    for n in range(MAX_LABELS):
        label(world, FIRST, f"k{n}", "x")
    with pytest.raises(InvalidError, match="200 labels"):
        label(world, FIRST, "one-more", "x")
    assert label(world, FIRST, "k0", "changed")


def test_versions_are_found_by_label(world: World) -> None:
    for selector, value in (("v1", "a"), ("v2", "b"), ("v3", "a")):
        label(world, Subject(CREDIT, select(selector)), "kind", value)
    find = partial(world.registry.labels.versions, caller=OWNER, model=CREDIT, key="kind")
    found, more = world.do(partial(find, limit=2))
    assert ([each.sequence for each in found], more) == ([3, 2], True)
    found, more = world.do(partial(find, value="a", before=3))
    assert ([each.sequence for each in found], more) == ([1], False)
    assert world.do(partial(find, value="%")) == ((), False)


def test_models_are_found_by_label(world: World) -> None:
    world.push(FRAUD)
    label(world, MODEL, "kind", "a")
    label(world, Subject(FRAUD), "kind", "b")
    label(world, FIRST, "kind", "c")
    find = partial(world.registry.labels.models, caller=OWNER, namespace="risk", key="kind")
    assert world.do(partial(find, limit=1)) == (("credit",), True)
    assert world.do(partial(find, after="credit")) == (("fraud",), False)
    assert world.do(partial(find, value="b")) == (("fraud",), False)
    assert world.do(partial(find, value="c")) == ((), False)


def test_a_redaction_empties_copies(world: World) -> None:
    label(world, FIRST, "owner", "Ada")
    world.do(lambda tx: world.registry.entitle(tx, OWNER, CREDIT, "Ada's model"))
    (kept,) = world.do(lambda tx: world.registry.labels.of(tx, OWNER, FIRST))
    title = world.do(lambda tx: world.registry.model(tx, OWNER, CREDIT)).title_text
    assert title is not None
    for text in (kept.text, title):
        draft = Draft("risk", OWNER.actor, "text.redact", Thing("text", text, Digest(text)))
        world.do(lambda tx, d=draft: world.registry.project(tx, append(tx, d)))  # type: ignore[misc]  # a loop's own value
    assert labels(world, FIRST) == {"owner": None}
    assert world.do(lambda tx: world.registry.model(tx, OWNER, CREDIT)).title is None
    assert world.do(lambda tx: world.registry.labels.versions(tx, OWNER, CREDIT, "owner", "Ada")) == ((), False)
    assert world.do(lambda tx: world.registry.entitle(tx, OWNER, CREDIT, None))


# Titles and descriptions


def test_titles_keep_their_spelling_and_are_unique_without_it(world: World) -> None:
    world.push(FRAUD)
    entitle = world.registry.entitle
    assert world.do(lambda tx: entitle(tx, OWNER, CREDIT, " Credit Risk "))
    assert not world.do(lambda tx: entitle(tx, OWNER, CREDIT, "Credit Risk"))
    with pytest.raises(AlreadyExistsError, match="is that of risk/credit"):
        world.do(lambda tx: entitle(tx, OWNER, FRAUD, "CREDIT  RISK"))
    assert world.do(lambda tx: entitle(tx, OWNER, CREDIT, "CREDIT RISK"))
    assert world.do(lambda tx: world.registry.titled(tx, OWNER, "risk", "credit risk")).name == CREDIT
    assert world.do(lambda tx: world.registry.model(tx, OWNER, CREDIT)).title == "CREDIT RISK"
    assert world.do(lambda tx: entitle(tx, OWNER, CREDIT, None))
    assert not world.do(lambda tx: entitle(tx, OWNER, CREDIT, None))
    assert world.do(lambda tx: entitle(tx, OWNER, FRAUD, "credit risk"))
    with pytest.raises(NotFoundError, match="has the title"):
        world.do(lambda tx: world.registry.titled(tx, OWNER, "risk", "none"))
    with pytest.raises(InvalidError):
        world.do(lambda tx: entitle(tx, OWNER, CREDIT, " "))


def test_a_description_is_a_text_of_its_own(world: World) -> None:
    describe = world.registry.describe
    world.do(lambda tx: describe(tx, OWNER, CREDIT, "Decides loans.\n"))
    model = world.do(lambda tx: world.registry.model(tx, OWNER, CREDIT))
    assert model.description is not None
    held = world.do(lambda tx: tx.texts.read(model.description or ""))
    assert held is not None
    assert held[1] == "Decides loans."
    world.do(lambda tx: describe(tx, OWNER, CREDIT, None))
    assert world.do(lambda tx: world.registry.model(tx, OWNER, CREDIT)).description is None


def test_models_and_namespaces_are_listed(world: World) -> None:
    registry = world.registry
    world.push(FRAUD)
    world.do(lambda tx: registry.create_namespace(tx, OWNER, "vision"))
    first, more = world.do(lambda tx: registry.models(tx, OWNER, "risk", limit=1))
    assert ([(model.name, model.last) for model in first], more) == ([(CREDIT, 3)], True)
    rest, more = world.do(lambda tx: registry.models(tx, OWNER, "risk", after="credit"))
    assert ([model.name for model in rest], more) == ([FRAUD], False)
    spaces, more = world.do(lambda tx: registry.namespaces(tx, OWNER, limit=1))
    assert ([space.name for space in spaces], more) == (["risk"], True)
    spaces, more = world.do(lambda tx: registry.namespaces(tx, OWNER, after="risk"))
    assert ([space.name for space in spaces], more) == (["vision"], False)
    with pytest.raises(AlreadyExistsError):
        world.do(lambda tx: registry.create_namespace(tx, OWNER, "risk"))
    with pytest.raises(InvalidError):
        world.do(lambda tx: registry.create_namespace(tx, OWNER, "_system"))
    with pytest.raises(NotFoundError):
        world.do(lambda tx: registry.models(tx, OWNER, "none"))


def test_a_model_can_be_made_before_its_versions(world: World) -> None:
    create = world.registry.create_model
    assert world.do(lambda tx: create(tx, OWNER, FRAUD)).last == 0
    with pytest.raises(AlreadyExistsError):
        world.do(lambda tx: create(tx, OWNER, FRAUD))
    with pytest.raises(NotFoundError, match="no namespace"):
        world.do(lambda tx: create(tx, OWNER, ModelName("none", "such")))
    assert str(world.pushed(FRAUD)) == "1.0.0 (v1)"
    assert world.actions().count("model.create") == 2


# Evidence


def test_measurements_are_shown_newest_first(world: World) -> None:
    log = world.registry.evidence
    data = digest_of("dataset")
    old = [Measurement("auc", 0.5, (0.4, 0.6)), Measurement("auc", math.inf, slice_name="women")]
    world.do(lambda tx: log.measure(tx, OWNER, CREDIT, select("v1"), old, dataset=data))
    world.do(lambda tx: log.measure(tx, OWNER, CREDIT, select("v1"), [Measurement("auc", math.nan)]))
    found = world.do(lambda tx: log.findings(tx, OWNER, CREDIT, select("v1")))
    assert [(each.measurement.slice_name, each.measurement.kind, each.dataset) for each in found.measured] == [
        ("", "nan", None),
        ("", "finite", data),
        ("women", "+inf", data),
    ]
    assert found.measured[1].measurement == old[0]
    assert found.measured[0].time > found.measured[1].time
    assert world.do(lambda tx: log.findings(tx, OWNER, CREDIT, select("v2"))).measured == ()
    assert world.actions()[-2:] == ["evidence.add"] * 2
    page, more = world.do(lambda tx: log.page(tx, OWNER, CREDIT, select("v1"), limit=1))
    assert (page[0].dataset, more) == (data, True)
    rest, more = world.do(lambda tx: log.page(tx, OWNER, CREDIT, select("v1"), after=page[0].position))
    assert (rest[0].kind, more) == ("metrics", False)


def test_evidence_is_about_the_version_it_names(world: World) -> None:
    log = world.registry.evidence
    version = world.resolve("risk/credit@v1")
    evidence = Evidence("metrics", version.digest, 1, (Measurement("auc", 1),))
    with pytest.raises(ConflictError, match="is about"):
        world.do(lambda tx: log.add(tx, OWNER, CREDIT, select("v2"), evidence))
    world.do(lambda tx: log.add(tx, OWNER, CREDIT, select("v1"), evidence))
    with pytest.raises(AlreadyExistsError):
        world.do(lambda tx: log.add(tx, OWNER, CREDIT, select("v1"), evidence))
    with pytest.raises(InvalidError):
        world.do(lambda tx: log.measure(tx, OWNER, CREDIT, select("v1"), []))
