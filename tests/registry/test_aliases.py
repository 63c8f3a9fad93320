"""Aliases: compare-and-swap, history, the way back, the gate."""

from functools import partial

import pytest

from stemma.access import Caller
from stemma.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, RefusedError
from stemma.registry import AliasMove, GateDecision, ProtectedNames, Registry, RegistryTransaction
from tests.registry.support import CREDIT, OWNER, SECOND, World, digest_of, select

pytestmark = pytest.mark.usefixtures("each_database")


def history(world: World, alias: str = "production") -> list[tuple[str, int | None, int | None]]:
    moves, more = world.do(lambda tx: world.registry.aliases.moves(tx, OWNER, CREDIT, alias))
    assert not more
    return [(move.kind, move.before, move.after) for move in reversed(moves)]


@pytest.fixture
def world() -> World:
    world = World()
    for _ in range(4):
        world.push()
    return world


def test_an_alias_holds_what_it_was_set_to(world: World) -> None:
    world.point("production", "v1")
    world.point("production", "1.1.0", reason="better")
    assert world.resolve("risk/credit@production").sequence == 2
    assert history(world) == [("set", None, 1), ("set", 1, 2)]
    entry = world.entries()[-1]
    one, two = world.resolve("risk/credit@v1"), world.resolve("risk/credit@v2")
    assert (entry.action, entry.before, entry.after) == ("alias.set", one.digest, two.digest)
    assert entry.reason is not None
    assert world.do(lambda tx: tx.texts.read(entry.reason or ""))[1] == "better"  # type: ignore[index]  # it is there


def test_setting_it_to_what_it_holds_enters_nothing(world: World) -> None:
    world.point("production", "v1")
    before = world.actions()
    moved = world.do(lambda tx: world.registry.aliases.set(tx, OWNER, CREDIT, "production", select("v1")))
    assert not moved.changed
    assert world.actions() == before


def test_a_move_is_a_compare_and_swap(world: World) -> None:
    aliases = world.registry.aliases
    one = world.resolve("risk/credit@v1").digest
    world.do(lambda tx: aliases.set(tx, OWNER, CREDIT, "production", select("v1"), expected=None))
    for expected in (None, digest_of("other")):
        for move in (
            partial(aliases.set, selector=select("v2")),
            partial(aliases.back, reason="worse"),
            aliases.delete,
        ):
            with pytest.raises(ConflictError, match=r"holds 1\.0\.0 \(v1\)"):
                world.do(partial(move, caller=OWNER, model=CREDIT, name="production", expected=expected))
    with pytest.raises(ConflictError, match="holds nothing"):
        world.do(lambda tx: aliases.set(tx, OWNER, CREDIT, "staging", select("v2"), expected=one))
    world.do(lambda tx: aliases.set(tx, OWNER, CREDIT, "production", select("v2"), expected=one))
    assert history(world) == [("set", None, 1), ("set", 1, 2)]


def test_back_goes_down_a_stack(world: World) -> None:
    for selector in ("v1", "v2", "v3"):
        world.point("production", selector)
    assert [world.back("production").sequence for _ in range(2)] == [2, 1]
    with pytest.raises(ConflictError, match="nothing to go back to"):
        world.back("production")
    world.point("production", "v4")
    assert world.back("production").sequence == 1
    assert history(world)[-4:] == [("back", 3, 2), ("back", 2, 1), ("set", 1, 4), ("back", 4, 1)]
    with pytest.raises(ConflictError):
        world.back("production")


def test_back_passes_over_what_was_withdrawn(world: World) -> None:
    for selector in ("v1", "v2", "v3", "v2", "v4"):
        world.point("production", selector)
    world.withdraw("v2")
    assert world.back("production").sequence == 3
    assert world.back("production").sequence == 1


def test_back_passes_over_what_it_holds_already(world: World) -> None:
    for selector in ("v1", "v2", "v1"):
        world.point("production", selector)
    world.withdraw("v2")
    with pytest.raises(ConflictError, match="nothing to go back to"):
        world.back("production")


def test_back_needs_an_alias_and_a_reason(world: World) -> None:
    with pytest.raises(NotFoundError, match="no alias"):
        world.back("production")
    world.point("production", "v1")
    world.point("production", "v2")
    with pytest.raises(InvalidError, match="needs a reason"):
        world.do(lambda tx: world.registry.aliases.back(tx, OWNER, CREDIT, "production", reason=" "))


