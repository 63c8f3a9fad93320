"""Pack stores that fail on purpose: a decorator over any other, to see what a failure leaves behind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import BlobStore, PackDraft
from stemma.errors import UnavailableError


@dataclass(slots=True)
class Faults:
    """Counts the calls that change something and fails the `fail_at`-th, counted from 1; 0 never fails.

    With `torn`, a failing append has written half of its bytes; with `stays`, every later call fails too, as on a
    full disk. With `silent`, the failing append claims success and has changed one byte, as bad memory would.
    """

    fail_at: int = 0
    torn: bool = False
    stays: bool = False
    silent: bool = False
    calls: int = field(default=0)

    def fails(self) -> bool:
        """Count a call and say whether it fails."""
        self.calls += 1
        return bool(self.fail_at) and (self.calls == self.fail_at or (self.stays and self.calls > self.fail_at))

    def strike(self) -> None:
        """Count a call and fail it if its turn has come."""
        if self.fails():
            raise UnavailableError("No space left on device", hint="This failure was ordered by a test.")


class FaultyDraft:
    """A draft whose calls may fail."""

    def __init__(self, inner: PackDraft, faults: Faults) -> None:
        self.inner = inner
        self._faults = faults

    def append(self, data: bytes) -> None:
        """Write, or fail."""
        if not self._faults.fails():
            self.inner.append(data)
            return
        if self._faults.silent:
            self.inner.append(data[:-1] + bytes([data[-1] ^ 1]))
            return
        if self._faults.torn:
            self.inner.append(data[: len(data) // 2])
        raise UnavailableError("No space left on device", hint="This failure was ordered by a test.")

    def seal(self) -> None:
        """Make durable, or fail."""
        self._faults.strike()
        self.inner.seal()

    def read(self, offset: int, length: int) -> bytes:
        """Read; never fails on purpose."""
        return self.inner.read(offset, length)

    def close(self) -> None:
        """Close; never fails on purpose."""
        self.inner.close()


@dataclass(frozen=True, slots=True)
class FaultyPackStore:
    """`inner`, whose changing calls fail as `faults` says."""

    inner: BlobStore
    faults: Faults

    def create(self, upload: str) -> PackDraft:
        """Begin a pack, or fail."""
        self.faults.strike()
        return FaultyDraft(self.inner.create(upload), self.faults)

    def publish(self, packs: Sequence[tuple[PackDraft, PackId]]) -> None:
        """Publish one after the other, and fail before one of them."""
        for draft, pack in packs:
            self.faults.strike()
            self.inner.publish([(draft.inner if isinstance(draft, FaultyDraft) else draft, pack)])

    def extend(self, upload: str, pack: PackId, offset: int, data: bytes) -> int:
        """Append, or fail with nothing or, if torn, half of it written."""
        if not self.faults.fails():
            return self.inner.extend(upload, pack, offset, data)
        if self.faults.silent:
            return self.inner.extend(upload, pack, offset, data[:-1] + bytes([data[-1] ^ 1]))
        if self.faults.torn:
            self.inner.extend(upload, pack, offset, data[: len(data) // 2])
        raise UnavailableError("No space left on device", hint="This failure was ordered by a test.")

    def arrived(self, upload: str) -> Mapping[PackId, int]:
        """Return the sizes."""
        return self.inner.arrived(upload)

    def seal(self, upload: str, pack: PackId) -> PackDraft:
        """Make durable, or fail."""
        self.faults.strike()
        return self.inner.seal(upload, pack)

    def read(self, pack: PackId, offset: int, length: int) -> bytes:
        """Read."""
        return self.inner.read(pack, offset, length)

    def size(self, pack: PackId) -> int:
        """Return the size."""
        return self.inner.size(pack)

    def packs(self) -> Iterator[PackId]:
        """Yield the packs."""
        return self.inner.packs()

    def remove(self, pack: PackId) -> None:
        """Delete, or fail."""
        self.faults.strike()
        self.inner.remove(pack)

    def uploads(self) -> Iterator[str]:
        """Yield the uploads."""
        return self.inner.uploads()

    def discard(self, upload: str) -> None:
        """Delete what is private; never fails on purpose, so that the clearing up can be seen."""
        self.inner.discard(upload)
