"""`stemma alias`: names that people move."""

import click

from stemma import cli
from stemma.cli.answers import Held, Moves, Pointers, Protection
from stemma.cli.grouping import family
from stemma.cli.opening import first, open_repository, suggest_aliases
from stemma.cli.options import is_day, limit_option, model_argument, moment_given
from stemma.cli.session import Session, pass_session
from stemma.cli.text import moment, safe
from stemma.names import ModelName
from stemma.operations.views import MoveView

alias_argument = click.argument("name", metavar="ALIAS", shell_complete=suggest_aliases)


@family(
    "alias",
    "stemma alias set bank/loans production 1.4.0",
    "stemma alias back bank/loans production -m 'Declines too many'",
    "stemma alias at bank/loans production 2026-03-03",
)
def alias() -> None:
    """Point names such as `production` at versions, and back.

    Every move is kept, with who made it, when and why.
    """


@alias.command(
    "set",
    examples=(
        "stemma alias set bank/loans production 1.4.0",
        "stemma alias set bank/loans production 1.4.0 --expected none -m 'First release'",
        "stemma alias set bank/loans staging main",
    ),
    prints=MoveView,
)
@model_argument
@alias_argument
@click.argument("selector", metavar="SELECTOR")
@click.option("-m", "--reason", help="Why it moves; a protected name asks for it.")
@click.option("--expected", metavar="DIGEST|none", help="Move it only if it points there now.")
@click.option("--override", is_flag=True, help="Move a protected name against its gate; this is recorded.")
@pass_session
def set_alias(  # one for each option
    session: Session,
    model: str,
    name: str,
    selector: str,
    *,
    reason: str | None,
    expected: str | None,
    override: bool,
) -> None:
    """Point an alias at a version.

    SELECTOR is a number (1.4.0), a range (^1.2), a sequence number (v7), an alias, a branch or a digest.
    """
    with open_repository(session) as repository:
        moved = repository.aliases.set(model, name, selector, reason=reason, expected=expected, override=override)
    _tell_move(session, moved)


@alias.command("back", examples=("stemma alias back bank/loans production -m 'Declines too many'",), prints=MoveView)
@model_argument
@alias_argument
@click.option("-m", "--reason", required=True, help="Why it goes back.")
@pass_session
def back(session: Session, model: str, name: str, *, reason: str) -> None:
    """Return an alias to the version that it held before."""
    with open_repository(session) as repository:
        moved = repository.aliases.back(model, name, reason=reason)
    _tell_move(session, moved)


def _tell_move(session: Session, move: MoveView) -> None:
    session.answer(move, lambda: cli.drawing.tables.move(move))
    if not move.changed:
        session.note("It pointed there already; nothing was changed.")


@alias.command("log", examples=("stemma alias log bank/loans production",), prints=Moves)
@model_argument
@alias_argument
@limit_option(100)
@pass_session
def log(session: Session, model: str, name: str, *, limit: int) -> None:
    """Show the moves of an alias, newest first."""
    with open_repository(session) as repository:
        moves, truncated = first(repository.aliases.history(model, name), limit)
    session.answer(
        Moves(model=str(ModelName.parse(model)), alias=name, moves=moves, truncated=truncated),
        lambda: cli.drawing.tables.moves(moves),
    )
    if truncated:
        session.note(f"These are the last {limit:,}: there are more, see --limit.")


@alias.command(
    "at",
    examples=(
        "stemma alias at bank/loans production 2026-03-03",
        "stemma alias at bank/loans production 2026-03-03T14:00:00+01:00",
    ),
    prints=Held,
)
@model_argument
@alias_argument
@click.argument("time", metavar="TIME")
@pass_session
def at(session: Session, model: str, name: str, time: str) -> None:
    """Say which version an alias held at a time.

    TIME is RFC 3339 with its zone. A date without a time means the end of that day in UTC.
    """
    when = moment_given(time, end_of_day=True)
    with open_repository(session) as repository:
        move = repository.aliases.at(model, name, when)
    if session.json:
        session.emit(Held(model=str(ModelName.parse(model)), alias=name, at=when, reference=move.after, move=move))
        return
    session.line(safe(move.after) if move.after else "nothing", bold=True)
    if is_day(time):
        session.note(f"  at the end of {safe(time)}, UTC")
    why = f": {safe(move.reason)}" if move.reason else ""
    session.note(f"  since {moment(move.time)} UTC, by {safe(move.actor)}{why}")


@alias.command("list", examples=("stemma alias list bank/loans",), prints=Pointers)
@model_argument
@pass_session
def list_aliases(session: Session, model: str) -> None:
    """List the aliases of a model and where they point."""
    with open_repository(session) as repository:
        found = tuple(repository.aliases.all(model))
    session.answer(
        Pointers(model=str(ModelName.parse(model)), pointers=found), lambda: cli.drawing.tables.pointers(found)
    )


@alias.command("delete", examples=("stemma alias delete bank/loans staging -m 'Not used any more'",), prints=MoveView)
@model_argument
@alias_argument
@click.option("-m", "--reason", help="Why it is removed; a protected name asks for it.")
@click.option("--override", is_flag=True, help="Remove a protected name against its gate; this is recorded.")
@pass_session
def delete(session: Session, model: str, name: str, *, reason: str | None, override: bool) -> None:
    """Remove an alias. Its history stays."""
    with open_repository(session) as repository:
        moved = repository.aliases.delete(model, name, reason=reason, override=override)
    _tell_move(session, moved)


@alias.command(
    "protect", examples=("stemma alias protect bank/loans production -m 'Customers depend on it'",), prints=Protection
)
@model_argument
@alias_argument
@click.option("-m", "--reason", help="Why it is protected.")
@pass_session
def protect(session: Session, model: str, name: str, *, reason: str | None) -> None:
    """Put an alias under the gate. Moving it then asks for what the gate asks for."""
    _protect(session, model, name, reason, protected=True)


@alias.command("unprotect", examples=("stemma alias unprotect bank/loans production -m 'Retired'",), prints=Protection)
@model_argument
@alias_argument
@click.option("-m", "--reason", help="Why it is not protected any more.")
@pass_session
def unprotect(session: Session, model: str, name: str, *, reason: str | None) -> None:
    """Take an alias out of the gate."""
    _protect(session, model, name, reason, protected=False)


def _protect(session: Session, model: str, name: str, reason: str | None, *, protected: bool) -> None:
    with open_repository(session) as repository:
        changed = repository.aliases.protect(model, name, protected=protected, reason=reason)
    if session.json:
        session.emit(Protection(model=str(ModelName.parse(model)), alias=name, protected=protected, changed=changed))
        return
    session.note(f"  {safe(name)} is {'' if protected else 'not '}protected{' now' if changed else ' already'}")
