"""What the artifact store asks of others: bytes to read, packs to keep them in, an index, a transaction.

Everything here is a contract; `stemma.backends` and `stemma.client` implement it, `stemma.conformance` tests it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from stemma.artifacts.packs.pack import Footer, PackId, StoredBlock
from stemma.artifacts.packs.recipe import BlockId, Recipe, SegmentId
from stemma.records import Digest


class Source(Protocol):
    """Bytes to store, of known size. Reads may come from several threads at once."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`; a ConflictError where the source has become shorter."""
        ...


class SourceFile(Protocol):
    """A file that can be opened for reading, once or again."""

    @property
    def path(self) -> str:
        """What to call it in messages and in the manifest."""
        ...

    @property
    def size(self) -> int:
        """How many bytes it had when it was listed."""
        ...

    def open(self) -> AbstractContextManager[Source]:
        """Open it; leaving the context raises a ConflictError if the content may have changed meanwhile."""
        ...


class PackDraft(Protocol):
    """A pack that is being written, private to its upload."""

    def append(self, data: bytes) -> None:
        """Write all of `data` behind what is there; an UnavailableError (disk full …) leaves the draft unusable."""
        ...

    def seal(self) -> None:
        """Make what was appended durable; nothing may be appended afterwards."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`, fewer where the draft ends; possible before and after `seal`."""
        ...

    def close(self) -> None:
        """Let go of the handle; idempotent. The bytes stay."""
        ...


class PackStore(Protocol):
    """Keeps packs: immutable once published, never half there.

    Raises UnavailableError where the disk or server fails, NotFoundError for a pack that is not there.
    """

    def create(self, upload: str) -> PackDraft:
        """Begin a private pack inside the upload session `upload`."""
        ...

    def publish(self, packs: Sequence[tuple[PackDraft, PackId]]) -> None:
        """Make sealed drafts visible under their ids, durably, each all or nothing; idempotent per id.

        Where a pack exists already under the id, either is kept: the bytes are the same. After a failure some
        may be visible, each complete.
        """
        ...

    def read(self, pack: PackId, offset: int, length: int) -> bytes:
        """Return the bytes of a published pack at `offset`, fewer where it ends. Safe from several threads."""
        ...

    def size(self, pack: PackId) -> int:
        """Return the bytes of a published pack."""
        ...

    def packs(self) -> Iterator[PackId]:
        """Yield every published pack, in no order."""
        ...

    def remove(self, pack: PackId) -> None:
        """Delete a published pack; idempotent."""
        ...

    def uploads(self) -> Iterator[str]:
        """Yield the upload sessions that have left something private behind."""
        ...

    def discard(self, upload: str) -> None:
        """Delete what an upload session left; idempotent."""
        ...


class ArrivingPacks(Protocol):
    """Packs that arrive portion by portion, private to their upload. Safe from several threads and processes."""

    def extend(self, upload: str, pack: PackId, offset: int, data: bytes) -> int:
        """Append `data` if exactly `offset` bytes are there, and return how many were there.

        Where that is another number nothing is written, and after a ConflictError, for a sealed pack, neither. After an
        UnavailableError (disk full …) any part of `data` may be there.
        """
        ...

    def arrived(self, upload: str) -> Mapping[PackId, int]:
        """Return how many bytes of each pack are there, sealed or not."""
        ...

    def seal(self, upload: str, pack: PackId) -> PackDraft:
        """Make durable what arrived, take no more of it, and return it to be read and published; idempotent.

        It can be sealed and published again until the upload is discarded. NotFoundError where nothing arrived.
        """
        ...


class BlobStore(PackStore, ArrivingPacks, Protocol):
    """Packs, and those that arrive."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy of a block is."""

    pack: PackId
    block: StoredBlock


@dataclass(frozen=True, slots=True)
class PackSummary:
    """A pack as the index knows it: `size` in bytes, `scope` the namespace that stored it."""

    id: PackId
    size: int
    scope: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session: who holds it, for which namespace, and until when (microseconds since the epoch).

    `manifest` is there once it was committed: whoever lost that answer is told it again.
    """

    id: str
    owner: str
    namespace: str
    began: int
    expires: int
    manifest: Digest | None = None


class UploadJournal(Protocol):
    """Upload sessions, as rows that every process sees. A journal: not ledgered, short-lived."""

    def put(self, upload: Upload) -> None:
        """Insert the session, or replace it."""
        ...

    def find(self, upload: str) -> Upload | None:
        """Return the session, expired or not."""
        ...

    def remove(self, upload: str) -> None:
        """Forget the session; idempotent."""
        ...

    def expired(self, now: int) -> Sequence[Upload]:
        """Return the sessions whose lease ran out at or before `now`."""
        ...

    def open(self, owner: str, now: int) -> int:
        """Return how many sessions an owner holds whose lease runs and that were not committed."""
        ...


class ArtifactIndex(Protocol):
    """Where everything is, rebuilt at any time from the footers of the packs.

    A block may stand in several packs. A `scopes` of None asks about all namespaces; otherwise only what was
    stored for one of them is answered, so that a digest cannot be used to probe for others' files.
    """

    uploads: UploadJournal
    manifests: "ManifestScopes"

    def add(self, pack: PackId, footer: Footer, size: int) -> None:
        """Enter a published pack of `size` bytes; idempotent."""
        ...

    def remove(self, pack: PackId) -> None:
        """Forget a pack and what only it held; idempotent."""
        ...

    def packs(self) -> Sequence[PackSummary]:
        """Return every pack, sorted by id."""
        ...

    def footer(self, pack: PackId) -> Footer:
        """Return what was entered for a pack, in the order of the pack; a NotFoundError if nothing was."""
        ...

    def known_blocks(self, ids: Iterable[BlockId], scopes: frozenset[str] | None) -> frozenset[BlockId]:
        """Return those of `ids` that are stored."""
        ...

    def recipes(self, digests: Iterable[Digest], scopes: frozenset[str] | None) -> Mapping[Digest, Recipe]:
        """Return the recipes of those files that are stored."""
        ...

    def segments(self, ids: Iterable[SegmentId]) -> Mapping[SegmentId, tuple[BlockId, ...]]:
        """Return the blocks of those segments that are stored."""
        ...

    def places(self, ids: Iterable[BlockId]) -> Mapping[BlockId, tuple[Place, ...]]:
        """Return all copies of those blocks that are stored."""
        ...


class ManifestScopes(Protocol):
    """For which namespaces a manifest was committed. A journal: it says who may register it."""

    def add(self, manifest: Digest, namespace: str, size: int) -> None:
        """Note that it was committed for a namespace, and how many bytes its files have; idempotent."""
        ...

    def of(self, manifest: Digest) -> frozenset[str]:
        """Return the namespaces for which it was committed."""
        ...


class RecordStore(Protocol):
    """Where manifests are kept."""

    def put(self, digest: Digest, data: bytes) -> None:
        """Store; idempotent."""
        ...

    def read(self, digest: Digest) -> bytes | None:
        """Return the bytes, or None."""
        ...


class Ids(Protocol):
    """Makes ids that nobody can guess or repeat."""

    def random(self, n: int, /) -> bytes:
        """Return `n` random bytes."""
        ...


class ArtifactTransaction(Protocol):
    """What of a transaction this subject uses; `now` in microseconds since the epoch, UTC."""

    @property
    def now(self) -> int:
        """The time of the transaction."""
        ...

    @property
    def ids(self) -> Ids:
        """Fresh ids."""
        ...

    @property
    def artifacts(self) -> ArtifactIndex:
        """The index."""
        ...

    @property
    def records(self) -> RecordStore:
        """The records."""
        ...