def test_a_deleted_alias_leaves_its_history_but_no_way_back(world: World) -> None:
    world.point("production", "v1")
    world.point("production", "v2")
    moved = world.do(lambda tx: world.registry.aliases.delete(tx, OWNER, CREDIT, "production"))
    assert (moved.before and moved.before.sequence, moved.after) == (2, None)
    with pytest.raises(NotFoundError):
        world.resolve("risk/credit@production")
    with pytest.raises(NotFoundError):
        world.do(lambda tx: world.registry.aliases.delete(tx, OWNER, CREDIT, "production"))
    world.point("production", "v3")
    with pytest.raises(ConflictError):
        world.back("production")
    assert history(world) == [("set", None, 1), ("set", 1, 2), ("delete", 2, None), ("set", None, 3)]


def test_what_was_production_on_3_march(world: World) -> None:
    before = world.now
    world.point("production", "v1")
    first = world.now
    world.point("production", "v2")
    second = world.now
    world.do(lambda tx: world.registry.aliases.delete(tx, OWNER, CREDIT, "production"))
    gone = world.now
    for time, sequence in ((first, 1), (second - 1, 1), (second, 2), (gone - 1, 2)):
        assert world.resolve("risk/credit@production", at=time).sequence == sequence
        at = partial(world.registry.aliases.at, caller=OWNER, model=CREDIT, name="production", time=time)
        move = world.do(at)
        assert move is not None
        assert move.after == sequence
    for time in (before, gone, gone + SECOND):
        with pytest.raises(NotFoundError, match="held nothing at 20"):
            world.resolve("risk/credit@production", at=time)
    with pytest.raises(NotFoundError, match="no alias or branch"):
        world.resolve("risk/credit@staging", at=gone)
    for selector in ("v1", "latest", "^1", "1.0.0"):
        with pytest.raises(InvalidError, match="only aliases have a history"):
            world.resolve(f"risk/credit@{selector}", at=gone)
    with pytest.raises(InvalidError):
        world.resolve("risk/credit", at=gone)


def test_history_comes_in_pages(world: World) -> None:
    for selector in ("v1", "v2", "v3"):
        world.point("production", selector)
    aliases = world.registry.aliases
    first, more = world.do(lambda tx: aliases.moves(tx, OWNER, CREDIT, "production", limit=2))
    assert ([move.after for move in first], more) == ([3, 2], True)
    position = first[-1].position
    rest, more = world.do(lambda tx: aliases.moves(tx, OWNER, CREDIT, "production", before=position, limit=2))
    assert ([move.after for move in rest], more) == ([1], False)
    with pytest.raises(NotFoundError, match="never had"):
        world.do(lambda tx: aliases.moves(tx, OWNER, CREDIT, "staging"))


def test_aliases_and_branches_share_one_set_of_names(world: World) -> None:
    world.branch("gbdt", "v1")
    for name in ("gbdt", "main"):
        with pytest.raises(AlreadyExistsError, match="is a branch"):
            world.point(name, "v1")
    world.point("production", "v1")
    with pytest.raises(AlreadyExistsError, match="has an alias"):
        world.branch("production", "v1")
    with pytest.raises(AlreadyExistsError, match="has a branch"):
        world.branch("gbdt", "v1")
    with pytest.raises(AlreadyExistsError, match="has a branch"):
        world.branch("main", "v1")


@pytest.mark.parametrize("name", ["latest", "v1", "7", "1.0", "Production", "", "x", "git", "a b", "../a"])
def test_a_selector_is_no_name_for_an_alias(world: World, name: str) -> None:
    with pytest.raises(InvalidError):
        world.point(name, "v1")
    with pytest.raises(InvalidError):
        world.branch(name, "v1")


def test_a_withdrawn_version_gets_no_name(world: World) -> None:
    world.withdraw("v2")
    with pytest.raises(ConflictError, match="is withdrawn"):
        world.point("production", "v2")
    with pytest.raises(ConflictError, match="is withdrawn"):
        world.branch("gbdt", "v2")


# Protected names


def protect(world: World, name: str = "production") -> bool:
    return world.do(lambda tx: world.registry.aliases.protect(tx, OWNER, CREDIT, name))


