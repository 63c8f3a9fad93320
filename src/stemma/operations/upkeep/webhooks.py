"""Operations on webhooks: who is told of entries, and what became of the deliveries."""

from stemma.access import Caller, Permission, unseen
from stemma.errors import InvalidError
from stemma.ledger import format_time
from stemma.operations.operation import Operation, Subjects, Transaction, system_log
from stemma.operations.requests import Request
from stemma.operations.views import Done, View
from stemma.webhooks import Account, Delivery, State, WebhookName
from stemma.webhooks.event import event_id

DEFAULT_LIMIT = 100


class AddWebhook(Request, frozen=True, kw_only=True):
    """Tell `url` of `events` (`alias.set`, `version.*`, `*`) in a namespace, or everywhere where none is given.

    `secret` signs the deliveries: `whsec_` and 24 to 64 bytes in base64; without it one is made and answered. With
    `texts` reasons are sent too, which people wrote.
    """

    url: str
    events: tuple[str, ...] = ("*",)
    namespace: str | None = None
    secret: str | None = None
    texts: bool = False


class OfWebhook(Request, frozen=True, kw_only=True):
    """`webhook` is `NAMESPACE/ID`, or `_system/ID` where it is told of everything."""

    webhook: str


class ListWebhooks(Request, frozen=True, kw_only=True):
    """The webhooks of a namespace, or those that are told of everything."""

    namespace: str | None = None


class ListDeliveries(OfWebhook, frozen=True, kw_only=True):
    """The newest deliveries, at most `limit` (1 to 1,000), in one `state` (`pending`, `delivered`, `dead`) or all."""

    state: str | None = None
    limit: int = DEFAULT_LIMIT


class WebhookView(View, frozen=True, kw_only=True):
    """A webhook; `pending` deliveries wait and `dead` ones were given up; `url` is null where it was redacted."""

    webhook: str
    namespace: str | None
    url: str | None
    events: tuple[str, ...]
    texts: bool
    active: bool
    creator: str
    created: str
    pending: int
    dead: int


class WebhookMade(View, frozen=True, kw_only=True):
    """A new webhook; `secret` is shown this once, null where it was given."""

    webhook: WebhookView
    secret: str | None


class WebhookList(View, frozen=True, kw_only=True):
    """Webhooks, oldest first."""

    webhooks: tuple[WebhookView, ...]


class DeliveryView(View, frozen=True, kw_only=True):
    """One event on its way: `entry` is `NAMESPACE/SEQUENCE`, null for a test; `due` is when the next attempt is.

    `state` is `pending`, `delivered` or `dead`; `status` is the HTTP status of the last attempt, null where nothing
    answered, and `detail` says why it failed.
    """

    event: str
    type: str
    entry: str | None
    time: str
    state: str
    attempts: int
    status: int | None
    detail: str
    due: str | None
    ended: str | None


class DeliveryList(View, frozen=True, kw_only=True):
    """Deliveries, newest first."""

    deliveries: tuple[DeliveryView, ...]


class Retried(View, frozen=True, kw_only=True):
    """How many deliveries will be tried again at once."""

    deliveries: int


def _add(subjects: Subjects, tx: Transaction, caller: Caller, asked: AddWebhook) -> WebhookMade:
    """Tell a URL of events from now on."""
    webhook, secret = subjects.webhooks.add(
        tx, caller, asked.namespace, asked.url, asked.events, texts=asked.texts, secret=asked.secret
    )
    if asked.namespace is not None and tx.registry.namespaces.find(asked.namespace) is None:
        raise unseen(asked.namespace)
    view = _view(subjects.webhooks.account(tx, webhook))
    return WebhookMade(webhook=view, secret=secret if asked.secret is None else None)


def _list(subjects: Subjects, tx: Transaction, caller: Caller, asked: ListWebhooks) -> WebhookList:
    """List webhooks, oldest first."""
    found = subjects.webhooks.list(tx, caller, asked.namespace)
    return WebhookList(webhooks=tuple(_view(account) for account in found))


