"""The artifact store: folders of files as manifests, their bytes stored once, read back verified.

Methods that take `tx` run in a transaction and never move bytes of files; bytes move between them:

    upload = write(lambda tx: artifacts.begin(tx, owner=…, namespace=…))
    with artifacts.intake(upload, read) as intake:
        intake.add(files)
        addition = intake.finish()
    write(lambda tx: (artifacts.commit(tx, addition, owner=…), artifacts.store_manifest(tx, manifest, namespace=…)))

Packs that were made elsewhere come in by `arrivals`.
"""

from collections.abc import Callable, Iterable, Mapping

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.packs.recipe import Recipe
from stemma.artifacts.ports import ArtifactTransaction, BlobStore, Upload
from stemma.artifacts.reading import FileReader, StoredFile, StoredSource, locate
from stemma.artifacts.uploads.arrivals import Arrivals
from stemma.artifacts.uploads.checking import Reads
from stemma.artifacts.uploads.intake import Addition, Intake
from stemma.artifacts.uploads.limits import Limits
from stemma.artifacts.uploads.sessions import LEASE, enter, open_session, store_manifest
from stemma.artifacts.verification import Damage, Report, Verification, read_footer
from stemma.errors import CorruptError, NotFoundError, TooLargeError
from stemma.records import Digest


class Artifacts:
    """Stores and reads files. `scopes` is always the namespaces that the caller can read, None for all of them."""

    def __init__(self, packs: BlobStore, limits: Limits | None = None) -> None:
        self._packs = packs
        self.limits = limits or Limits()
        self.arrivals = Arrivals(packs, self.limits)

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
        enter(tx, addition, owner)

    def abandon(self, tx: ArtifactTransaction, upload: str, *, owner: str) -> None:
        """End a session without keeping anything; a NotFoundError if it is not the owner's or has expired."""
        tx.artifacts.uploads.remove(open_session(tx, upload, owner).id)
        self._packs.discard(upload)

    def store_manifest(
        self, tx: ArtifactTransaction, manifest: Manifest, *, namespace: str, scopes: frozenset[str] | None = None
    ) -> Digest:
        """Store the record for versions of `namespace`, and return its digest.

        NotFoundError for a file that `scopes` do not hold: nobody can name a digest and be given a file that they never
        had.
        """
        return store_manifest(tx, manifest, namespace, scopes)

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
