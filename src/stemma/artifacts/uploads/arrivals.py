"""Arrivals: packs that were made elsewhere, portion by portion; sealed, read, checked, published and entered.

Whatever they are, memory is bounded. Nothing is seen before the transaction of `conclude`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.pipeline import THREADS
from stemma.artifacts.ports import ArtifactTransaction, BlobStore, Upload
from stemma.artifacts.uploads.checking import Checking, Reads, read_pack
from stemma.artifacts.uploads.intake import Addition, publish
from stemma.artifacts.uploads.limits import Limits
from stemma.artifacts.uploads.sessions import LEASE, enter, open_session, session, store_manifest
from stemma.errors import InvalidError, TooLargeError
from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Takes packs into upload sessions, which `Artifacts.begin` opens."""

    packs: BlobStore
    limits: Limits

    def session(self, tx: ArtifactTransaction, upload: str, *, owner: str) -> Upload:
        """Return a session, committed or not; a NotFoundError if it is not the owner's or has expired."""
        return session(tx, upload, owner)

    def renew(self, tx: ArtifactTransaction, upload: str, *, owner: str, lease: int = LEASE) -> Upload:
        """Prolong a session; a NotFoundError if it is not the owner's, ended or expired."""
        renewed = replace(open_session(tx, upload, owner), expires=tx.now + lease)
        tx.artifacts.uploads.put(renewed)
        return renewed

    def extend(self, upload: Upload, pack: PackId, offset: int, data: bytes) -> int:
        """Append to a pack that arrives, outside any transaction: `ArrivingPacks.extend`, within the limits."""
        if offset + len(data) > self.limits.pack:
            raise TooLargeError(f"a pack may have {self.limits.pack:,} bytes", hint="Close packs at about 64 MiB.")
        return self.packs.extend(upload.id, pack, offset, data)

    def arrived(self, upload: Upload) -> Mapping[PackId, int]:
        """Return how many bytes of each pack are there."""
        return self.packs.arrived(upload.id)

    def accept(
        self,
        upload: Upload,
        packs: Sequence[PackId],
        read: Reads,
        *,
        scopes: frozenset[str] | None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Addition:
        """Check packs as what they are, a stranger's, and publish them; outside any transaction.

        CorruptError, NotFoundError (a block that is nowhere where the uploader may look) or TooLargeError: nothing is
        published then. What `progress` raises ends the check.

        1. Each pack is sealed: nothing is added to it from here on. 2. Its frame and footer are read. 3. All is
        checked. 4. All packs are published.
        """
        if len(set(packs)) != len(packs):
            raise InvalidError("a pack is listed twice", hint="List each pack once.")
        if len(packs) > self.limits.packs:
            raise TooLargeError(f"{len(packs)} packs; one upload may have {self.limits.packs}")
        drafts = {pack: self.packs.seal(upload.id, pack) for pack in packs}
        sizes = self.packs.arrived(upload.id)
        written, room = [], self.limits.footers
        for pack, draft in drafts.items():
            written.append(read_pack(draft, pack, sizes.get(pack, 0), scope=upload.namespace, room=room))
            room -= written[-1].footer_size
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-check") as pool:
            checking = Checking(self.packs, written, read, scopes, pool, progress)
            if checking.size > self.limits.content:
                raise TooLargeError(
                    f"the new files have {checking.size:,} bytes; one upload may have {self.limits.content:,}"
                )
            checking.run()
        return publish(self.packs, upload, written)

    def conclude(
        self,
        tx: ArtifactTransaction,
        addition: Addition,
        manifest: Manifest,
        *,
        owner: str,
        scopes: frozenset[str] | None = None,
    ) -> Digest:
        """Enter what was accepted, with a manifest of files in `scopes`, and keep the session for who asks again."""
        upload = open_session(tx, addition.upload.id, owner)
        enter(tx, addition, owner)
        within = None if scopes is None else scopes | {upload.namespace}
        digest = store_manifest(tx, manifest, upload.namespace, within)
        tx.artifacts.uploads.put(replace(upload, manifest=digest))
        return digest

    def discard(self, upload: Upload) -> None:
        """Delete the private bytes of a session that has ended, outside any transaction."""
        self.packs.discard(upload.id)
