"""`stemma log`."""

from collections.abc import Iterable, Iterator
from heapq import merge

from stemma import cli
from stemma.cli.answers import History, HistoryEvent
from stemma.cli.grouping import command
from stemma.cli.opening import first, open_repository
from stemma.cli.options import limit_option, model_argument
from stemma.cli.session import Session, pass_session
from stemma.client.repository import Repository
from stemma.names import ModelName
from stemma.operations.views import MoveView, VersionView


@command("log", "stemma log bank/loans", "stemma log bank/loans -n 5", "stemma log bank/loans --json", prints=History)
@model_argument
@limit_option(100)
@pass_session
def log(session: Session, model: str, *, limit: int) -> None:
    """Show a model's history: versions and moves, newest first.

    Every version that was registered and every move of its aliases, with who did it and why. 'stemma audit log'
    shows everything else.
    """
    with open_repository(session) as repository:
        events, truncated = first(_events(repository, model), limit)
    name = str(ModelName.parse(model))
    session.answer(History(model=name, events=events, truncated=truncated), lambda: cli.drawing.tables.history(events))
    if truncated:
        session.note(f"These are the last {limit:,}: there are more, see --limit.")


def _events(repository: Repository, model: str) -> Iterator[HistoryEvent]:
    lines: list[Iterable[HistoryEvent]] = [map(_registered, repository.versions(model))]
    lines += [map(_moved, repository.aliases.history(model, name)) for name in _aliases(repository, model)]
    return merge(*lines, key=lambda event: event.time, reverse=True)


def _registered(version: VersionView) -> HistoryEvent:
    return HistoryEvent(time=version.registered, kind="version", version=version)


def _moved(move: MoveView) -> HistoryEvent:
    return HistoryEvent(time=move.time, kind="move", move=move)


def _aliases(repository: Repository, model: str) -> list[str]:
    """Return the aliases that a model has and those that it had."""
    name = ModelName.parse(model)
    deleted = repository.audit.log(name.namespace, concerns=name.name, action="alias.delete")
    names = [alias.name for alias in repository.aliases.all(model)]
    names += [entry.data["facts"]["alias"] for entry in deleted if entry.outcome == "done"]
    return list(dict.fromkeys(names))
