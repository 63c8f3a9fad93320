"""A whole artifact store for tests: the real index on SQLite in memory, any pack store, a clock that is set."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from stemma.artifacts.artifacts import Artifacts
from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.artifacts.ports import ArtifactTransaction, BlobStore, Source, Upload
from stemma.artifacts.uploads.intake import Addition
from stemma.artifacts.uploads.tasks import BytesSource
from stemma.backends.blobs.memory import MemoryPackStore
from stemma.backends.database.artifacts import DatabaseArtifacts
from stemma.backends.database.ledger import DatabaseRecords
from stemma.records import Digest
from tests.databases import new_connection

Answer = TypeVar("Answer")
OWNER = "u_tester"


@dataclass(slots=True)
class CountedIds:
    """Ids that repeat from run to run."""

    count: int = 0

    def random(self, n: int, /) -> bytes:
        self.count += 1
        return self.count.to_bytes(n, "big")


@dataclass(slots=True)
class TestTransaction:
    """What the subject asks of a transaction."""

    __test__ = False

    now: int
    ids: CountedIds
    artifacts: DatabaseArtifacts
    records: DatabaseRecords


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes under a path."""

    path: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> AbstractContextManager[Source]:
        return nullcontext(BytesSource(self.data))


@dataclass(slots=True)
class Store:
    """An artifact store and the transactions on it."""

    packs: BlobStore = field(default_factory=MemoryPackStore)
    tx: TestTransaction = field(init=False)
    artifacts: Artifacts = field(init=False)

    def __post_init__(self) -> None:
        self.tx = self.new_index()
        self.artifacts = Artifacts(self.packs)

    def new_index(self) -> TestTransaction:
        connection = new_connection()
        return TestTransaction(1_000_000, CountedIds(), DatabaseArtifacts(connection), DatabaseRecords(connection))

    def read(self, operation: Callable[[ArtifactTransaction], Answer], /) -> Answer:
        return operation(self.tx)

    def begin(self, namespace: str = "me") -> Upload:
        return self.artifacts.begin(self.tx, owner=OWNER, namespace=namespace)

    def add(self, files: Iterable[Bytes], namespace: str = "me", scopes: frozenset[str] | None = None) -> Addition:
        """Store files and commit."""
        with self.artifacts.intake(self.begin(namespace), self.read, scopes=scopes) as intake:
            intake.add(files)
            addition = intake.finish()
        self.artifacts.commit(self.tx, addition, owner=OWNER)
        return addition

    def push(self, tree: dict[str, bytes]) -> Digest:
        """Store a folder and return its manifest's digest."""
        self.add([Bytes(path, data) for path, data in tree.items()])
        manifest = Manifest.of(ManifestFile(path, len(data), Digest.of(data)) for path, data in tree.items())
        return self.artifacts.store_manifest(self.tx, manifest, namespace="me")

    def content(self, digest: Digest) -> bytes:
        """Read a file back."""
        (file,) = self.artifacts.locate(self.tx, [digest]).values()
        return b"".join(self.artifacts.reader.stream(file))

    def pull(self, digest: Digest) -> dict[str, bytes]:
        """Read a folder back."""
        manifest = self.artifacts.manifest(self.tx, digest)
        return {file.path: self.content(file.digest) for file in manifest.files}
