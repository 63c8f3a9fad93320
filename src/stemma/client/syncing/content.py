"""The files of versions on their way from one repository to another: only content that the target lacks is moved.

Between two folders files are read out of the packs of one into packs of the other. Otherwise the files of a version
are checked out into a folder of its own for the while, verified, and stored from there.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stemma.artifacts.artifacts import Artifacts
from stemma.artifacts.ports import Source
from stemma.artifacts.reading import StoredFile, StoredSource
from stemma.artifacts.uploads.intake import Addition
from stemma.artifacts.uploads.packing import AddedFile
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

    def send(self, versions: Iterable[Wanted]) -> int:
        """Send the files of versions that the target lacks, together; return how many bytes these had."""
        wanted = {each.manifest: each for each in versions if each.manifest not in self._sent}
        if not wanted:
            return 0
        if isinstance(self.source.files, LocalTransfer) and isinstance(self.target.files, LocalTransfer):
            size = _move(self.source.files, self.target.files, self.namespace, tuple(wanted.values()))
        else:
            size = sum(map(self._by_folder, wanted.values()))
        if len(self._sent) >= _REMEMBERED:
            self._sent.clear()
        self._sent.update(wanted)
        return size

    def measure(self, wanted: Wanted) -> int:
        """Return how many bytes of a version's files the target lacks, of one on a server how many it has at all."""
        files = self.source.files.manifest(wanted).files
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


def _move(source: LocalTransfer, target: LocalTransfer, namespace: str, wanted: Sequence[Wanted]) -> int:
    """Store what the target lacks of the files of manifests, and these; return the bytes of the files."""
    there, here = source.folder.system, target.folder.system
    manifests = [source.manifest(each) for each in wanted]
    artifacts, caller = here.subjects.artifacts, target.caller()
    listed = {file.digest: file for manifest in manifests for file in manifest.files}
    known = here.executor.read(lambda tx: artifacts.recipes(tx, listed).keys())
    missing = {digest: file for digest, file in listed.items() if digest not in known}
    located = there.executor.read(lambda tx: there.subjects.artifacts.locate(tx, missing))
    files = [_StoredFile(file.path, there.subjects.artifacts, located[file.digest]) for file in missing.values()]
    addition = _add(target, namespace, files) if files else None

    def publish(tx: Transaction) -> None:
        if addition is not None:
            artifacts.commit(tx, addition, owner=caller.id)
        for manifest in manifests:
            artifacts.store_manifest(tx, manifest, namespace=namespace)

    here.executor.write(publish)
    return sum(file.size for file in missing.values())


def _add(target: LocalTransfer, namespace: str, files: Sequence[_StoredFile]) -> Addition:
    """Return files stored, for their upload to be committed."""
    executor, artifacts, owner = target.folder.system.executor, target.folder.system.subjects.artifacts, target.caller()
    executor.write(artifacts.sweep)
    upload = executor.write(lambda tx: artifacts.begin(tx, owner=owner.id, namespace=namespace))
    try:
        with artifacts.intake(upload, executor.read) as intake:
            added = intake.add(files)
            addition = intake.finish()
        _check_same(files, added)
    except BaseException:
        executor.write(lambda tx: artifacts.abandon(tx, upload.id, owner=owner.id))
        raise
    return addition


def _check_same(files: Sequence[_StoredFile], added: Sequence[AddedFile]) -> None:
    for file, stored in zip(files, added, strict=True):
        if stored.digest != file.stored.digest:
            raise CorruptError(f"it reads as {stored.digest}, not as {file.stored.digest}", place=file.path)
