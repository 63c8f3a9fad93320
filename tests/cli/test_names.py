"""Commands about aliases and branches, on real repositories."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stemma.cli.answers import Held, Moves, Pointers, Protection
from stemma.operations.views import MoveView, PointerView
from tests.cli.running import stemma

pytestmark = pytest.mark.usefixtures("model")


def test_an_alias_moves_and_goes_back() -> None:
    first = stemma("alias", "set", "bank/loans", "production", "1.0.0", "-m", "First", "--json").read(MoveView)
    assert (first.before, first.after, first.reason, first.changed) == (None, "bank/loans@1.0.0", "First", True)
    ran = stemma("alias", "set", "bank/loans", "production", "^1.1")
    assert (ran.code, ran.out) == (0, "production 1.0.0 → 1.1.0\n")
    back = stemma("alias", "back", "bank/loans", "production", "-m", "Declines too many")
    assert (back.code, back.out) == (0, "production 1.1.0 → 1.0.0\n")
    moves = stemma("alias", "log", "bank/loans", "production", "--json").read(Moves)
    assert [(m.before, m.after, m.reason) for m in moves.moves] == [
        ("bank/loans@1.1.0", "bank/loans@1.0.0", "Declines too many"),
        ("bank/loans@1.0.0", "bank/loans@1.1.0", None),
        (None, "bank/loans@1.0.0", "First"),
    ]
    assert "Declines too many" in stemma("alias", "log", "bank/loans", "production").out
    assert stemma("alias", "log", "bank/loans", "production", "-n", "1", "--json").read(Moves).truncated


def test_a_move_to_where_it_is_changes_nothing() -> None:
    stemma("alias", "set", "bank/loans", "production", "1.0.0")
    ran = stemma("alias", "set", "bank/loans", "production", "1.0.0")
    assert ran.code == 0
    assert "nothing was changed" in ran.err


def test_who_was_production_at_a_time_is_answered() -> None:
    before = datetime.now(UTC)
    stemma("alias", "set", "bank/loans", "production", "1.0.0")
    between = datetime.now(UTC)
    stemma("alias", "set", "bank/loans", "production", "1.1.0", "-m", "Better")
    at = stemma("alias", "at", "bank/loans", "production", between.isoformat(), "--json").read(Held)
    assert (at.reference, at.move.after) == ("bank/loans@1.0.0", "bank/loans@1.0.0")
    today = stemma("alias", "at", "bank/loans", "production", f"{between:%Y-%m-%d}")
    assert (today.code, today.out) == (0, "bank/loans@1.1.0\n")
    assert f"at the end of {between:%Y-%m-%d}, UTC" in today.err
    assert "Better" in today.err
    for time in (before.isoformat(), f"{before - timedelta(days=1):%Y-%m-%d}"):
        assert stemma("alias", "at", "bank/loans", "production", time).code == 3
    assert stemma("alias", "at", "bank/loans", "production", "last week").code == 2


def test_an_alias_is_moved_only_from_where_it_is_expected() -> None:
    stemma("alias", "set", "bank/loans", "production", "1.0.0", "--expected", "none")
    taken = stemma("alias", "set", "bank/loans", "production", "1.1.0", "--expected", "none")
    assert (taken.code, taken.out) == (5, "")
    [pointer] = stemma("alias", "list", "bank/loans", "--json").read(Pointers).pointers
    assert pointer.digest is not None
    assert stemma("alias", "set", "bank/loans", "production", "1.1.0", "--expected", pointer.digest).code == 0


def test_a_protected_alias_is_refused_unless_overridden() -> None:
    stemma("alias", "set", "bank/loans", "production", "1.0.0")
    protected = stemma("alias", "protect", "bank/loans", "production", "-m", "Customers", "--json").read(Protection)
    assert protected.protected
    refused = stemma("alias", "set", "bank/loans", "production", "1.1.0", "-m", "x")
    assert (refused.code, refused.out) == (6, "")
    assert stemma("alias", "delete", "bank/loans", "production", "-m", "x").code == 6
    moved = stemma("alias", "set", "bank/loans", "production", "1.1.0", "-m", "Outage", "--override", "--json").read(
        MoveView
    )
    assert moved.override
    assert "protected" in stemma("alias", "list", "bank/loans").out
    assert not stemma("alias", "unprotect", "bank/loans", "production", "-m", "x", "--json").read(Protection).protected


def test_a_deleted_alias_keeps_its_history() -> None:
    stemma("alias", "set", "bank/loans", "staging", "1.0.0")
    assert stemma("alias", "delete", "bank/loans", "staging").out == "staging 1.0.0 → nothing\n"
    assert stemma("alias", "list", "bank/loans", "--json").read(Pointers).pointers == ()
    assert len(stemma("alias", "log", "bank/loans", "staging", "--json").read(Moves).moves) == 2
    assert "staging" in stemma("log", "bank/loans").out


def test_branches_begin_where_they_are_told_and_are_listed() -> None:
    made = stemma("branch", "create", "bank/loans", "gbdt", "1.0.0", "--json").read(PointerView)
    assert (made.name, made.reference) == ("gbdt", "bank/loans@1.0.0")
    listed = stemma("branch", "list", "bank/loans", "--json").read(Pointers).pointers
    assert {(p.name, p.reference) for p in listed} == {("main", "bank/loans@1.1.0"), ("gbdt", "bank/loans@1.0.0")}
    assert "gbdt" in stemma("branch", "list", "bank/loans").out
    assert stemma("branch", "create", "bank/loans", "gbdt", "1.0.0").code == 5


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["set", "bank/loans", "latest", "1.0.0"], 2),
        (["set", "bank/loans", "v2", "1.0.0"], 2),
        (["set", "bank/loans", "main", "1.0.0"], 5),
        (["set", "bank/loans", "production", "3.0.0"], 3),
        (["set", "bank/none", "production", "1.0.0"], 3),
        (["back", "bank/loans", "production", "-m", "x"], 3),
        (["back", "bank/loans", "production"], 2),
        (["log", "bank/loans", "nobody"], 3),
        (["delete", "bank/loans", "nobody"], 3),
        (["protect", "bank/loans", "Nobody"], 2),
    ],
)
def test_mistakes_have_their_codes(line: list[str], code: int) -> None:
    ran = stemma("alias", *line)
    assert (ran.code, ran.out) == (code, "")


def test_the_shell_completes_models_references_and_aliases(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    stemma("alias", "set", "bank/loans", "production", "1.0.0")
    for line, wanted in {
        "stemma pu": {"push", "pull"},
        "stemma show ba": {"bank/loans"},
        "stemma show bank/loans@p": {"bank/loans@production"},
        "stemma pull bank/loans@1.": {"bank/loans@1.0.0", "bank/loans@1.1.0"},
        "stemma alias back bank/loans p": {"production"},
        "stemma config get lock": {"lock.timeout"},
    }.items():
        assert completions(line, monkeypatch) == wanted, line
    monkeypatch.chdir(folder.parent)
    monkeypatch.delenv("STEMMA_REPO", raising=False)
    assert completions("stemma show ba", monkeypatch) == set()


def completions(line: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    with monkeypatch.context() as patch:
        patch.setenv("_STEMMA_COMPLETE", "bash_complete")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", str(len(line.split()) - 1))
        ran = stemma()
    assert (ran.code, ran.err) == (0, "")
    return {word.partition(",")[2] for word in ran.out.split()}
