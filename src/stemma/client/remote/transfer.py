"""The bytes of versions, on their way to a server and back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.client.calls import Run
from stemma.client.files.checkout import Checkout
from stemma.client.files.transfer import Stored
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.client.remote.transport import Transport
from stemma.errors import CorruptError, UnsupportedError
from stemma.operations.requests import OfReference
from stemma.operations.versions import FILES
from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class RemoteTransfer:
    """Transfers bytes over `transport`; `run` runs operations on the same server."""

    transport: Transport
    run: Run

    def store(self, namespace: str, source: Path, *, follow_links: bool, progress: Progress) -> Stored:
        """Store the files under `source`."""
        del namespace, source, follow_links, progress
        self._refuse("pushing")

    def manifest(self, wanted: Wanted) -> Manifest:
        """Return the list of files; CorruptError where it has another digest than is wanted."""
        found = self.run(FILES, OfReference(reference=wanted.reference))
        files = (ManifestFile(file.path, file.size, Digest.parse(file.digest), file.executable) for file in found.files)
        manifest = Manifest.of(files, found.directories)
        if manifest.digest != wanted.manifest:
            raise CorruptError(
                f"the list of files is not {wanted.manifest}", place=f"{self.transport.address} {wanted.reference}"
            )
        return manifest

    def check_out(self, wanted: Wanted, destination: Path, *, overwrite: bool, progress: Progress) -> Checkout:
        """Write the files into `destination`."""
        del wanted, destination, overwrite, progress
        self._refuse("pulling")

    def check(self, wanted: Wanted, progress: Progress) -> Iterator[tuple[str, str]]:
        """Fetch every file again."""
        del wanted, progress
        self._refuse("verifying")

    def _refuse(self, wish: str) -> NoReturn:
        raise UnsupportedError(f"{wish} over HTTP is not there yet", place=str(self.transport.address))
