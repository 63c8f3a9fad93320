"""`stemma doctor`."""

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from itertools import islice
from pathlib import Path

import click

from stemma import cli
from stemma.cli.answers import Diagnosis, Finding
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.problems import DAMAGED
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, plural, size
from stemma.client.repository import Repository
from stemma.errors import StemmaError
from stemma.settings import REPOSITORY_FOLDER, Origin, user_file

_DISTRIBUTION = "stemma-ml"
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:>=\s*(?P<least>[\d.]+))?")
_LITTLE = 1 << 30
_SLACK = timedelta(minutes=1)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@command("doctor", "stemma doctor", "stemma doctor --json", prints=Diagnosis)
@pass_session
def doctor(session: Session) -> None:
    """Check this installation and this repository.

    Python, dependencies, settings and where they come from, disk, permissions, format, database, keys and clock.
    Exits with 1 if anything is bad, with 7 if the repository is damaged.
    """
    findings = [*_machine(), *_attempt("settings", lambda: _settings(session)), *_repository(session)]
    bad = [finding for finding in findings if finding.state == "bad"]
    session.answer(Diagnosis(findings=tuple(findings), healthy=not bad), lambda: cli.drawing.sheets.findings(findings))
    if bad:
        session.note(f"{plural(len(bad), 'thing')} to mend.")
        click.get_current_context().exit(DAMAGED if any(finding.check == "database" for finding in bad) else 1)


def _attempt(check: str, run: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what a check finds; that it cannot be made is a finding too."""
    try:
        return list(run())
    except StemmaError as error:
        return [Finding(check=check, state="bad", detail=str(error), hint=error.hint or None)]


def _machine() -> Iterator[Finding]:
    version = platform.python_version()
    good = sys.version_info >= (3, 11)
    yield Finding(
        check="python",
        state="good" if good else "bad",
        detail=f"{version}, {path_text(Path(sys.executable))}",
        hint=None if good else "Stemma needs Python 3.11 or newer.",
    )
    yield Finding(check="stemma", state="good", detail=metadata.version(_DISTRIBUTION))
    for requirement in metadata.requires(_DISTRIBUTION) or []:
        if "extra ==" not in requirement:
            yield _dependency(requirement)


def _dependency(requirement: str) -> Finding:
    match = _REQUIREMENT.match(requirement)
    name, least = (match["name"], match["least"]) if match else (requirement, None)
    hint = f"pip install '{requirement}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(check=name, state="bad", detail="not installed", hint=hint)
    if least and _release(version) < _release(least):
        return Finding(check=name, state="bad", detail=f"{version} is older than {least}", hint=hint)
    return Finding(check=name, state="good", detail=version)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _settings(session: Session) -> Iterator[Finding]:
    given = [value for value in session.settings.values.values() if value.origin is not Origin.DEFAULT]
    for value in given:
        shown = "set, not shown" if value.setting.secret else str(value.value)
        yield Finding(
            check="settings", state="good", detail=f"{value.setting.key} = {shown} ({value.origin}: {value.place})"
        )
    if not given:
        yield Finding(check="settings", state="good", detail="all at their defaults")
    file = user_file()
    if file.exists() and session.settings.text("token") and file.stat().st_mode & _OTHERS:
        yield Finding(
            check="permissions",
            state="bad",
            detail=f"{path_text(file)} can be read by others",
            hint=f"chmod 600 {file}",
        )


def _repository(session: Session) -> Iterator[Finding]:
    try:
        root = session.root
    except StemmaError:
        return  # the settings that say where it is were reported
    if root is None:
        yield Finding(
            check="repository", state="note", detail="there is none here", hint="Make one with 'stemma init'."
        )
        return
    yield Finding(check="repository", state="good", detail=path_text(root))
    yield from _attempt("disk", lambda: _disk(root))
    yield from _permissions(root / REPOSITORY_FOLDER)
    try:
        with open_repository(session) as repository:
            yield Finding(check="format", state="good", detail="this release can read and write it")
            yield from _attempt("database", lambda: _database(repository))
            yield from _attempt("clock", lambda: _clock(repository))
    except StemmaError as error:
        yield Finding(check="format", state="bad", detail=str(error), hint=error.hint or None)


def _disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free
    little = free < _LITTLE
    yield Finding(
        check="disk",
        state="bad" if little else "good",
        detail=f"{size(free)} free",
        hint="A push that finds the disk full stores nothing." if little else None,
    )


def _permissions(folder: Path) -> Iterator[Finding]:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            check="permissions",
            state="bad",
            detail=f"{path_text(folder)} cannot be written by you",
            hint="See its owner.",
        )
    keys = sorted((folder / "keys").iterdir()) if os.access(folder / "keys", os.R_OK | os.X_OK) else []
    open_keys = [key for key in (folder / "keys", *keys) if key.exists() and key.stat().st_mode & _OTHERS]
    for key in open_keys:
        yield Finding(
            check="keys",
            state="bad",
            detail=f"{path_text(key)} can be read by others",
            hint=f"chmod go= {path_text(key)}",
        )
    if not open_keys:
        state = "good" if keys else "note"
        detail = f"{plural(len(keys), 'file')}, readable by you alone" if keys else "there are none yet"
        yield Finding(check="keys", state="good" if state == "good" else "note", detail=detail)


def _database(repository: Repository) -> Iterator[Finding]:
    found = repository.database.check()
    for each in found:
        yield Finding(check="database", state="bad", detail=f"{each.place}: {each.message}", hint=each.hint or None)
    if not found:
        yield Finding(check="database", state="good", detail="whole, and as this release declares it")


def _clock(repository: Repository) -> Iterator[Finding]:
    now = datetime.now(UTC)
    newest = max(
        (entry.time for name in repository.namespaces() for entry in islice(repository.audit.log(name), 1)), default=""
    )
    if newest and datetime.fromisoformat(newest) > now + _SLACK:
        yield Finding(
            check="clock",
            state="bad",
            detail=f"it is {now:%Y-%m-%d %H:%M:%S} UTC, and the log goes on to {newest}",
            hint="Set the clock: entries would keep the later time, and be flagged.",
        )
    else:
        yield Finding(check="clock", state="good", detail=f"{now:%Y-%m-%d %H:%M:%S} UTC")
