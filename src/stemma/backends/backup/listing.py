"""The listing: `backup.json`, which says what a backup holds and is put in place last, so that it counts or does not.

Two lines: a canonical JSON object, and the SHA-256 of that line. Every other file is covered by it: tables and small
files by their SHA-256, packs by their names. Specified in docs/spec/backup.md.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from stemma.artifacts.packs.pack import PackId
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnavailableError, UnsupportedError
from stemma.ledger import format_time, parse_time
from stemma.records import Json, canonical, read_json

FILE = "backup.json"
STATES = "states"
TABLES = "tables"
FORMAT = 1
_MAX_BYTES = 1 << 30
_SCHEMA = "stemma/backup/1"
_STATE = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}(?:/[a-z][a-z0-9_.-]{0,62})?", re.ASCII)
_PACK = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredTable:
    """The rows of a table: how many, in which columns, and the size and SHA-256 of their file."""

    name: str
    columns: tuple[str, ...]
    rows: int
    size: int
    sha256: str

    @property
    def file(self) -> str:
        """Where the rows lie, within the state."""
        return f"{TABLES}/{self.name}.rows"


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file of the repository, kept as it is."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a backup holds: the state at `time` (µs) of the repository `identity`, in the folder `states/{state}`."""

    identity: str
    time: int
    release: str
    level: str
    state: str
    tables: tuple[StoredTable, ...]
    files: tuple[SmallFile, ...]
    packs: Mapping[PackId, int] = field(repr=False)

    @property
    def holds_keys(self) -> bool:
        """Whether the keys that sign the log are in it."""
        return any(file.name == "keys/log.pem" for file in self.files)

    def encode(self) -> bytes:
        """Return the bytes of `backup.json`."""
        whole: dict[str, Json] = {
            "schema": _SCHEMA,
            "identity": self.identity,
            "time": format_time(self.time),
            "release": self.release,
            "level": self.level,
            "state": self.state,
            "tables": [
                {"name": t.name, "columns": list(t.columns), "rows": t.rows, "size": t.size, "sha256": t.sha256}
                for t in self.tables
            ],
            "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in self.files],
            "packs": [[pack, self.packs[pack]] for pack in sorted(self.packs)],
        }
        line = canonical(whole)
        return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, place: str) -> Self:
        """Read what `encode` writes; UnsupportedError for a newer format, CorruptError for all else."""
        line, _, rest = data.partition(b"\n")
        if rest != hashlib.sha256(line).hexdigest().encode() + b"\n":
            raise CorruptError("the listing is not what its checksum says", place=place)
        try:
            whole: Any = read_json(line, place=place)
            if str(whole["schema"]) != _SCHEMA:
                raise UnsupportedError(
                    f"the backup is in the format {str(whole['schema'])[:60]!r}, not {_SCHEMA!r}",
                    place=place,
                    hint="Restore it with the release that made it, or a newer one.",
                )
            listing = cls._of(whole)
        except (KeyError, TypeError, ValueError, StemmaError) as error:
            if isinstance(error, UnsupportedError):
                raise
            raise CorruptError(f"the listing is not one of a backup: {error}", place=place) from error
        if listing.encode() != data:
            raise CorruptError("the listing is not in the one form that is written", place=place)
        return listing

    @classmethod
    def _of(cls, whole: Any) -> Self:  # noqa: ANN401  # JSON, checked member by member
        tables = [
            StoredTable(_checked(_NAME, t["name"]), tuple(t["columns"]), int(t["rows"]), int(t["size"]), t["sha256"])
            for t in whole["tables"]
        ]
        files = [SmallFile(_checked(_NAME, f["name"]), int(f["size"]), f["sha256"]) for f in whole["files"]]
        for sha256 in (*(table.sha256 for table in tables), *(file.sha256 for file in files)):
            _checked(_HEX, sha256)
        return cls(
            str(whole["identity"]),
            parse_time(whole["time"]),
            str(whole["release"]),
            str(whole["level"]),
            _checked(_STATE, whole["state"]),
            tuple(tables),
            tuple(files),
            {PackId(_checked(_PACK, pack)): int(size) for pack, size in whole["packs"]},
        )


def _checked(pattern: re.Pattern[str], text: object) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{str(text)[:60]!r} cannot stand here")
    return text


def read_listing(folder: Path) -> Listing:
    """Return the listing of the backup in `folder`; NotFoundError where there is none."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"there is no backup in {str(folder)!r}", hint="'stemma backup DIR' makes one.") from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error
    if len(data) > _MAX_BYTES:
        raise CorruptError("the listing is too large", place=str(path))
    return Listing.decode(data, str(path))
