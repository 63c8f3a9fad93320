"""Changing one setting in a configuration file: comments and order stay, the file is replaced whole or not at all.

The file is readable by its owner alone when it is made, for a user's may hold a token.
"""

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from stemma.errors import InvalidError, UnavailableError


def set_value(path: Path, key: str, value: str | int) -> bool:
    """Write `key = value`, tables for its dots; returns whether that changed the file."""
    document = _read(path)
    *tables, name = key.split(".")
    table: MutableMapping[str, Any] = document
    for part in tables:
        found = table.setdefault(part, tomlkit.table())
        if not isinstance(found, MutableMapping):
            raise InvalidError(f"{part!r} is not a table, so {key!r} cannot be set", place=str(path))
        table = found
    before = table.get(name)
    if before == value and type(before) is not bool:
        return False
    table[name] = value
    _write(path, tomlkit.dumps(document))
    return True


def remove_value(path: Path, key: str) -> bool:
    """Remove `key`, and the tables that it leaves empty; returns whether it was there."""
    document = _read(path)
    table: Any = document
    passed: list[tuple[MutableMapping[str, Any], str]] = []
    for part in key.split("."):
        if not isinstance(table, MutableMapping) or part not in table:
            return False
        passed.append((table, part))
        table = table[part]
    if isinstance(table, MutableMapping):
        raise InvalidError(f"{key!r} is a table, not a setting", place=str(path))
    for owner, part in reversed(passed):
        del owner[part]
        if owner:
            break
    _write(path, tomlkit.dumps(document))
    return True


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text("utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise InvalidError(f"not valid TOML: {error}", place=str(path), hint="Mend the file by hand.") from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error


def _write(path: Path, text: str) -> None:
    path = path.resolve()  # a link stays a link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".config-", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                temporary.chmod(path.stat().st_mode & 0o777)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UnavailableError(f"cannot be written: {error.strerror}", place=str(path)) from error
