"""The audit: reading the log, proving it, exporting it, and checking an export with keys pinned outside it.

Keys and the last root seen of each log are pinned in the user's configuration folder, `known-logs.json`. The first
use of a log pins it; from then on a log by other keys, a shorter one, or one that does not continue is refused.
"""

import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stemma.client.answers import Audited, LogState
from stemma.client.calls import Calls, follow
from stemma.errors import ConflictError, CorruptError, NotFoundError, StemmaError, UnavailableError
from stemma.ledger.audit import LogReport
from stemma.ledger.evidence.checkpoint import Checkpoint
from stemma.ledger.evidence.offline import ExportReport
from stemma.ledger.evidence.offline import verify_export as verify_files
from stemma.ledger.evidence.pins import Pins, fingerprints_of
from stemma.operations.log import LOG, LOGS
from stemma.operations.requests import Nothing, ReadLog
from stemma.operations.views import EntryView
from stemma.records import Digest
from stemma.settings import user_folder

PINS = "known-logs.json"
_MAX_PINS = 64 << 20


class Audit:
    """The log of one repository."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def log(
        self,
        namespace: str | None = None,
        *,
        concerns: str | None = None,
        action: str | None = None,
        since: str | None = None,
        until: str | None = None,
        oldest_first: bool = False,
    ) -> Iterator[EntryView]:
        """Yield entries of one log, or of all, one log after the other; times are RFC 3339, both included."""
        names = [namespace] if namespace else self._calls.run(LOGS, Nothing()).namespaces
        for name in names:
            for page in follow(
                lambda token, name=name: self._calls.run(  # type: ignore[misc]  # mypy cannot type a default
                    LOG,
                    ReadLog(
                        namespace=name,
                        concerns=concerns,
                        action=action,
                        since=since,
                        until=until,
                        oldest_first=oldest_first,
                        token=token,
                    ),
                )
            ):
                yield from page.entries

    def verify(self) -> Audited:
        """Recompute every log of this repository, against its keys and what was pinned; a CorruptError says where.

        Against a server this reads every entry, here: nothing that it says of itself is believed but what is signed
        by the keys that are pinned, at first use those that it names.
        """
        logs = self._calls.logs()
        name, keys = logs.name, logs.keys()
        fingerprints = fingerprints_of(keys)
        pins = load_pins()
        known = pins.of_repository(name)
        if any(set(pin.fingerprints) != set(fingerprints) for pin in known.values()):
            raise CorruptError(
                f"the log is signed by other keys than the pinned ones: {', '.join(fingerprints)}",
                place=self._calls.place,
                hint=f"If the keys were replaced on purpose, remove {name} from {user_folder() / PINS}.",
            )
        names = logs.namespaces()
        for origin in known:
            if origin.rpartition("/")[2] not in names:
                raise CorruptError("a log that was seen before is missing", place=origin, hint=logs.absence)
        reports = tuple(logs.verify(each, keys, known.get(f"{name}/{each}")) for each in names)
        for report in reports:
            pins = pins.seen(Checkpoint(report.origin, report.size, report.root), keys)
        store_pins(pins)
        return Audited(
            place=self._calls.place,
            logs=tuple(map(_state, reports)),
            fingerprints=fingerprints,
            first_use=not known and bool(reports),
        )

    def export(self, folder: Path) -> Audited:
        """Write all logs as static files into `folder`, which must be empty or absent, and verify them there."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConflictError("the folder is not empty", place=str(folder), hint="Export into a new one.")
        logs = self._calls.logs()
        logs.export(folder)
        trusted = fingerprints_of(logs.keys())
        identity = logs.name.rpartition("/")[2]
        report = verify_files(Files(folder), pins=load_pins(), trusted=trusted, repository=identity)
        store_pins(report.pins)
        return _audited(folder, report, first_use=False)


def verify_export(folder: Path, keys: Sequence[str] = ()) -> Audited:
    """Check the export in `folder` offline; `keys` are fingerprints to trust instead of the pinned ones.

    CorruptError says which file and where. What was found is pinned for the next time.
    """
    if not folder.is_dir():
        raise NotFoundError("there is no such folder", place=str(folder), hint="'stemma audit export DIR' makes one.")
    pins = load_pins()
    trusted = tuple(Digest.parse(key) for key in keys)
    try:
        report = verify_files(Files(folder), pins=pins, trusted=trusted)
    except StemmaError as error:
        error.place = f"{folder}/{error.place}" if error.place else str(folder)
        raise
    store_pins(report.pins)
    return _audited(folder, report, first_use=report.first_use)


def _audited(folder: Path, report: ExportReport, *, first_use: bool) -> Audited:
    return Audited(
        place=str(folder),
        logs=tuple(map(_state, report.logs)),
        fingerprints=report.fingerprints,
        first_use=first_use,
        records=report.records,
        texts=report.texts,
        redacted=len(report.redacted),
    )


def _state(log: LogReport) -> LogState:
    return LogState(origin=log.origin, size=log.size, root=log.root.hex(), unsigned=log.unsigned)


class Files:
    """The files of an export on disk; links and other odd things are files that no index lists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Iterable[str]:
        """Yield the name of everything that is not a folder."""
        for place, folders, files in os.walk(self._folder):
            for name in [*files, *(each for each in folders if (Path(place) / each).is_symlink())]:
                yield (Path(place) / name).relative_to(self._folder).as_posix()

    def read(self, name: str, /) -> bytes:
        """Return the bytes of a file; CorruptError for anything but a regular one."""
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:  # noqa: PTH123  # of a descriptor, not a path
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise CorruptError("not a file", place=name)
                return file.read()
        except OSError as error:
            raise CorruptError(f"cannot be read: {error.strerror}", place=name) from error


def load_pins() -> Pins:
    """Return the user's pins; there are none before the first use of a log."""
    path = user_folder() / PINS
    try:
        return Pins.parse(path.read_bytes()[:_MAX_PINS], place=str(path))
    except FileNotFoundError:
        return Pins()
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error


def store_pins(pins: Pins) -> None:
    """Replace the user's pins, whole or not at all."""
    folder = user_folder()
    unfinished = folder / f".{PINS}.{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("xb") as file:
            file.write(pins.encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / PINS)
    except OSError as error:
        raise UnavailableError(f"cannot be written: {error.strerror}", place=str(folder / PINS)) from error
