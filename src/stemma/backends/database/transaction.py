"""What one operation works with: the time, new ids, and every subject's store, over one connection.

The clock is read once, when the transaction begins. A transaction neither commits nor rolls back: the executor does.
"""

import secrets
import time
from functools import cached_property
from typing import Any, Protocol

from stemma.backends.database.dialect import Connection


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Return microseconds since the epoch, UTC."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> int:
        """Return microseconds since the epoch, UTC."""
        return time.time_ns() // 1000


class SettableClock:
    """A clock for tests: it stands still until it is moved, also backwards."""

    def __init__(self, now: int) -> None:
        self.time = now

    def now(self) -> int:
        """Return the time that was set."""
        return self.time

    def advance(self, microseconds: int) -> None:
        """Move the clock."""
        self.time += microseconds


class Entropy(Protocol):
    """Where random bytes come from."""

    def __call__(self, size: int, /) -> bytes:
        """Return `size` bytes that nobody can guess."""


class Ids:
    """Makes what must be new: random bytes and UUIDs of version 7."""

    __slots__ = ("_entropy", "_now")

    def __init__(self, now: int, entropy: Entropy = secrets.token_bytes) -> None:
        self._now = now
        self._entropy = entropy

    def random(self, size: int) -> bytes:
        """Return `size` bytes that nobody can guess."""
        return self._entropy(size)

    def uuid7(self) -> str:
        """Return a UUID of version 7 (RFC 9562, section 5.7) as 32 hex digits: milliseconds, then 74 random bits."""
        milliseconds = (self._now // 1000) & (1 << 48) - 1
        noise = int.from_bytes(self._entropy(10), "big")
        upper, lower = noise >> 62 & 0xFFF, noise & (1 << 62) - 1
        return f"{milliseconds << 80 | 0x7 << 76 | upper << 64 | 0b10 << 62 | lower:032x}"


class Memory:
    """What was read on one reading connection, kept while nobody has committed since."""

    __slots__ = ("_caches", "_checked", "_connection", "_version")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._caches: dict[str, dict[Any, Any]] = {}
        self._version: object = None
        self._checked = False

    def begin(self) -> None:
        """Note that a new snapshot begins; whether it differs is found out when a cache is asked for."""
        self._checked = False

    def cache(self, name: str) -> dict[Any, Any]:
        """Return the cache `name` of this snapshot, empty where anything was committed since it was filled.

        SQLite's `data_version` is fixed inside a snapshot and changes with every commit of another connection; a
        reading connection makes none.
        """
        if not self._checked:
            version = self._connection.script("PRAGMA data_version")
            if version != self._version:
                self._caches.clear()
                self._version = version
            self._checked = True
        return self._caches.setdefault(name, {})


class Transaction:
    """One unit of work on the database; its stores are made when they are first asked for.

    `now` is the time of the transaction in microseconds since the epoch, UTC.
    """

    def __init__(
        self,
        connection: Connection,
        now: int,
        entropy: Entropy = secrets.token_bytes,
        memory: Memory | None = None,
    ) -> None:
        self.connection = connection
        self.now = now
        self._entropy = entropy
        self._memory = memory

    @cached_property
    def ids(self) -> Ids:
        """What makes new ids."""
        return Ids(self.now, self._entropy)

    def snapshot_cache(self, name: str) -> dict[Any, Any]:
        """Return a dictionary of what was read in exactly this state of the database; whoever fills it bounds it.

        A transaction that writes gets a new, empty one.
        """
        return {} if self._memory is None else self._memory.cache(name)
