"""What was asked for lately, by digest: it never changes, and takes long to read. Whoever asks may read it."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from stemma.records import Digest

Kept = TypeVar("Kept")


@dataclass(slots=True)
class Lately(Generic[Kept]):
    """Keeps values that together weigh at most `limit`, the last one in any case. Used from several threads."""

    limit: int
    _weight: int = 0
    _lock: Lock = field(default_factory=Lock)
    _kept: OrderedDict[Digest, tuple[Kept, int]] = field(default_factory=OrderedDict)

    def find(self, digest: Digest) -> Kept | None:
        """Return what is kept."""
        with self._lock:
            found = self._kept.get(digest)
            if found is None:
                return None
            self._kept.move_to_end(digest)
            return found[0]

    def keep(self, digest: Digest, value: Kept, weight: int) -> None:
        """Keep a value, and forget those that were not asked for longest."""
        with self._lock:
            self._drop(digest)
            self._kept[digest] = (value, weight)
            self._weight += weight
            while self._weight > self.limit and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def forget(self, digest: Digest) -> None:
        """Forget a value."""
        with self._lock:
            self._drop(digest)

    def _drop(self, digest: Digest) -> None:
        found = self._kept.pop(digest, None)
        if found is not None:
            self._weight -= found[1]
