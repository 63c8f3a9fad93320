"""The webhooks' front: who is told of what, entered in the ledger like every other change.

Webhooks follow from `webhook.add`, `webhook.pause`, `webhook.resume` and `webhook.remove` in the log `_system`: whom a
repository tells is its own business, and stays there when the log of a namespace moves to another. A URL can hold a
secret of its own, so the ledger knows its host and a commitment; the URL is a detached text, redacted when the webhook
is removed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from stemma.access import EVERYWHERE, Caller, Permission, require
from stemma.errors import ConflictError, CorruptError, InvalidError, NotFoundError, TooLargeError
from stemma.ledger import Actor, Draft, Entry, Fact, Thing, append, commit_text
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest
from stemma.webhooks.address import Address, Rules
from stemma.webhooks.event import TEST, check_patterns
from stemma.webhooks.ports import (
    Delivery,
    DeliveryKey,
    State,
    Tally,
    Vault,
    Webhook,
    WebhookName,
    WebhookStore,
    WebhookTransaction,
)
from stemma.webhooks.signing import NEW_SECRET, read_secret, write_secret

MOST_WEBHOOKS = 50
"""Webhooks of one namespace."""
MAX_PAGE = 1000
SECOND = 1_000_000
LIFETIME = 24 * 3600 * SECOND
"""How long after its event a delivery is tried, in microseconds."""
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Account:
    """A webhook with what is not in the ledger: its URL, None where it was redacted, and how its deliveries stand."""

    webhook: Webhook
    url: str | None
    tally: Tally


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Adds, pauses and removes webhooks; `vault` loads the key that seals secrets when it is first needed."""

    vault: Callable[[], Vault]
    rules: Rules = field(default_factory=Rules)

    def add(
        self,
        tx: WebhookTransaction,
        caller: Caller,
        namespace: str | None,
        url: str,
        events: Sequence[str],
        *,
        texts: bool = False,
        secret: str | None = None,
    ) -> tuple[Webhook, str]:
        """Tell a URL of events from now on; return the webhook and its secret, which is never shown again.

        `namespace` None means every log. `texts` sends reasons too, which people wrote. RefusedError for an address
        that lies inside.
        """
        where = namespace or SYSTEM_NAMESPACE
        _require(tx, caller, where)
        address = Address.parse(url)
        self.rules.check(address)
        patterns = check_patterns(events)
        plain = tx.ids.random(NEW_SECRET) if secret is None else read_secret(secret)
        if len(tx.webhooks.all(where)) >= MOST_WEBHOOKS:
            raise TooLargeError(
                f"a namespace has at most {MOST_WEBHOOKS} webhooks", hint="Remove one that is not used."
            )
        name = WebhookName(where, tx.ids.random(8).hex())
        facts: dict[str, Fact] = {
            "namespace": where,
            "host": address.host,
            "url": commit_text(tx, str(address)),
            "events": list(patterns),
            "texts": texts,
        }
        self._enter(tx, Draft(SYSTEM_NAMESPACE, caller.actor, "webhook.add", Thing("webhook", name.id), facts=facts))
        tx.webhooks.keep_secret(name.id, self.vault().seal(plain, tx.ids.random(_NONCE), str(name)))
        for log in tx.ledger.namespaces() if name.is_everywhere else (where,):
            tx.deliveries.tell(name.id, log, tx.ledger.head(log).size)
        return self.find(tx, name), write_secret(plain)

    def remove(self, tx: WebhookTransaction, caller: Caller, name: WebhookName) -> None:
        """Tell a webhook no more, and forget its secret, its URL and its deliveries."""
        webhook = self._required(tx, caller, name)
        self._enter(tx, _draft("remove", caller.actor, webhook))
        tx.webhooks.forget(name.id)
        tx.texts.redact(webhook.url)

    def pause(self, tx: WebhookTransaction, caller: Caller, name: WebhookName) -> bool:
        """Deliver nothing until `resume`; what happens meanwhile is kept. Return whether that changes anything."""
        webhook = self._required(tx, caller, name)
        return self.pause_as(tx, caller.actor, webhook)

    def pause_as(self, tx: WebhookTransaction, actor: Actor, webhook: Webhook) -> bool:
        """Pause without asking for a permission: for what the receiver itself asked for."""
        if webhook.active:
            self._enter(tx, _draft("pause", actor, webhook))
        return webhook.active

    def resume(self, tx: WebhookTransaction, caller: Caller, name: WebhookName) -> bool:
        """Deliver again, what was kept first; return whether that changes anything."""
        webhook = self._required(tx, caller, name)
        if not webhook.active:
            self._enter(tx, _draft("resume", caller.actor, webhook))
        return not webhook.active

    def find(self, tx: WebhookTransaction, name: WebhookName) -> Webhook:
        """Return a webhook; NotFoundError where there is none of that id in that namespace."""
        webhook = tx.webhooks.find(name.id)
        if webhook is None or webhook.name != name:
            raise NotFoundError(f"there is no webhook {name}")
        return webhook

    def list(self, tx: WebhookTransaction, caller: Caller, namespace: str | None) -> tuple[Account, ...]:
        """Return the webhooks that are told of one log alone, or of every log, oldest first."""
        where = namespace or SYSTEM_NAMESPACE
        _require(tx, caller, where)
        return tuple(self.account(tx, webhook) for webhook in tx.webhooks.all(where))

    def account(self, tx: WebhookTransaction, webhook: Webhook) -> Account:
        """Return what is known of a webhook."""
        held = tx.texts.read(webhook.url)
        return Account(webhook, None if held is None else held[1], tx.deliveries.tally(webhook.name.id))

    def test(self, tx: WebhookTransaction, caller: Caller, name: WebhookName) -> Delivery:
        """Queue an event that only tests the way; it overtakes all others and is tried once."""
        webhook = self._required(tx, caller, name)
        if not webhook.active:
            raise ConflictError(f"the webhook {name} is paused", hint=f"Run 'stemma webhook resume {name}'.")
        key = DeliveryKey(name.id, "", tx.now)
        delivery = Delivery(key, TEST, tx.now, tx.now, tx.now)
        tx.deliveries.put(delivery)
        return delivery

    def deliveries(
        self, tx: WebhookTransaction, caller: Caller, name: WebhookName, state: State | None, limit: int
    ) -> tuple[Delivery, ...]:
        """Return the newest deliveries of a webhook; those that succeeded are kept for a while."""
        self._required(tx, caller, name)
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidError(f"the limit is {limit}, not 1 to {MAX_PAGE}")
        return tuple(tx.deliveries.page(name.id, state, limit))

    def retry(self, tx: WebhookTransaction, caller: Caller, name: WebhookName) -> int:
        """Try everything again that was given up or waits for its next attempt; return how many."""
        self._required(tx, caller, name)
        states: tuple[State, ...] = ("dead", "pending")
        found = [each for state in states for each in tx.deliveries.page(name.id, state, MAX_PAGE)]
        for each in found:
            if not each.key.is_test:
                again = Delivery(each.key, each.type, each.time, tx.now, tx.now + LIFETIME)
                tx.deliveries.put(again)
        return sum(not each.key.is_test for each in found)

    def secret(self, tx: WebhookTransaction, webhook: Webhook) -> bytes:
        """Return what signs the deliveries of a webhook; a CorruptError where it is lost."""
        sealed = tx.webhooks.secret(webhook.name.id)
        if sealed is None:
            raise CorruptError(
                "its secret is missing", place=f"webhook {webhook.name}", hint="Remove it and add it again."
            )
        return self.vault().open(sealed, str(webhook.name))

    def project(self, tx: WebhookTransaction, entry: Entry) -> None:
        """Bring the webhooks up to `entry`; entries of other subjects change nothing."""
        project(tx.webhooks, entry)

    def _required(self, tx: WebhookTransaction, caller: Caller, name: WebhookName) -> Webhook:
        _require(tx, caller, name.namespace)
        return self.find(tx, name)

    def _enter(self, tx: WebhookTransaction, draft: Draft) -> None:
        project(tx.webhooks, append(tx, draft))


