"""Checkouts: files of versions on their way from a server, kept for the next time and for when it is out of reach.

What is kept is checked, byte by byte, each time that it is used; what is not right any more is fetched again. A version
that is larger than the whole cache may be goes past it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.ports import SourceFile
from stemma.client.calls import Opened, Wire
from stemma.client.files.beneath import Beneath
from stemma.client.files.checkout import Checkout, check_out
from stemma.client.files.copies import Copies
from stemma.client.files.transfer import Stored, filled, told
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.client.remote.cache import Cache
from stemma.records import Digest


class Checkouts:
    """Passes on what `wire` transfers, by way of the cache where it fits in there."""

    def __init__(self, wire: Wire, cache: Cache, identity: Callable[[], str]) -> None:
        self._wire = wire
        self._cache = cache
        self._identity = identity
        self._held = ExitStack()

    def store(self, namespace: str, source: Path, *, follow_links: bool, progress: Progress) -> Stored:
        """Store the files under `source` on the server."""
        return self._wire.store(namespace, source, follow_links=follow_links, progress=progress)

    def manifest(self, wanted: Wanted) -> Manifest:
        """Return the list of files; it has the digest that is wanted."""
        return self._wire.manifest(wanted)

    def check_out(self, wanted: Wanted, destination: Path, *, overwrite: bool, progress: Progress) -> Checkout:
        """Write the files into `destination`, from what is kept, which is fetched first where there is room for it."""
        manifest = self._wire.manifest(wanted)
        if manifest.size > self._cache.limit:
            return self._wire.check_out(wanted, destination, overwrite=overwrite, progress=progress)
        with (
            self._kept(wanted, manifest, progress) as kept,
            Beneath(kept) as folder,
            told(progress, "Checking out", manifest.size),
        ):
            return check_out(
                manifest,
                Copies.of(manifest),
                Copies(folder),
                destination,
                overwrite=overwrite,
                progress=progress.advance,
            )

    def shared(self, wanted: Wanted, progress: Progress) -> Path:
        """Return a verified folder with the files; it is not cleared away before the repository is closed."""
        manifest = self._wire.manifest(wanted)
        return self._held.enter_context(self._kept(wanted, manifest, progress))

    def opened(
        self, wanted: Sequence[Wanted], digests: Collection[Digest]
    ) -> AbstractContextManager[Sequence[SourceFile]]:
        """Open contents of versions, past what is kept: they are wanted once."""
        return self._wire.opened(wanted, digests)

    def take(self, namespace: str, manifests: Sequence[Manifest], opened: Opened) -> int:
        """Store the contents of manifests that the server lacks."""
        return self._wire.take(namespace, manifests, opened)

    def check(self, wanted: Wanted, progress: Progress) -> Iterator[tuple[str, str]]:
        """Fetch every file again, past what is kept; yield (path, what is wrong)."""
        return self._wire.check(wanted, progress)

    def close(self) -> None:
        """Let go of the folders that were shared."""
        self._held.close()

    @contextmanager
    def _kept(self, wanted: Wanted, manifest: Manifest, progress: Progress) -> Iterator[Path]:
        """Give the folder of the cache with the files, which nobody clears away meanwhile."""
        with self._cache.using(self._identity(), wanted.manifest, manifest.size) as place:
            filled(
                place,
                lambda: self._wire.check_out(wanted, place, overwrite=True, progress=progress),
            )
            yield place
