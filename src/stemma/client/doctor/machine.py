"""The installation: Python, Stemma, the libraries that it stands on, and the settings with where they come from."""

import platform
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from stemma.client.answers import Finding
from stemma.client.doctor.finding import fail, ok
from stemma.client.remote.credentials import credentials_file
from stemma.settings import Origin, Settings, user_file

DISTRIBUTION = "stemma-ml"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:[<>=!~, .\d]*?>=\s*(?P<least>[\d.]+))?", re.ASCII
)
_EXTRA = re.compile(r"extra\s*==")
_LEAST_PYTHON = (3, 11)
_OPTIONAL = {"litestar", "psycopg", "uvicorn"}


def installation() -> Iterator[Finding]:
    """Yield what is installed, and what is missing or too old."""
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info >= _LEAST_PYTHON:
        yield ok("python", found)
    else:
        yield fail("python", found, "Stemma needs Python 3.11 or newer.")
    yield ok("stemma", metadata.version(DISTRIBUTION))
    yield ok("sqlite", sqlite3.sqlite_version)
    for requirement in metadata.requires(DISTRIBUTION) or []:
        if not _EXTRA.search(requirement):
            yield _dependency(requirement)
    for name in sorted(_OPTIONAL):
        try:
            yield ok(name, f"{metadata.version(name)}, optional")
        except metadata.PackageNotFoundError:
            continue  # nobody asked for it


def _dependency(requirement: str) -> Finding:
    match = _REQUIREMENT.match(requirement)
    name, least = (match["name"], match["least"]) if match else (requirement, None)
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return fail(name, "not installed", f"pip install '{requirement}'")
    if least and _release(version) < _release(least):
        return fail(name, f"{version} is older than {least}", f"pip install '{requirement}'")
    return ok(name, version)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def configuration(settings: Settings) -> Iterator[Finding]:
    """Yield every setting that is not at its default, with its origin; secrets are not shown."""
    given = [value for value in settings.values.values() if value.origin is not Origin.DEFAULT]
    for value in given:
        shown = "set, not shown" if value.setting.secret else str(value.value)
        yield ok("settings", f"{value.setting.key} = {shown} ({value.origin}: {value.place})")
    if not given:
        yield ok("settings", "all at their defaults")
    if settings.text("token"):
        yield from private(user_file())
    yield from private(credentials_file())


def private(file: Path) -> Iterator[Finding]:
    """Yield that others can read a file that holds a secret; nothing where it is not there."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return
    if mode & OTHERS:
        yield fail("permissions", f"{file} can be read by others", f"chmod 600 {file}")
    else:
        yield ok("permissions", f"{file} is readable by you alone")


def age_of(seconds: float) -> str:
    """Return how long ago something was, in the unit that suits it."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{max(int(seconds), 0)} seconds"
