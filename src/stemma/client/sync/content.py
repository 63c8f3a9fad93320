"""The files of versions on their way from one repository to another: only content that the target lacks is moved.

Between two folders files are read out of the packs of one into packs of the other. Otherwise the files of a version
are checked out into a folder of its own for the while, verified, and stored from there.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stemma.artifacts.artifacts import Artifacts
from stemma.artifacts.ports import Source
from stemma.artifacts.reading import StoredFile, StoredSource
from stemma.artifacts.uploads.intake import AddedFile
from stemma.client.calls import Calls
from stemma.client.files.wanted import Wanted
from stemma.client.local.transfer import LocalTransfer
from stemma.client.progress import SILENCE
from stemma.errors import CorruptError
from stemma.operations import Transaction
from stemma.records import Digest

_REMEMBERED = 100_000


@dataclass(slots=True)
class Content:
    """Moves the files of versions; a manifest that went over in this run is not looked at again."""

    source: Calls
    target: Calls
    namespace: str
    _sent: set[Digest] = field(default_factory=set)

    def send(self, model: str, digest: Digest, manifest: Digest) -> int:
        """Send the files of a version that the target lacks; return how many bytes these had."""
        if manifest in self._sent:
            return 0
        wanted = Wanted(f"{model}@{digest}", manifest)
        if isinstance(self.source.files, LocalTransfer) and isinstance(self.target.files, LocalTransfer):
            size = _move(self.source.files, self.target.files, self.namespace, wanted)
        else:
            size = self._by_folder(wanted)
        if len(self._sent) >= _REMEMBERED:
            self._sent.clear()
        self._sent.add(manifest)
        return size

    def measure(self, model: str, digest: Digest, manifest: Digest) -> int:
        """Return how many bytes of a version's files the target lacks, of one on a server how many it has at all."""
        files = self.source.files.manifest(Wanted(f"{model}@{digest}", manifest)).files
        sizes = {file.digest: file.size for file in files if file.digest not in self._sent}
        self._sent.update(sizes)
        if isinstance(self.target.files, LocalTransfer):
            system = self.target.files.folder.system
            known = system.executor.read(lambda tx: system.subjects.artifacts.recipes(tx, sizes).keys())
            return sum(size for content, size in sizes.items() if content not in known)
        return sum(sizes.values())

    def _by_folder(self, wanted: Wanted) -> int:
        with tempfile.TemporaryDirectory(prefix="stemma-sync-") as place:
            folder = Path(place) / "files"
            self.source.files.check_out(wanted, folder, overwrite=False, progress=SILENCE)
            stored = self.target.files.store(self.namespace, folder, follow_links=False, progress=SILENCE)
        if stored.manifest != wanted.manifest:
            raise CorruptError(f"its files make {stored.manifest}, not {wanted.manifest}", place=wanted.reference)
        return stored.stored


@dataclass(frozen=True, slots=True)
class _StoredFile:
    """A file in the packs of a repository, as something to store elsewhere."""

    path: str
    artifacts: Artifacts
    stored: StoredFile

    @property
    def size(self) -> int:
        return self.stored.size

    @contextmanager
    def open(self) -> Iterator[Source]:
        yield StoredSource(self.artifacts.reader, self.stored)


def _move(source: LocalTransfer, target: LocalTransfer, namespace: str, wanted: Wanted) -> int:
    """Store what the target lacks of a manifest's files, and the manifest; return the bytes of these files."""
    there, here = source.folder.system, target.folder.system
    manifest = source.manifest(wanted)
    artifacts, caller = here.subjects.artifacts, target.caller()
    digests = manifest.digests()
    known = here.executor.read(lambda tx: artifacts.recipes(tx, digests).keys())
    missing = {file.digest: file for file in manifest.files if file.digest not in known}
    if not missing:
        here.executor.write(lambda tx: artifacts.store_manifest(tx, manifest))
        return 0
    located = there.executor.read(lambda tx: there.subjects.artifacts.locate(tx, missing))
    files = [_StoredFile(file.path, there.subjects.artifacts, located[file.digest]) for file in missing.values()]
    upload = here.executor.write(lambda tx: artifacts.begin(tx, owner=caller.id, namespace=namespace))
    try:
        with artifacts.intake(upload, here.executor.read) as intake:
            added = intake.add(files)
            addition = intake.finish()
        _check_same(files, added, wanted)
    except BaseException:
        here.executor.write(lambda tx: artifacts.abandon(tx, upload.id, owner=caller.id))
        raise

    def publish(tx: Transaction) -> None:
        artifacts.commit(tx, addition, owner=caller.id)
        artifacts.store_manifest(tx, manifest)

    here.executor.write(publish)
    return sum(file.size for file in missing.values())


def _check_same(files: Sequence[_StoredFile], added: Sequence[AddedFile], wanted: Wanted) -> None:
    for file, stored in zip(files, added, strict=True):
        if stored.digest != file.stored.digest:
            raise CorruptError(f"it reads as {stored.digest}", place=f"{wanted.reference} {file.path}")
