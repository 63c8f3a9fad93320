"""What one operation works with: the time, new ids, and every subject's store, over one connection.

The clock is read once, when the transaction begins. A transaction neither commits nor rolls back: the executor does.
"""

import secrets
import time
from functools import cached_property
from typing import Any, Protocol

from stemma.backends.database.access import DatabaseAccess
from stemma.backends.database.artifacts import DatabaseArtifacts
from stemma.backends.database.background.upkeep import DatabaseUpkeep
from stemma.backends.database.background.webhooks import DatabaseDeliveries, DatabaseWebhooks
from stemma.backends.database.dialect import Connection
from stemma.backends.database.idempotency import DatabaseAnswers
from stemma.backends.database.ledger import DatabaseLedger, DatabaseRecords, DatabaseTexts
from stemma.backends.database.lineage import DatabaseLineage
from stemma.backends.database.refusals import DatabaseRefusals
from stemma.backends.database.registry import registry_store
from stemma.backends.database.schema import METADATA
from stemma.names import EVERY_LOG, SYSTEM_NAMESPACE
from stemma.registry import RegistryStore

_PEOPLE = frozenset({SYSTEM_NAMESPACE, EVERY_LOG})
_REMEMBERED = 4096
ALL_TABLES = METADATA
"""Every table: each store that declares some is imported here."""


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


class Transaction:
    """One unit of work on the database; its stores are made when they are first asked for.

    `now` is the time of the transaction in microseconds since the epoch, UTC; `logs` are those that it may append to,
    all where none are given.
    """

    def __init__(
        self,
        connection: Connection,
        now: int,
        *,
        logs: frozenset[str] | None = None,
        entropy: Entropy = secrets.token_bytes,
        reads_only: bool = False,
    ) -> None:
        self.connection = connection
        self.now = now
        self.logs = logs
        self._entropy = entropy
        self._reads_only = reads_only

    @cached_property
    def generation(self) -> object | None:
        """What names the committed state that is read: equal ones mean that nothing was committed in between.

        None in a transaction that may write, and where the database does not tell.
        """
        return self.connection.generation() if self._reads_only else None

    @cached_property
    def ids(self) -> Ids:
        """What makes new ids."""
        return Ids(self.now, self._entropy)

    @cached_property
    def ledger(self) -> DatabaseLedger:
        """Entries, tiles and checkpoints."""
        return DatabaseLedger(self.connection, self.logs)

    @cached_property
    def records(self) -> DatabaseRecords:
        """Records by digest."""
        return DatabaseRecords(self.connection)

    @cached_property
    def texts(self) -> DatabaseTexts:
        """Detached texts by commitment."""
        return DatabaseTexts(self.connection)

    @cached_property
    def access(self) -> DatabaseAccess:
        """Principals and roles."""
        return DatabaseAccess(self.connection, self._memory())

    @cached_property
    def refusals(self) -> DatabaseRefusals:
        """Counts of refusals that are not entered yet."""
        return DatabaseRefusals(self.connection)

    @cached_property
    def lineage(self) -> DatabaseLineage:
        """Nodes and edges."""
        return DatabaseLineage(self.connection)

    @cached_property
    def artifacts(self) -> DatabaseArtifacts:
        """The index of packs."""
        return DatabaseArtifacts(self.connection)

    def _memory(self) -> dict[object, Any] | None:
        """Return what this connection has looked up since people, roles or tokens changed last.

        None in a transaction that may change them, which it forgets, and where the database does not tell of changes
        by others. Their entries stand in one log, so whoever does not append to it leaves them as they are.
        """
        changes = not self._reads_only and (self.logs is None or not self.logs.isdisjoint(_PEOPLE))
        state = self.generation if self._reads_only else self.connection.batch
        state = None if changes else state
        if state is None:
            self.connection.memory = (None, {})
            return None
        if self.connection.memory[0] != state or len(self.connection.memory[1]) > _REMEMBERED:
            self.connection.memory = (state, {})
        return self.connection.memory[1]

    @cached_property
    def webhooks(self) -> DatabaseWebhooks:
        """Webhooks and their sealed secrets."""
        return DatabaseWebhooks(self.connection)

    @cached_property
    def deliveries(self) -> DatabaseDeliveries:
        """What is on its way to webhooks."""
        return DatabaseDeliveries(self.connection)

    @cached_property
    def upkeep(self) -> DatabaseUpkeep:
        """Leases, and how jobs ended."""
        return DatabaseUpkeep(self.connection)

    @cached_property
    def registry(self) -> RegistryStore:
        """Models, versions, numbers, names, labels and evidence."""
        return registry_store(self.connection)

    @cached_property
    def answers(self) -> DatabaseAnswers:
        """Answers by idempotency key."""
        return DatabaseAnswers(self.connection)