def _require(tx: WebhookTransaction, caller: Caller, namespace: str) -> None:
    """Raise unless the caller may maintain a namespace; who is told of every log must govern all of them."""
    require(tx, caller, Permission.MAINTAIN, EVERYWHERE if namespace == SYSTEM_NAMESPACE else namespace)


def project(store: WebhookStore, entry: Entry) -> None:
    """Bring a store of webhooks up to `entry`."""
    id_, facts = entry.thing.id, entry.facts
    if entry.namespace != SYSTEM_NAMESPACE:
        return
    match entry.action:
        case "webhook.add":
            store.add(
                Webhook(
                    WebhookName(str(facts["namespace"]), id_),
                    Digest.parse(str(facts["url"])),
                    str(facts["host"]),
                    _texts_of(facts["events"]),
                    bool(facts["texts"]),
                    active=True,
                    creator=entry.actor.id,
                    time=entry.time,
                )
            )
        case "webhook.pause" | "webhook.resume":
            store.activate(id_, entry.action == "webhook.resume")
        case "webhook.remove":
            store.remove(id_)
        case _:
            return


def _texts_of(fact: object) -> tuple[str, ...]:
    return tuple(str(each) for each in fact) if isinstance(fact, Iterable) else ()


def _draft(verb: str, actor: Actor, webhook: Webhook) -> Draft:
    facts = {"namespace": webhook.name.namespace, "host": webhook.host}
    return Draft(SYSTEM_NAMESPACE, actor, f"webhook.{verb}", Thing("webhook", webhook.name.id), facts=facts)
