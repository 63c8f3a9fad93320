"""The bytes of versions, going in and out of a repository: what `push`, `pull` and `path` do between operations."""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stemma.access import Caller
from stemma.artifacts.manifest import Manifest
from stemma.artifacts.uploads.packing import AddedFile
from stemma.client.files.checkout import Checkout, check_out
from stemma.client.files.folders import Folder, describe, list_folder
from stemma.client.progress import Progress
from stemma.errors import ConflictError
from stemma.operations import Transaction
from stemma.records import Digest
from stemma.system import System

_PATIENCE = 60.0
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Stored:
    """A folder that was stored: its manifest's digest, how much it holds, and what of that was new, in bytes."""

    manifest: Digest
    files: int
    bytes: int
    stored: int
    shared: int
    warnings: tuple[str, ...]


@contextmanager
def told(progress: Progress, label: str, total: int | None) -> Iterator[None]:
    """Tell `progress` that work on `total` bytes begins, and that it ended."""
    progress.start(label, total, "B")
    try:
        yield
    finally:
        progress.finish()


def store_folder(
    system: System, caller: Caller, namespace: str, source: Path, *, follow_links: bool, progress: Progress
) -> Stored:
    """Store the files under `source`; nothing of an upload that fails is kept or seen.

    Raises what `list_folder` and the intake raise: InvalidError for names and links, ConflictError for a file that
    changes meanwhile, UnavailableError for a full disk.
    """
    artifacts, executor = system.subjects.artifacts, system.executor
    with list_folder(source, follow_links=follow_links) as folder:
        executor.write(artifacts.sweep)
        upload = executor.write(lambda tx: artifacts.begin(tx, owner=caller.id, namespace=namespace))
        try:
            with told(progress, "Storing", folder.size):
                with artifacts.intake(upload, executor.read, progress=progress.advance) as intake:
                    added = intake.add(folder.files)
                    addition = intake.finish()
                manifest = describe(folder, added)
        except BaseException:
            executor.write(lambda tx: artifacts.abandon(tx, upload.id, owner=caller.id))
            raise

    def publish(tx: Transaction) -> Digest:
        artifacts.commit(tx, addition, owner=caller.id)
        return artifacts.store_manifest(tx, manifest, namespace=namespace)

    return told_of(folder, added, manifest, executor.write(publish))


def told_of(folder: Folder, added: Sequence[AddedFile], manifest: Manifest, digest: Digest) -> Stored:
    """Return what became of a folder whose files were stored as `added`."""
    warnings = [f"{path!r} was left out" for path in folder.skipped]
    if not added:
        warnings.append("there are no files in it: the version is empty")
    warnings += [f"{file.path!r} was {file.malformed}" for file in added if file.malformed]
    return Stored(
        manifest=digest,
        files=len(added),
        bytes=sum(file.size for file in added),
        stored=sum(file.written for file in added),
        shared=sum(file.size for file in added if not file.written and file.size),
        warnings=(*warnings, *manifest.warnings()),
    )


def check_out_manifest(
    system: System, manifest_digest: Digest, destination: Path, *, overwrite: bool, progress: Progress
) -> Checkout:
    """Write the files of a manifest into `destination`, every one verified before it is seen."""
    artifacts = system.subjects.artifacts
    manifest = system.executor.read(lambda tx: artifacts.manifest(tx, manifest_digest))
    stored = system.executor.read(lambda tx: artifacts.locate(tx, manifest.digests()))
    with told(progress, "Checking out", sum(file.size for file in manifest.files)):
        return check_out(
            manifest, stored, artifacts.reader, destination, overwrite=overwrite, progress=progress.advance
        )


def cached_folder(system: System, manifest_digest: Digest, cache: Path, progress: Progress) -> Path:
    """Return a verified folder with the files of a manifest, which others share: it must not be written to."""
    place = cache / manifest_digest.hex
    return filled(place, lambda: check_out_manifest(system, manifest_digest, place, overwrite=True, progress=progress))


def filled(place: Path, check_out: Callable[[], Checkout]) -> Path:
    """Return `place` once `check_out` has made it hold the files of a manifest, and nothing else.

    What is there already is checked, byte by byte; what is not right any more is written again, what was put there is
    removed. Waits while another process does the same.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            done = check_out()
        except ConflictError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
            continue
        if not done.extra:
            return place
        _move_away(place)


def _move_away(place: Path) -> None:
    """Remove a folder at once for those who look for it."""
    aside = place.with_name(f".{place.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):  # another process was faster
        place.rename(aside)
        shutil.rmtree(aside)
