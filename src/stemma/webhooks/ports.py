"""Webhooks and deliveries as values, and what they ask of a transaction and of what keeps secrets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeAlias

from stemma.access import AccessTransaction
from stemma.errors import InvalidError
from stemma.ledger import LedgerTransaction, check_namespace
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest

State: TypeAlias = Literal["pending", "delivered", "dead"]
_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class WebhookName:
    """`NAMESPACE/ID`; in the namespace `_system` it is told of every log, and of `_system`'s own."""

    namespace: str
    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` writes; else an InvalidError."""
        namespace, _, id_ = text.partition("/")
        if not _ID.fullmatch(id_):
            hint = "'stemma webhook list' shows them: NAMESPACE/ and 16 hexadecimal digits."
            raise InvalidError(f"{text[:80]!r} is not the name of a webhook", hint=hint)
        return cls(check_namespace(namespace), id_)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.id}"

    @property
    def is_everywhere(self) -> bool:
        """Whether it is told of every log."""
        return self.namespace == SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of events: where (the commitment to a URL, and its host), which, and since when (µs)."""

    name: WebhookName
    url: Digest
    host: str
    events: tuple[str, ...]
    texts: bool
    active: bool
    creator: str
    time: int


@dataclass(frozen=True, slots=True, order=True)
class DeliveryKey:
    """One event for one webhook; a test stands in no namespace, and `sequence` counts tests then."""

    webhook: str
    namespace: str
    sequence: int

    @property
    def is_test(self) -> bool:
        """Whether it only tests the way."""
        return not self.namespace


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of one delivery. Times are in µs: of the event, when the next attempt is due, when it is given up.

    `status` is the HTTP status of the last attempt, None where there was no answer; `detail` says why it failed.
    """

    key: DeliveryKey
    type: str
    time: int
    due: int
    expires: int
    state: State = "pending"
    attempts: int = 0
    status: int | None = None
    detail: str = ""
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many deliveries of a webhook wait, and how many were given up."""

    pending: int
    dead: int


class WebhookStore(Protocol):
    """Webhooks, which follow from entries, and their sealed secrets, which do not."""

    def add(self, webhook: Webhook) -> None:
        """Add a webhook."""

    def remove(self, id_: str) -> None:
        """Remove a webhook."""

    def activate(self, id_: str, active: bool) -> None:  # noqa: FBT001  # the state, not a mode
        """Let a webhook be told, or not."""

    def find(self, id_: str) -> Webhook | None:
        """Return a webhook."""

    def all(self, namespace: str | None) -> Sequence[Webhook]:
        """Return the webhooks of a namespace, or all, oldest first."""

    def keep_secret(self, id_: str, sealed: bytes) -> None:
        """Keep a sealed secret."""

    def secret(self, id_: str) -> bytes | None:
        """Return a sealed secret."""

    def forget(self, id_: str) -> None:
        """Forget secret, deliveries and how far a webhook was told."""


class DeliveryStore(Protocol):
    """How far each webhook was told of each log, and what is on its way."""

    def told(self, webhook: str) -> dict[str, int]:
        """Return, by namespace, the sequence number of the first entry that a webhook was not told of yet."""

    def tell(self, webhook: str, namespace: str, sequence: int) -> None:
        """Note that all entries before `sequence` were considered."""

    def put(self, delivery: Delivery) -> None:
        """Insert a delivery, or replace it."""

    def find(self, key: DeliveryKey) -> Delivery | None:
        """Return a delivery."""

    def page(self, webhook: str, state: State | None, limit: int) -> Sequence[Delivery]:
        """Return deliveries of a webhook, newest first."""

    def first(self, webhook: str) -> Delivery | None:
        """Return the pending delivery whose turn it is: a test, else the oldest event."""

    def tally(self, webhook: str) -> Tally:
        """Count deliveries."""

    def forget(self, before: int, limit: int) -> int:
        """Forget deliveries that ended before a time, at most `limit`; return how many."""


class WebhookTransaction(AccessTransaction, LedgerTransaction, Protocol):
    """What webhooks use of a transaction."""

    @property
    def webhooks(self) -> WebhookStore:
        """Webhooks and their secrets."""

    @property
    def deliveries(self) -> DeliveryStore:
        """What is on its way."""


class Vault(Protocol):
    """Seals what must be read again, with a key that is not in the database."""

    def seal(self, plain: bytes, nonce: bytes, context: str) -> bytes:
        """Return `plain` sealed for `context`; `nonce` has 12 bytes and is never used twice."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed for `context`; a CorruptError where it was changed, or another key sealed it."""
