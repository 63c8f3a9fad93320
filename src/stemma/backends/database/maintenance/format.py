"""`format.json`: which releases may read and write a repository.

Written last when a repository is made, so that a folder without it is none. Specified in docs/spec/repository.md.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from stemma.errors import CorruptError, InvalidError, NotFoundError, UnavailableError, UnsupportedError
from stemma.records import Json, canonical, read_json

FORMAT_FILE = "format.json"
VERSION = 1
"""The layout that this release writes; it reads and writes any whose `min_reader` and `min_writer` are no greater."""
POSTGRESQL = "postgresql"
"""The database is not in the folder, but on PostgreSQL, at a URL that the folder does not hold."""
KNOWN: Mapping[str, str] = {POSTGRESQL: "0.1.0"}
"""The features that this release knows, each with the first release that did."""
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Format:
    """What a repository asks of releases: `features` maps each feature in use to the first release that knows it."""

    version: int = VERSION
    min_reader: int = VERSION
    min_writer: int = VERSION
    features: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the format of the repository in `folder`.

        NotFoundError where there is none, CorruptError where the file is not what it should be.
        """
        path = folder / FORMAT_FILE
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"{folder} is no repository", hint="'stemma init' makes one.") from error
        except OSError as error:
            raise UnavailableError(f"cannot read it: {error.strerror}", place=str(path)) from error
        try:
            value = read_json(data, place=str(path)) if len(data) <= _MAX_BYTES else None
        except InvalidError as error:
            raise _damaged(path) from error
        return cls._parse(value, path)

    @classmethod
    def _parse(cls, value: Json, path: Path) -> Self:
        match value:
            case {
                "features": dict() as features,
                "min_reader": int() as min_reader,
                "min_writer": int() as min_writer,
                "version": int() as version,
            } if all(isinstance(release, str) for release in features.values()):
                return cls(version, min_reader, min_writer, {str(name): str(features[name]) for name in features})
            case _:
                raise _damaged(path)

    def write(self, folder: Path) -> None:
        """Write the file, durably and at once."""
        value: dict[str, Json] = {
            "features": dict(self.features),
            "min_reader": self.min_reader,
            "min_writer": self.min_writer,
            "version": self.version,
        }
        path = folder / FORMAT_FILE
        temporary = folder / f"{FORMAT_FILE}.{os.getpid()}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(canonical(value) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise UnavailableError(f"cannot write it: {error.strerror}", place=str(path)) from error

    def check(self, folder: Path, *, writes: bool = True) -> None:
        """Raise UnsupportedError unless this release may read the repository, and write it where `writes`."""
        unknown = sorted(self.features.keys() - KNOWN.keys())
        place = str(folder / FORMAT_FILE)
        if unknown:
            needed = ", ".join(f"{name!r} (since release {self.features[name]})" for name in unknown)
            raise UnsupportedError(
                f"this repository uses what this release does not know: {needed}",
                place=place,
                hint=f"Install release {max(self.features[name] for name in unknown)} or newer.",
            )
        least, what = (self.min_writer, "written") if writes else (self.min_reader, "read")
        if least > VERSION:
            raise UnsupportedError(
                f"this repository can be {what} from format {least} on; this release knows format {VERSION}",
                place=place,
                hint="Install a newer release of Stemma.",
            )


def _damaged(path: Path) -> CorruptError:
    hint = f"Restore it from a backup; docs/spec/repository.md says what it holds in format {VERSION}."
    return CorruptError("not a repository's format", place=str(path), hint=hint)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
