"""The bytes of versions in a folder's own store."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemma.access import Caller
from stemma.artifacts.manifest import Manifest
from stemma.artifacts.ports import SourceFile
from stemma.client.calls import Opened
from stemma.client.files.checkout import Checkout
from stemma.client.files.moving import PackedFile, check_taken
from stemma.client.files.transfer import Stored, cached_folder, check_out_manifest, store_folder, told
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.errors import CorruptError
from stemma.records import Digest
from stemma.settings import REPOSITORY_FOLDER

if TYPE_CHECKING:
    from stemma.app import RepositoryFolder

CHECKOUTS = "checkouts"


@dataclass(frozen=True, slots=True)
class LocalTransfer:
    """Reads and writes the packs of a folder; `caller` owns what is stored."""

    folder: "RepositoryFolder"
    caller: Callable[[], Caller]

    def store(self, namespace: str, source: Path, *, follow_links: bool, progress: Progress) -> Stored:
        """Store the files under `source`; nothing of a store that fails is seen."""
        return store_folder(
            self.folder.system, self.caller(), namespace, source, follow_links=follow_links, progress=progress
        )

    def manifest(self, wanted: Wanted) -> Manifest:
        """Return the list of files."""
        artifacts = self.folder.system.subjects.artifacts
        return self.folder.system.executor.read(lambda tx: artifacts.manifest(tx, wanted.manifest))

    def check_out(self, wanted: Wanted, destination: Path, *, overwrite: bool, progress: Progress) -> Checkout:
        """Write the files into `destination`, each verified before it is seen."""
        return check_out_manifest(
            self.folder.system, wanted.manifest, destination, overwrite=overwrite, progress=progress
        )

    def shared(self, wanted: Wanted, progress: Progress) -> Path:
        """Return a verified folder with the files, in the repository's own cache."""
        cache = self.folder.root / REPOSITORY_FOLDER / CHECKOUTS
        return cached_folder(self.folder.system, wanted.manifest, cache, progress)

    @contextmanager
    def opened(self, wanted: Sequence[Wanted], digests: Collection[Digest]) -> Iterator[Sequence[SourceFile]]:
        """Open contents in the packs of this folder."""
        artifacts = self.folder.system.subjects.artifacts
        paths = {file.digest: file.path for each in wanted for file in self.manifest(each).files}
        located = self.folder.system.executor.read(lambda tx: artifacts.locate(tx, digests))
        yield [PackedFile(paths[digest], artifacts, located[digest]) for digest in sorted(digests)]

    def take(self, namespace: str, manifests: Sequence[Manifest], opened: Opened) -> int:
        """Store the contents of manifests that are not in the packs of this folder."""
        system, owner = self.folder.system, self.caller()
        artifacts, executor = system.subjects.artifacts, system.executor
        sizes = {file.digest: file.size for manifest in manifests for file in manifest.files}
        missing = sizes.keys() - executor.read(lambda tx: artifacts.recipes(tx, sizes).keys())
        if not missing:
            return 0
        executor.write(artifacts.sweep)
        upload = executor.write(lambda tx: artifacts.begin(tx, owner=owner.id, namespace=namespace))
        try:
            with opened(missing) as files, artifacts.intake(upload, executor.read) as intake:
                added = intake.add(files)
                addition = intake.finish()
            check_taken(added, missing)
        except BaseException:
            executor.write(lambda tx: artifacts.abandon(tx, upload.id, owner=owner.id))
            raise
        executor.write(lambda tx: artifacts.commit(tx, addition, owner=owner.id))
        return sum(sizes[digest] for digest in missing)

    def check(self, wanted: Wanted, progress: Progress) -> Iterator[tuple[str, str]]:
        """Read every file again; yield (path, what is wrong)."""
        artifacts, executor = self.folder.system.subjects.artifacts, self.folder.system.executor
        manifest = self.manifest(wanted)
        stored = executor.read(lambda tx: artifacts.locate(tx, manifest.digests()))
        with told(progress, "Verifying", manifest.size):
            for file in manifest.files:
                try:
                    for data in artifacts.reader.stream(stored[file.digest]):
                        progress.advance(len(data))
                except CorruptError as error:
                    yield file.path, str(error)
