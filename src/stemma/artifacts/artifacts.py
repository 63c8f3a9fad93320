"""The artifact store: folders of files as manifests, their bytes stored once, read back verified.

Methods that take `tx` run in a transaction and never move bytes of files; bytes move between them:

    upload = write(lambda tx: artifacts.begin(tx, owner=…, namespace=…))
    with artifacts.intake(upload, read) as intake:
        intake.add(files)
        addition = intake.finish()
    write(lambda tx: (artifacts.commit(tx, addition, owner=…), artifacts.store_manifest(tx, manifest, namespace=…)))

Packs that were made elsewhere arrive by `extend`, are checked and published by `accept`, and entered by `conclude`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.packs.recipe import Recipe
from stemma.artifacts.ports import ArtifactTransaction, BlobStore, Upload
from stemma.artifacts.reading import FileReader, StoredFile, StoredSource, locate
from stemma.artifacts.uploads.accepting import accept
from stemma.artifacts.uploads.checking import Reads
from stemma.artifacts.uploads.intake import Addition, Intake
from stemma.artifacts.uploads.limits import Limits
from stemma.artifacts.verification import Damage, Report, Verification, read_footer
from stemma.errors import ConflictError, CorruptError, InvalidError, NotFoundError, TooLargeError
from stemma.records import Digest

LEASE = 24 * 3600 * 1_000_000
"""How long an upload may go on without being renewed, in microseconds: a day."""


class Artifacts:
    """Stores and reads files. `scopes` is always the namespaces that the caller can read, None for all of them."""

    def __init__(self, packs: BlobStore, limits: Limits | None = None) -> None:
        self._packs = packs
        self.limits = limits or Limits()

    # -- storing ------------------------------------------------------------------------------------------------

    def begin(self, tx: ArtifactTransaction, *, owner: str, namespace: str, lease: int = LEASE) -> Upload:
        """Open an upload session for `owner`, to be committed or renewed within `lease` microseconds."""
        if tx.artifacts.uploads.open(owner, tx.now) >= self.limits.sessions:
            raise TooLargeError(
                f"{self.limits.sessions} uploads are open already", hint="Finish or abandon one; they end in a day."
            )
        upload = Upload(tx.ids.random(16).hex(), owner, namespace, tx.now, tx.now + lease)
        tx.artifacts.uploads.put(upload)
        return upload

    def renew(self, tx: ArtifactTransaction, upload: str, *, owner: str, lease: int = LEASE) -> Upload:
        """Prolong a session; a NotFoundError if it is not the owner's, ended or expired."""
        renewed = replace(_open_session(tx, upload, owner), expires=tx.now + lease)
        tx.artifacts.uploads.put(renewed)
        return renewed

    def session(self, tx: ArtifactTransaction, upload: str, *, owner: str) -> Upload:
        """Return a session, committed or not; a NotFoundError if it is not the owner's or has expired."""
        found = tx.artifacts.uploads.find(upload)
        if found is None or found.owner != owner or found.expires <= tx.now:
            raise _no_upload(upload)
        return found

    def extend(self, upload: Upload, pack: PackId, offset: int, data: bytes) -> int:
        """Append to a pack that arrives, outside any transaction: `ArrivingPacks.extend`, within the limits."""
        if offset + len(data) > self.limits.pack:
            raise TooLargeError(f"a pack may have {self.limits.pack:,} bytes", hint="Close packs at about 64 MiB.")
        return self._packs.extend(upload.id, pack, offset, data)

    def arrived(self, upload: Upload) -> Mapping[PackId, int]:
        """Return how many bytes of each pack are there."""
        return self._packs.arrived(upload.id)

    def intake(
        self,
        upload: Upload,
        read: Reads,
        *,
        scopes: frozenset[str] | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Intake:
        """Return what takes the files of `upload`, outside any transaction; `progress` is told bytes of input."""
        return Intake(self._packs, upload, read, scopes=scopes, progress=progress)

    def commit(self, tx: ArtifactTransaction, addition: Addition, *, owner: str) -> None:
        """Enter what was published and end the session; a NotFoundError if it is not the owner's or has expired."""
        upload = _open_session(tx, addition.upload.id, owner)
        for pack, footer, size in addition.packs:
            if footer.scope != upload.namespace:
                raise ConflictError(
                    f"the packs were written for {footer.scope!r}, the upload is for {upload.namespace!r}"
                )
            tx.artifacts.add(pack, footer, size)
        tx.artifacts.uploads.remove(upload.id)

    def abandon(self, tx: ArtifactTransaction, upload: str, *, owner: str) -> None:
        """End a session without keeping anything; a NotFoundError if it is not the owner's or has expired."""
        tx.artifacts.uploads.remove(_open_session(tx, upload, owner).id)
        self._packs.discard(upload)

    def accept(
        self,
        upload: Upload,
        packs: Sequence[PackId],
        read: Reads,
        *,
        scopes: frozenset[str] | None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Addition:
        """Check packs that arrived as what they are, a stranger's, and publish them; outside any transaction.

        CorruptError, NotFoundError (a block that is nowhere where the uploader may look) or TooLargeError: nothing is
        published then. What `progress` raises ends the check.
        """
        return accept(self._packs, upload, packs, read, self.limits, scopes=scopes, progress=progress)

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
        self.commit(tx, addition, owner=owner)
        upload = addition.upload
        within = None if scopes is None else scopes | {upload.namespace}
        digest = self.store_manifest(tx, manifest, namespace=upload.namespace, scopes=within)
        tx.artifacts.uploads.put(replace(upload, manifest=digest))
        return digest

    def discard(self, upload: Upload) -> None:
        """Delete the private bytes of a session that has ended, outside any transaction."""
        self._packs.discard(upload.id)

    def store_manifest(
        self, tx: ArtifactTransaction, manifest: Manifest, *, namespace: str, scopes: frozenset[str] | None = None
    ) -> Digest:
        """Store the record for versions of `namespace`, and return its digest.

        NotFoundError for a file that `scopes` do not hold: nobody can name a digest and be given a file that they never
        had.
        """
        recipes = tx.artifacts.recipes(manifest.digests(), scopes)
        for file in manifest.files:
            recipe = recipes.get(file.digest)
            if recipe is None:
                raise NotFoundError(
                    f"the content {file.digest} of {file.path!a} is not stored", hint="Upload it first."
                )
            if recipe.size != file.size:
                raise InvalidError(f"{file.path!a} has {recipe.size} bytes, not {file.size}")
        data = manifest.encode()
        digest = Digest.of(data)
        tx.records.put(digest, data)
        tx.artifacts.manifests.add(digest, namespace)
        return digest

    # -- reading ------------------------------------------------------------------------------------------------

    def manifest(self, tx: ArtifactTransaction, digest: Digest) -> Manifest:
        """Return a stored manifest: NotFoundError, or CorruptError if the record is not what its digest says."""
        data = tx.records.read(digest)
        if data is None:
            raise NotFoundError(f"there is no manifest {digest}")
        if Digest.of(data) != digest:
            raise CorruptError("the record does not match its digest", place=f"record {digest}")
        return Manifest.decode(data)

    def recipes(
        self, tx: ArtifactTransaction, digests: Iterable[Digest], *, scopes: frozenset[str] | None = None
    ) -> Mapping[Digest, Recipe]:
        """Return how those of the files are put together that are stored: sizes, formats, tensors."""
        return tx.artifacts.recipes(digests, scopes)

    def locate(self, tx: ArtifactTransaction, digests: Iterable[Digest]) -> Mapping[Digest, StoredFile]:
        """Return where files are, to be read outside the transaction; a NotFoundError names one that is not stored.

        The caller has found the digests in something that its own caller may read.
        """
        wanted = frozenset(digests)
        recipes = tx.artifacts.recipes(wanted, None)
        for digest in wanted - recipes.keys():
            raise NotFoundError(
                f"the content {digest} is not stored", hint="Run 'stemma verify' to see what is missing."
            )
        return locate(tx.artifacts, recipes)

    @property
    def reader(self) -> FileReader:
        """Reads what `locate` found, every byte verified."""
        return FileReader(self._packs)

    def source(self, file: StoredFile) -> StoredSource:
        """Return a stored file as something to read from at any offset."""
        return StoredSource(self.reader, file)

    # -- upkeep -------------------------------------------------------------------------------------------------

    def verify(
        self, tx: ArtifactTransaction, *, deep: bool, progress: Callable[[int], None] = lambda _: None
    ) -> Report:
        """Check the store: quick looks at packs and index, deep decodes every block and hashes every file."""
        return Verification(self._packs, tx.artifacts, deep, progress).run()

    def adopt(self, tx: ArtifactTransaction, *, but: frozenset[PackId] = frozenset()) -> tuple[Damage, ...]:
        """Enter every published pack that the index lacks, `but` these; return those whose footer cannot be read.

        Rebuilds an empty index. Safe beside others: a pack is whole when it can be seen, and entering is idempotent.
        """
        listed = {summary.id for summary in tx.artifacts.packs()}
        broken = []
        for pack in sorted(set(self._packs.packs()) - listed - but):
            try:
                footer, size = read_footer(self._packs, pack)
            except CorruptError as error:
                broken.append(Damage(pack, 0, self._packs.size(pack), str(error)))
            else:
                tx.artifacts.add(pack, footer, size)
        return tuple(broken)

    def sweep(self, tx: ArtifactTransaction) -> int:
        """End expired sessions and delete what they left, and what no session owns; return how many."""
        for expired in tx.artifacts.uploads.expired(tx.now):
            tx.artifacts.uploads.remove(expired.id)
        leftovers = [upload for upload in self._packs.uploads() if tx.artifacts.uploads.find(upload) is None]
        for upload in leftovers:
            self._packs.discard(upload)
        return len(leftovers)

    def unindexed(self, tx: ArtifactTransaction) -> tuple[PackId, ...]:
        """Return packs that were published and never committed."""
        return tuple(sorted(set(self._packs.packs()) - {summary.id for summary in tx.artifacts.packs()}))


def _open_session(tx: ArtifactTransaction, upload: str, owner: str) -> Upload:
    found = tx.artifacts.uploads.find(upload)
    if found is None or found.owner != owner or found.expires <= tx.now or found.manifest is not None:
        raise _no_upload(upload)
    return found


def _no_upload(upload: str) -> NotFoundError:
    return NotFoundError(f"there is no open upload {upload[:64]!r}", hint="It may have expired: begin another.")