def _remove(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfWebhook) -> Done:
    """Remove a webhook."""
    subjects.webhooks.remove(tx, caller, WebhookName.parse(asked.webhook))
    return Done(changed=True)


def _pause(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfWebhook) -> Done:
    """Tell a webhook nothing until it is resumed."""
    return Done(changed=subjects.webhooks.pause(tx, caller, WebhookName.parse(asked.webhook)))


def _resume(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfWebhook) -> Done:
    """Tell a webhook again, also of what happened meanwhile."""
    return Done(changed=subjects.webhooks.resume(tx, caller, WebhookName.parse(asked.webhook)))


def _test(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfWebhook) -> DeliveryView:
    """Send a webhook an event that nothing caused."""
    return _view_delivery(subjects.webhooks.test(tx, caller, WebhookName.parse(asked.webhook)))


def _deliveries(subjects: Subjects, tx: Transaction, caller: Caller, asked: ListDeliveries) -> DeliveryList:
    """List deliveries, newest first."""
    name = WebhookName.parse(asked.webhook)
    found = subjects.webhooks.deliveries(tx, caller, name, _state(asked.state), asked.limit)
    return DeliveryList(deliveries=tuple(map(_view_delivery, found)))


def _retry(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfWebhook) -> Retried:
    """Deliver again what was given up."""
    return Retried(deliveries=subjects.webhooks.retry(tx, caller, WebhookName.parse(asked.webhook)))


def _state(text: str | None) -> State | None:
    match text:
        case None | "pending" | "delivered" | "dead":
            return text
        case _:
            raise InvalidError(f"{text[:80]!r} is not a state", hint="It is pending, delivered or dead.")


def _view(account: Account) -> WebhookView:
    webhook = account.webhook
    return WebhookView(
        webhook=str(webhook.name),
        namespace=None if webhook.name.is_everywhere else webhook.name.namespace,
        url=account.url,
        events=webhook.events,
        texts=webhook.texts,
        active=webhook.active,
        creator=webhook.creator,
        created=format_time(webhook.time),
        pending=account.tally.pending,
        dead=account.tally.dead,
    )


def _view_delivery(delivery: Delivery) -> DeliveryView:
    key = delivery.key
    return DeliveryView(
        event=event_id(key.webhook, key.namespace, key.sequence),
        type=delivery.type,
        entry=None if key.is_test else f"{key.namespace}/{key.sequence}",
        time=format_time(delivery.time),
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        detail=delivery.detail,
        due=format_time(delivery.due) if delivery.state == "pending" else None,
        ended=None if delivery.ended is None else format_time(delivery.ended),
    )


_MAY = Permission.MAINTAIN
ADD = Operation("webhook.add", AddWebhook, WebhookMade, _MAY, "POST", "/webhooks", _add, system_log, confidential=True)
LIST = Operation("webhook.list", ListWebhooks, WebhookList, _MAY, "GET", "/webhooks", _list)
REMOVE = Operation("webhook.remove", OfWebhook, Done, _MAY, "DELETE", "/webhook", _remove, system_log)
PAUSE = Operation("webhook.pause", OfWebhook, Done, _MAY, "POST", "/webhook/pause", _pause, system_log)
RESUME = Operation("webhook.resume", OfWebhook, Done, _MAY, "POST", "/webhook/resume", _resume, system_log)
TEST = Operation("webhook.test", OfWebhook, DeliveryView, _MAY, "POST", "/webhook/test", _test, system_log)
DELIVERIES = Operation(
    "webhook.deliveries", ListDeliveries, DeliveryList, _MAY, "GET", "/webhook/deliveries", _deliveries
)
RETRY = Operation("webhook.retry", OfWebhook, Retried, _MAY, "POST", "/webhook/retry", _retry, system_log)