def test_a_protected_name_moves_by_override_only_but_back(world: World) -> None:
    world.point("production", "v1")
    assert protect(world)
    assert not protect(world)
    with pytest.raises(RefusedError, match="protected") as caught:
        world.point("production", "v2")
    attempt = caught.value.attempt
    assert attempt is not None
    assert (attempt.namespace, attempt.action, attempt.thing) == ("risk", "alias.set", "risk/credit@production")
    assert attempt.actor == OWNER.id
    with pytest.raises(RefusedError):
        world.do(lambda tx: world.registry.aliases.delete(tx, OWNER, CREDIT, "production"))
    with pytest.raises(InvalidError, match="override needs a reason"):
        world.point("production", "v2", override=True)
    world.point("production", "v2", override=True, reason="fire")
    entry = world.entries()[-1]
    assert entry.facts["override"] is True
    assert entry.policy == {
        "effect": "allow",
        "policy": str(ProtectedNames.policy),
        "reasons": ["overridden"],
    }
    (move, *_), _ = world.do(lambda tx: world.registry.aliases.moves(tx, OWNER, CREDIT, "production"))
    assert move.override
    assert world.back("production").sequence == 1
    deleted = world.do(
        lambda tx: world.registry.aliases.delete(tx, OWNER, CREDIT, "production", reason="fire", override=True)
    )
    assert deleted.changed


def test_a_refused_move_changes_nothing(world: World) -> None:
    protect(world)
    before = world.actions()
    with pytest.raises(RefusedError):
        world.point("production", "v1")
    assert world.actions() == before
    with pytest.raises(NotFoundError):
        world.resolve("risk/credit@production")


def test_a_name_can_be_protected_before_it_is_taken(world: World) -> None:
    protect(world, "blessed")
    assert world.do(lambda tx: world.registry.aliases.protected(tx, OWNER, CREDIT)) == ("blessed",)
    with pytest.raises(RefusedError):
        world.point("blessed", "v1")
    with pytest.raises(AlreadyExistsError, match="kept for an alias"):
        world.branch("blessed", "v1")
    with pytest.raises(AlreadyExistsError, match="is a branch"):
        protect(world, "main")


def test_protection_is_taken_away_for_a_reason(world: World) -> None:
    protect(world)
    unprotect = world.registry.aliases.unprotect
    with pytest.raises(InvalidError, match="needs a reason"):
        world.do(lambda tx: unprotect(tx, OWNER, CREDIT, "production", reason=""))
    assert world.do(lambda tx: unprotect(tx, OWNER, CREDIT, "production", reason="no longer live"))
    assert not world.do(lambda tx: unprotect(tx, OWNER, CREDIT, "production", reason="no longer live"))
    world.point("production", "v1")
    assert world.actions()[-3:] == ["name.protect", "name.unprotect", "alias.set"]


def test_what_a_listing_shows(world: World) -> None:
    world.point("production", "v2")
    world.point("champion", "v1")
    protect(world)
    every = world.do(lambda tx: world.registry.aliases.every(tx, OWNER, CREDIT))
    assert [(each.alias.name, each.version.sequence, each.is_protected) for each in every] == [
        ("champion", 1, False),
        ("production", 2, True),
    ]
    shown = world.do(lambda tx: world.registry.aliases.show(tx, OWNER, CREDIT, "production"))
    assert shown == every[1]
    with pytest.raises(NotFoundError, match="no alias") as caught:
        world.do(lambda tx: world.registry.aliases.show(tx, OWNER, CREDIT, "staging"))
    assert "champion, production" in caught.value.hint


class Asked:
    """A gate that notes what it was asked, and says no."""

    def __init__(self) -> None:
        self.moves: list[AliasMove] = []

    def decide(self, tx: RegistryTransaction, caller: Caller, move: AliasMove) -> GateDecision:
        assert tx.registry.aliases.find(move.model, move.alias) is None or move.before is not None
        assert caller == OWNER
        self.moves.append(move)
        return GateDecision("refuse")


def test_the_gate_is_asked_about_every_kind_of_move(world: World) -> None:
    world.point("production", "v1")
    world.point("production", "v2")
    gate = Asked()
    world.registry = Registry(gate)
    with pytest.raises(RefusedError, match="gives no reason"):
        world.point("production", "v3", reason="good")
    with pytest.raises(RefusedError):
        world.back("production")
    with pytest.raises(RefusedError):
        world.do(lambda tx: world.registry.aliases.delete(tx, OWNER, CREDIT, "production"))
    assert [
        (move.kind, move.before and move.before.sequence, move.after and move.after.sequence) for move in gate.moves
    ] == [("set", 2, 3), ("back", 2, 1), ("delete", 2, None)]
    assert [move.reason for move in gate.moves] == ["good", "it is worse", None]
