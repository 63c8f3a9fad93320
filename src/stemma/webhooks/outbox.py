"""The outbox: which events a webhook has still to be told of, and what becomes of each attempt.

The log itself is the outbox: an entry and the duty to tell of it are one row, written in one transaction, and
registering costs nothing more. A delivery is made for an entry when its turn is near, so that a receiver that is away
for long fills no table. Deliveries of one webhook go out one by one, those of one log in its order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stemma.ledger import Actor, Entry
from stemma.webhooks.event import event_id, event_of, matches, test_event, type_of
from stemma.webhooks.ports import Delivery, DeliveryKey, Webhook, WebhookTransaction
from stemma.webhooks.webhooks import LIFETIME, SECOND, Webhooks

MOST_PENDING = 500
"""Deliveries of one webhook that wait; what comes behind waits in the log."""
MOST_ATTEMPTS = 12
FIRST_DELAY, LONGEST_DELAY = 5 * SECOND, 6 * 3600 * SECOND
GROWTH = 4
KEPT = 7 * 24 * 3600 * SECOND
"""How long a delivery that ended is remembered, in microseconds."""
GONE = 410
MAX_DETAIL = 300
SYSTEM = Actor("system", "x_" + "0" * 32)
_PAGE = 500
_FORGOTTEN_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be sent next: `url` is None where it was redacted."""

    webhook: Webhook
    delivery: Delivery
    event: str
    url: str | None
    secret: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` None where nothing did; `detail` says why it failed, in our own words.

    `wait` is how many seconds the receiver asked for (`Retry-After`). `final` says that no other attempt can help.
    """

    status: int | None
    detail: str = ""
    wait: int | None = None
    final: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004  # the class of RFC 9110, 15.3


@dataclass(frozen=True, slots=True)
class Outbox:
    """The jobs' side of webhooks; nothing here asks for a permission."""

    webhooks: Webhooks

    def waiting(self, tx: WebhookTransaction) -> tuple[Webhook, ...]:
        """Return the webhooks that something can be done for now."""
        active = [webhook for webhook in tx.webhooks.all(None) if webhook.active]
        if not active:
            return ()
        logs = tx.ledger.namespaces() if any(webhook.name.is_everywhere for webhook in active) else ()
        found = []
        for webhook in active:
            first = tx.deliveries.first(webhook.name.id)
            if (first is not None and first.due <= tx.now) or (first is None and _is_behind(tx, webhook, logs)):
                found.append(webhook)
        return tuple(found)

    def spread(self, tx: WebhookTransaction, webhook: Webhook) -> int:
        """Make deliveries of the next entries that a webhook was not told of; return how many entries were seen."""
        room = MOST_PENDING - tx.deliveries.tally(webhook.name.id).pending
        seen = 0
        told = tx.deliveries.told(webhook.name.id)
        for namespace in _logs(webhook, tx.ledger.namespaces()):
            first = told.get(namespace, 0)
            rows = tx.ledger.rows(namespace, first, min(_PAGE, room - seen)) if room > seen else []
            for row in rows:
                self._put(tx, webhook, Entry.decode(row.data))
            if rows:
                tx.deliveries.tell(webhook.name.id, namespace, rows[-1].sequence + 1)
                seen += len(rows)
        return seen

    def next(self, tx: WebhookTransaction, webhook: Webhook) -> Outgoing | None:
        """Return what is due for a webhook, None where nothing is or where it is paused."""
        current = tx.webhooks.find(webhook.name.id)
        delivery = tx.deliveries.first(webhook.name.id)
        if current is None or not current.active or delivery is None or delivery.due > tx.now:
            return None
        url = self.webhooks.account(tx, current).url
        event = event_id(webhook.name.id, delivery.key.namespace, delivery.key.sequence)
        body = self._body(tx, current, delivery, event)
        return Outgoing(current, delivery, event, url, self.webhooks.secret(tx, current), body)

    def settle(self, tx: WebhookTransaction, sent: Outgoing, answer: Answer) -> Delivery | None:
        """Note what became of an attempt; None where somebody else has settled it meanwhile."""
        found = tx.deliveries.find(sent.delivery.key)
        if found is None or found.state != "pending" or found.attempts != sent.delivery.attempts:
            return None
        attempts = found.attempts + 1
        settled = replace(found, attempts=attempts, status=answer.status, detail=answer.detail[:MAX_DETAIL])
        if answer.succeeded:
            settled = replace(settled, state="delivered", ended=tx.now)
        elif answer.final or answer.status == GONE or attempts >= MOST_ATTEMPTS or found.expires <= tx.now:
            settled = replace(settled, state="dead", ended=tx.now)
        else:
            noise = int.from_bytes(tx.ids.random(2), "big") / 0xFFFF
            settled = replace(settled, due=tx.now + delay(attempts, noise, answer.wait))
        tx.deliveries.put(settled)
        webhook = tx.webhooks.find(found.key.webhook)
        if answer.status == GONE and webhook is not None:
            self.webhooks.pause_as(tx, SYSTEM, webhook)  # as the specification asks of senders
        return settled

    def forget(self, tx: WebhookTransaction) -> int:
        """Forget deliveries that ended a week ago; return how many."""
        return tx.deliveries.forget(tx.now - KEPT, _FORGOTTEN_AT_ONCE)

    def _put(self, tx: WebhookTransaction, webhook: Webhook, entry: Entry) -> None:
        type_ = type_of(entry)
        if entry.time >= webhook.time and matches(webhook.events, type_):
            key = DeliveryKey(webhook.name.id, entry.namespace, entry.sequence)
            tx.deliveries.put(Delivery(key, type_, entry.time, tx.now, entry.time + LIFETIME))

    def _body(self, tx: WebhookTransaction, webhook: Webhook, delivery: Delivery, event: str) -> bytes:
        key = delivery.key
        if key.is_test:
            return test_event(event, str(webhook.name), delivery.time)
        (row,) = tx.ledger.rows(key.namespace, key.sequence, 1)
        entry = Entry.decode(row.data)
        held = tx.texts.read(entry.reason) if webhook.texts and entry.reason is not None else None
        return event_of(entry, event, None if held is None else held[1])


def delay(attempts: int, noise: float, wait: int | None) -> int:
    """Return µs until the next attempt after `attempts` failed ones: 5 s, growing fourfold, at most 6 hours.

    `noise` in [0, 1] spreads it by a quarter to both sides; a receiver's wish to `wait` (s) only makes it longer.
    """
    grown = min(FIRST_DELAY * GROWTH ** min(attempts - 1, 20), LONGEST_DELAY)
    wished = min((wait or 0) * SECOND, LONGEST_DELAY)
    return max(int(grown * (0.75 + noise / 2)), wished)


def _logs(webhook: Webhook, every: Iterable[str]) -> Iterable[str]:
    return every if webhook.name.is_everywhere else (webhook.name.namespace,)


def _is_behind(tx: WebhookTransaction, webhook: Webhook, every: Iterable[str]) -> bool:
    told = tx.deliveries.told(webhook.name.id)
    return any(tx.ledger.head(log).size > told.get(log, 0) for log in _logs(webhook, every))
