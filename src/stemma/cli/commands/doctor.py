"""`stemma doctor`."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.problems import DAMAGED
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, plural
from stemma.client.address import is_address
from stemma.client.answers import Diagnosis, Finding
from stemma.client.doctor.condition import condition
from stemma.client.doctor.finding import attempt, fail, ok, warn
from stemma.client.doctor.machine import configuration, installation
from stemma.client.doctor.place import clock, disk, identity, leftovers, permissions, way
from stemma.client.remote.calls import open_server
from stemma.client.repository import Repository
from stemma.errors import ForbiddenError, StemmaError, UnauthenticatedError
from stemma.settings import REPOSITORY_FOLDER, load_settings

_PATIENCE = "2"
"""Seconds after which a server that does not answer is said not to."""


@command(
    "doctor", "stemma doctor", "stemma doctor --json", "stemma doctor --repo https://models.example", prints=Diagnosis
)
@pass_session
def doctor(session: Session) -> None:
    """Check this installation and this repository.

    Versions, settings and where they come from, disk, permissions, database, clock, keys, token, jobs, webhooks,
    uploads and backups; of a server, what you may see. Exits with 1 if anything fails, with 7 if the repository is
    damaged.
    """
    findings = [*installation(), *attempt("settings", lambda: configuration(session.settings)), *_repository(session)]
    failed = [finding for finding in findings if finding.state == "fail"]
    found = Diagnosis(findings=tuple(findings), healthy=not failed)
    session.answer(found, lambda: cli.drawing.sheets.findings(findings))
    if failed:
        session.note(f"{plural(len(failed), 'thing')} to mend.")
        click.get_current_context().exit(DAMAGED if any(each.check == "damage" for each in failed) else 1)


def _repository(session: Session) -> Iterator[Finding]:
    try:
        where = load_settings(flags=session.flags).text("repo")
        root = session.root
    except StemmaError:
        return  # the settings that say where it is were reported
    if where is not None and is_address(where):
        yield from attempt("server", lambda: _server(where))
    elif root is None:
        yield warn("repository", "there is none here", "Make one with 'stemma init'.")
    else:
        yield from _folder(session, root)


def _folder(session: Session, root: Path) -> Iterator[Finding]:
    folder = root / REPOSITORY_FOLDER
    yield ok("repository", path_text(root))
    yield from disk(root)
    yield from permissions(folder)
    yield from leftovers(folder)
    try:
        with open_repository(session) as repository:
            yield ok("format", "this release can read and write it")
            yield from attempt("damage", lambda: _damage(repository))
            yield from attempt("database", lambda: _condition(repository))
    except StemmaError as error:
        yield fail("format", str(error), error.hint)


def _server(where: str) -> Iterator[Finding]:
    settings = load_settings(flags={"repo": where, "server.patience": _PATIENCE})
    calls = open_server(where, settings, lambda _: None)
    with Repository(calls, settings) as repository:
        try:
            yield from way(calls)
        except UnauthenticatedError as error:
            yield ok("server", f"{calls.place} answers")
            yield fail("token", str(error), error.hint)
            return
        yield from attempt("identity", lambda: identity(repository.people.whoami(), datetime.now(UTC)))
        try:
            yield from _condition(repository)
        except ForbiddenError:
            yield ok("database", "only admins are told how it fares")


def _damage(repository: Repository) -> Iterator[Finding]:
    found = repository.database.check()
    for each in found:
        yield fail("damage", f"{each.place}: {each.message}", each.hint)
    if not found:
        yield ok("damage", "the database is whole, and as this release declares it")


def _condition(repository: Repository) -> Iterator[Finding]:
    begin = time.perf_counter()
    repository.people.whoami()
    milliseconds = (time.perf_counter() - begin) * 1000
    health = repository.upkeep.health()
    yield from condition(health, milliseconds)
    yield from clock(health.last_entry, datetime.fromisoformat(health.time))
