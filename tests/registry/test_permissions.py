"""Every way into the registry asks whether the caller may, before it reads anything."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from stemma.access import Caller, Grant, Permission, Role
from stemma.access.role import permits
from stemma.backends.database.transaction import Transaction
from stemma.errors import ForbiddenError, NotFoundError
from stemma.names import Reference
from stemma.registry import Evidence, Measurement, Message, Parent, ParentKind, Registry, Subject, Submission, Version
from tests.registry.support import CREDIT, OWNER, World, caller, digest_of, select

pytestmark = pytest.mark.usefixtures("each_database")

ONE = digest_of("files 1")
Call = Callable[[Registry, Transaction, Caller], object]
CALLS: dict[str, tuple[Permission, Call]] = {
    "model": (Permission.READ, lambda r, tx, who: r.model(tx, who, CREDIT)),
    "models": (Permission.READ, lambda r, tx, who: r.models(tx, who, "risk")),
    "create_model": (Permission.REGISTER, lambda r, tx, who: r.create_model(tx, who, type(CREDIT)("risk", "new"))),
    "entitle": (Permission.DESCRIBE, lambda r, tx, who: r.entitle(tx, who, CREDIT, "Title")),
    "titled": (Permission.READ, lambda r, tx, who: r.titled(tx, who, "risk", "Titled")),
    "describe": (Permission.DESCRIBE, lambda r, tx, who: r.describe(tx, who, CREDIT, "text")),
    "resolve": (Permission.READ, lambda r, tx, who: r.resolve(tx, who, Reference.parse("risk/credit@v1"))),
    "versions.register": (
        Permission.REGISTER,
        lambda r, tx, who: r.versions.register(tx, who, CREDIT, Submission(Version(ONE, 0), Message("x"))),
    ),
    "versions.release": (Permission.REGISTER, lambda r, tx, who: r.versions.release(tx, who, CREDIT, select("v2"))),
    "versions.withdraw": (
        Permission.WITHDRAW,
        lambda r, tx, who: r.versions.withdraw(tx, who, CREDIT, select("v1"), reason="x"),
    ),
    "versions.show": (Permission.READ, lambda r, tx, who: r.versions.show(tx, who, CREDIT, None)),
    "versions.subjects": (
        Permission.READ,
        lambda r, tx, who: r.versions.subjects(tx, who, tx.registry.versions.page(CREDIT, 9, 9)),
    ),
    "extent": (Permission.READ, lambda r, tx, who: r.extent(tx, who, CREDIT.namespace)),
    "versions.page": (Permission.READ, lambda r, tx, who: r.versions.page(tx, who, CREDIT)),
    "aliases.set": (Permission.POINT, lambda r, tx, who: r.aliases.set(tx, who, CREDIT, "production", select("v1"))),
    "aliases.back": (
        Permission.POINT,
        lambda r, tx, who: r.aliases.back(tx, who, CREDIT, "production", reason="x"),
    ),
    "aliases.delete": (Permission.POINT, lambda r, tx, who: r.aliases.delete(tx, who, CREDIT, "production")),
    "aliases.show": (Permission.READ, lambda r, tx, who: r.aliases.show(tx, who, CREDIT, "production")),
    "aliases.every": (Permission.READ, lambda r, tx, who: r.aliases.every(tx, who, CREDIT)),
    "aliases.moves": (Permission.READ, lambda r, tx, who: r.aliases.moves(tx, who, CREDIT, "production")),
    "aliases.at": (Permission.READ, lambda r, tx, who: r.aliases.at(tx, who, CREDIT, "production", 1)),
    "aliases.protect": (Permission.PROTECT, lambda r, tx, who: r.aliases.protect(tx, who, CREDIT, "production")),
    "aliases.unprotect": (
        Permission.PROTECT,
        lambda r, tx, who: r.aliases.unprotect(tx, who, CREDIT, "production", reason="x"),
    ),
    "aliases.protected": (Permission.READ, lambda r, tx, who: r.aliases.protected(tx, who, CREDIT)),
    "branches.create": (Permission.REGISTER, lambda r, tx, who: r.branches.create(tx, who, CREDIT, "gbdt", None)),
    "branches.show": (Permission.READ, lambda r, tx, who: r.branches.show(tx, who, CREDIT, "main")),
    "branches.every": (Permission.READ, lambda r, tx, who: r.branches.every(tx, who, CREDIT)),
    "labels.set": (Permission.DESCRIBE, lambda r, tx, who: r.labels.set(tx, who, Subject(CREDIT), "k", "v")),
    "labels.delete": (Permission.DESCRIBE, lambda r, tx, who: r.labels.delete(tx, who, Subject(CREDIT), "k")),
    "labels.of": (Permission.READ, lambda r, tx, who: r.labels.of(tx, who, Subject(CREDIT))),
    "labels.models": (Permission.READ, lambda r, tx, who: r.labels.models(tx, who, "risk", "k")),
    "labels.versions": (Permission.READ, lambda r, tx, who: r.labels.versions(tx, who, CREDIT, "k")),
    "evidence.add": (
        Permission.DESCRIBE,
        lambda r, tx, who: r.evidence.add(
            tx,
            who,
            CREDIT,
            select("v1"),
            Evidence("metrics", tx.registry.versions.page(CREDIT, 2, 1)[0].digest, 1, (Measurement("m", 1),)),
        ),
    ),
    "evidence.measure": (
        Permission.DESCRIBE,
        lambda r, tx, who: r.evidence.measure(tx, who, CREDIT, None, [Measurement("m", 1)]),
    ),
    "evidence.page": (Permission.READ, lambda r, tx, who: r.evidence.page(tx, who, CREDIT, None)),
    "evidence.findings": (Permission.READ, lambda r, tx, who: r.evidence.findings(tx, who, CREDIT, None)),
}
ASKED_ELSEWHERE = {"create_namespace", "namespaces", "project", "versions.find"}


@pytest.fixture
def world() -> World:
    world = World()
    world.push()
    world.push(chosen="2.0.0-rc.1")
    world.point("production", "v1")
    world.point("production", "v2")
    world.do(lambda tx: world.registry.entitle(tx, OWNER, CREDIT, "Titled"))
    return world


def fronts() -> dict[str, Any]:
    registry = World().registry
    nouns = {name: value for name, value in vars(registry).items() if not name.startswith("_")}
    return {"": registry} | nouns


def test_every_public_method_is_listed_here() -> None:
    found = set()
    for noun, front in fronts().items():
        for name, _ in inspect.getmembers(front, inspect.ismethod):
            if not name.startswith("_"):
                found.add(f"{noun}.{name}" if noun else name)
    assert found - ASKED_ELSEWHERE == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("role", Role)
def test_a_role_opens_what_it_permits_and_nothing_else(world: World, name: str, role: Role) -> None:
    permission, call = CALLS[name]
    if name == "versions.withdraw":
        world.point("production", "v2", reason="out of the way")
    if permits(frozenset({role}), permission):
        world.do(lambda tx: call(world.registry, tx, caller(role)))
        return
    before = world.actions()
    with pytest.raises(ForbiddenError) as caught:
        world.do(lambda tx: call(world.registry, tx, caller(role)))
    assert caught.value.attempt is not None
    assert world.actions() == before


@pytest.mark.parametrize("name", CALLS)
def test_a_stranger_learns_nothing(world: World, name: str) -> None:
    _, call = CALLS[name]
    with pytest.raises(NotFoundError, match="there is no namespace 'risk'"):
        world.do(lambda tx: call(world.registry, tx, caller()))


def test_a_namespace_asks_for_more() -> None:
    world = World()
    create = world.registry.create_namespace
    with pytest.raises(ForbiddenError):
        world.do(lambda tx: create(tx, caller(Role.CONTRIBUTOR), "new"))
    world.do(lambda tx: create(tx, caller(Role.ADMIN), "new"))
    assert world.do(lambda tx: world.registry.namespaces(tx, caller())) == ((), False)


def test_an_override_asks_for_more(world: World) -> None:
    world.do(lambda tx: world.registry.aliases.protect(tx, OWNER, CREDIT, "production"))
    deployer = caller(Role.DEPLOYER)
    world.do(
        lambda tx: world.registry.aliases.set(
            tx, deployer, CREDIT, "production", select("v1"), override=True, reason="fire"
        )
    )
    assert permits(frozenset({Role.DEPLOYER}), Permission.OVERRIDE)


def test_a_parent_that_one_may_not_read_is_not_there(world: World) -> None:
    registry = world.registry
    world.do(lambda tx: registry.create_namespace(tx, OWNER, "secret"))
    hidden = world.push(type(CREDIT)("secret", "model")).version
    version = Version(world.files("child"), 0, parents=(Parent(ParentKind.CONTINUES, hidden.digest),))
    submission = Submission(version, Message("x"))
    granted = caller()
    world.do(lambda tx: tx.access.roles.grant(Grant(granted.id, "risk", Role.CONTRIBUTOR)))
    with pytest.raises(NotFoundError, match="given as a parent"):
        world.do(lambda tx: registry.versions.register(tx, granted, CREDIT, submission))
    world.do(lambda tx: registry.versions.register(tx, OWNER, CREDIT, submission))
    world.withdraw("v1", type(CREDIT)("secret", "model"))
    seen = world.do(lambda tx: registry.versions.show(tx, granted, CREDIT, select("v3")))
    assert seen.registration.tainted
    assert seen.taints == ()
    assert len(world.do(lambda tx: registry.versions.show(tx, OWNER, CREDIT, select("v3"))).taints) == 1
    find = registry.versions.find
    assert world.do(lambda tx: find(tx, granted, hidden.digest)) == ()
    assert [each.model.namespace for each in world.do(lambda tx: find(tx, OWNER, hidden.digest))] == ["secret"]
    assert world.do(lambda tx: find(tx, granted, seen.registration.digest)) == (seen.registration,)
