"""What the ledger asks of a transaction and its stores.

Stores write in the transaction that they belong to and never commit. Reading what is not there answers None or
nothing; a backend raises CorruptError where its own bytes contradict each other and UnavailableError where it
cannot be reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log: how many entries it has, and the time of the last, 0 where there is none."""

    size: int
    time: int


EMPTY = Head(0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it is stored: canonical `data`, and the columns by which logs are searched."""

    sequence: int
    time: int
    action: str
    actor: str
    concerns: str
    leaf_hash: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Tile:
    """At most 256 hashes of 32 bytes, C2SP tlog-tiles; narrower than 256 only at the end of its level."""

    level: int
    number: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries of a log are asked for; a member that is None admits all.

    `concerns` is a model or the id of a thing (`Draft.concerns`). Times are microseconds: from `since`, before `until`.
    """

    concerns: str | None = None
    action: str | None = None
    actor: str | None = None
    since: int | None = None
    until: int | None = None


EVERYTHING = LogFilter()


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed note over the first `size` entries of a log, made at `time` (microseconds)."""

    size: int
    time: int
    note: bytes


class LedgerStore(Protocol):
    """Where the logs lie: entries, complete tiles and checkpoints, per namespace.

    A log's partial tile of level 0 is never stored: it is the leaf hashes of its last entries.
    """

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all logs with at least one entry, sorted."""
        ...

    def head(self, namespace: str) -> Head:
        """Return the end of a log; within a writing transaction nobody else can append until it ends."""
        ...

    def add(self, namespace: str, rows: Sequence[Row], tiles: Sequence[Tile]) -> None:
        """Append `rows`, which continue the log without a gap, and store `tiles`, replacing narrower ones."""
        ...

    def rows(self, namespace: str, first: int, count: int) -> list[Row]:
        """Return up to `count` entries from sequence number `first` on, in order."""
        ...

    def search(
        self, namespace: str, chosen: LogFilter, *, first: int, end: int, newest_first: bool, limit: int
    ) -> list[bytes]:
        """Return up to `limit` entries' bytes with sequence numbers in [`first`, `end`), ignoring `chosen`'s times."""
        ...

    def tile(self, namespace: str, level: int, number: int) -> bytes:
        """Return a tile's hashes, as many as there are; level 0 includes entries not yet in a complete tile."""
        ...

    def checkpoints(self, namespace: str, *, below: int | None, limit: int) -> list[StoredCheckpoint]:
        """Return up to `limit` checkpoints, newest first, those smaller than `below` if given."""
        ...

    def add_checkpoint(self, namespace: str, checkpoint: StoredCheckpoint) -> None:
        """Store a checkpoint."""
        ...


class RecordStore(Protocol):
    """Records by digest: immutable, never removed."""

    def put(self, digest: Digest, data: bytes) -> None:
        """Store `data`, whose digest it is; storing it again changes nothing."""
        ...

    def read(self, digest: Digest) -> bytes | None:
        """Return the bytes of a record."""
        ...

    def has(self, digest: Digest) -> bool:
        """Return whether the record is here."""
        ...


class TextStore(Protocol):
    """Detached texts by their commitment; redacting one forgets its salt too, so that the text cannot be guessed."""

    def put(self, commitment: str, salt: bytes, text: str) -> None:
        """Store a text beside its commitment; storing it again changes nothing."""
        ...

    def read(self, commitment: str) -> tuple[bytes, str | None] | None:
        """Return salt and text, `(b"", None)` where it was redacted, None where it was never here."""
        ...

    def redact(self, commitment: str) -> None:
        """Forget text and salt for good; NotFoundError where there is none of that commitment."""
        ...


class Ids(Protocol):
    """Where randomness comes from."""

    def random(self, size: int, /) -> bytes:
        """Return `size` unpredictable bytes."""
        ...


class LogTransaction(Protocol):
    """What reading and writing one log uses of a transaction; `now` is in microseconds since the epoch."""

    @property
    def now(self) -> int: ...  # noqa: D102 - the class says it

    @property
    def ledger(self) -> LedgerStore: ...  # noqa: D102 - the class says it


class TextTransaction(Protocol):
    """What committing to a text uses of a transaction."""

    @property
    def ids(self) -> Ids: ...  # noqa: D102 - the class says it

    @property
    def texts(self) -> TextStore: ...  # noqa: D102 - the class says it


class LedgerTransaction(LogTransaction, TextTransaction, Protocol):
    """All that the ledger uses of a transaction."""

    @property
    def records(self) -> RecordStore: ...  # noqa: D102 - the class says it
