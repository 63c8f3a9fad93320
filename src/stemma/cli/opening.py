"""From a session to its repository, and from a half-typed word to what it may become."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import click

from stemma.cli.session import Session
from stemma.cli.streams import tell
from stemma.cli.text import safe
from stemma.client.address import is_address
from stemma.client.repository import Repository
from stemma.errors import NotFoundError, StemmaError

Item = TypeVar("Item")
_SUGGESTIONS = 100


def open_repository(session: Session, *, patience: float | None = None, older: bool = False) -> Repository:
    """Open the repository that the session works on, in a folder or on a server; a NotFoundError says how to begin.

    With `older` its database may be one of an earlier release.
    """
    where = session.settings.text("repo")
    if where is not None and is_address(where):
        return Repository.open(where, warn=lambda text: _warn(session, text), patience=patience)
    root = session.root
    if root is None:
        here = Path.cwd() if where is None else Path(where)
        raise NotFoundError(
            f"there is no repository in {str(here)!r}" + ("" if where else " or above it"),
            hint="Make one with 'stemma init', or say where yours is with --repo or STEMMA_REPO.",
        )
    return Repository.open(root, older=older)


def _warn(session: Session, text: str) -> None:
    """Warn of an answer that may be stale: programs too, since they would take it for a fresh one."""
    if session.json:
        tell(f"warning: {safe(text)}")
    else:
        session.warn(text)


def first(items: Iterable[Item], limit: int) -> tuple[tuple[Item, ...], bool]:
    """Return at most `limit` items (all for 0) and whether there are more."""
    if not limit:
        return tuple(items), False
    taken = tuple(islice(items, limit + 1))
    return taken[:limit], len(taken) > limit


def suggest_models(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Return the models whose names begin as typed."""
    return list(islice((name for name in _models(context) if name.startswith(typed)), _SUGGESTIONS))


def suggest_references(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Return models that begin as typed, or behind an `@` the aliases, branches and versions of one."""
    model, at, _ = typed.partition("@")
    if not at:
        return suggest_models(context, parameter, typed)
    found = (f"{model}@{selector}" for selector in _selectors(context, model))
    return list(islice((reference for reference in found if reference.startswith(typed)), _SUGGESTIONS))


def suggest_aliases(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Return the aliases of the model that stands before on the line."""
    try:
        with open_repository(_session(context), patience=0) as repository:
            found = repository.aliases.all(str(context.params.get("model")))
    except StemmaError:
        return []  # a half-typed line is no place for messages
    return [pointer.name for pointer in found if pointer.name.startswith(typed)]


def _session(context: click.Context) -> Session:
    return context.find_object(Session) or Session()


def _models(context: click.Context) -> Iterator[str]:
    try:
        with open_repository(_session(context), patience=0) as repository:
            yield from (view.model for view in repository.models())
    except StemmaError:
        return  # a half-typed line is no place for messages


def _selectors(context: click.Context, model: str) -> Iterator[str]:
    try:
        with open_repository(_session(context), patience=0) as repository:
            view = repository.model(model)
            yield from view.aliases
            yield from view.branches
            for version in repository.versions(model):
                yield version.number or f"v{version.sequence}"
    except StemmaError:
        return  # a half-typed line is no place for messages
