"""The tables of webhooks: who is told, their sealed secrets, how far each was told, and what is on its way."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Index, bindparam, delete, func, select, update

from stemma.backends.database.dialect import Connection, Statement, member_of, upsert
from stemma.backends.database.schema import BYTES, TEXT, WHOLE, TableClass, digest_column, table
from stemma.records import Digest
from stemma.webhooks import Delivery, DeliveryKey, State, Tally, Webhook, WebhookName

webhooks = table(
    "webhooks",
    TableClass.PROJECTED,
    Column("id", TEXT, primary_key=True),
    Column("namespace", TEXT, nullable=False),
    digest_column("url"),
    Column("host", TEXT, nullable=False),
    Column("events", TEXT, nullable=False),
    Column("texts", WHOLE, nullable=False),
    Column("active", WHOLE, nullable=False),
    Column("creator", TEXT, nullable=False),
    Column("time", WHOLE, nullable=False),
    rowid=False,
)
secrets = table(
    "webhook_secrets",
    TableClass.PRIMARY,
    Column("webhook", TEXT, primary_key=True),
    Column("sealed", BYTES, nullable=False),
    rowid=False,
)
told = table(
    "webhook_told",
    TableClass.JOURNAL,
    Column("webhook", TEXT, primary_key=True),
    Column("namespace", TEXT, primary_key=True),
    Column("sequence", WHOLE, nullable=False),
    rowid=False,
)
deliveries = table(
    "deliveries",
    TableClass.JOURNAL,
    Column("webhook", TEXT, primary_key=True),
    Column("namespace", TEXT, primary_key=True),
    Column("sequence", WHOLE, primary_key=True, autoincrement=False),
    Column("type", TEXT, nullable=False),
    Column("time", WHOLE, nullable=False),
    Column("due", WHOLE, nullable=False),
    Column("expires", WHOLE, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("attempts", WHOLE, nullable=False),
    Column("status", WHOLE),
    Column("detail", TEXT, nullable=False),
    Column("ended", WHOLE, index=True),
    Index("ix_deliveries_turn", "webhook", "state", "time"),
    rowid=False,
)

_ADD = Statement(webhooks.insert())
_REMOVE = Statement(delete(webhooks).where(webhooks.c.id == bindparam("which")))
_ACTIVATE = Statement(update(webhooks).where(webhooks.c.id == bindparam("which")).values(active=bindparam("state")))
_FIND = Statement(select(webhooks).where(webhooks.c.id == bindparam("which")))
_ALL = Statement(select(webhooks).order_by(webhooks.c.time, webhooks.c.id))
_OF = Statement(
    select(webhooks).where(webhooks.c.namespace == bindparam("within")).order_by(webhooks.c.time, webhooks.c.id)
)
_KEEP = Statement(upsert(secrets, ["webhook"]))
_SECRET = Statement(select(secrets.c.sealed).where(secrets.c.webhook == bindparam("which")))
_FORGET = tuple(
    Statement(delete(each).where(each.c.webhook == bindparam("which"))) for each in (secrets, told, deliveries)
)

_TOLD = Statement(select(told.c.namespace, told.c.sequence).where(told.c.webhook == bindparam("which")))
_TELL = Statement(upsert(told, ["webhook", "namespace"]))
_PUT = Statement(upsert(deliveries, ["webhook", "namespace", "sequence"]))
_of = deliveries.c.webhook == bindparam("which")
_DELIVERY = Statement(
    select(deliveries).where(
        _of, deliveries.c.namespace == bindparam("within"), deliveries.c.sequence == bindparam("number")
    )
)
_PAGE = Statement(
    select(deliveries)
    .where(_of, member_of(deliveries.c.state, "states"))
    .order_by(deliveries.c.time.desc(), deliveries.c.namespace.desc(), deliveries.c.sequence.desc())
    .limit(bindparam("size"))
)
_FIRST = Statement(
    select(deliveries)
    .where(_of, deliveries.c.state == "pending")
    .order_by(
        deliveries.c.namespace != "",
        deliveries.c.time,
        deliveries.c.namespace,
        deliveries.c.sequence,  # tests first
    )
    .limit(1)
)
_TALLY = Statement(select(deliveries.c.state, func.count()).where(_of).group_by(deliveries.c.state))
_ENDED = Statement(
    select(deliveries.c.webhook, deliveries.c.namespace, deliveries.c.sequence)
    .where(deliveries.c.ended < bindparam("before"))
    .order_by(deliveries.c.ended)
    .limit(bindparam("size"))
)
_DROP = Statement(
    delete(deliveries).where(
        deliveries.c.webhook == bindparam("which"),
        deliveries.c.namespace == bindparam("within"),
        deliveries.c.sequence == bindparam("number"),
    )
)
_STATES: tuple[State, ...] = ("pending", "delivered", "dead")


class DatabaseWebhooks:
    """`WebhookStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, webhook: Webhook) -> None:
        """Add a webhook."""
        self._connection.run(
            _ADD,
            id=webhook.name.id,
            namespace=webhook.name.namespace,
            url=webhook.url.raw,
            host=webhook.host,
            events=" ".join(webhook.events),
            texts=int(webhook.texts),
            active=int(webhook.active),
            creator=webhook.creator,
            time=webhook.time,
        )

    def remove(self, id_: str) -> None:
        """Remove a webhook."""
        self._connection.run(_REMOVE, which=id_)

    def activate(self, id_: str, active: bool) -> None:  # noqa: FBT001  # the state, not a mode
        """Let a webhook be told, or not."""
        self._connection.run(_ACTIVATE, which=id_, state=int(active))

    def find(self, id_: str) -> Webhook | None:
        """Return a webhook."""
        row = self._connection.one(_FIND, which=id_)
        return None if row is None else _webhook(*row)

    def all(self, namespace: str | None) -> Sequence[Webhook]:
        """Return the webhooks of a namespace, or all."""
        rows = self._connection.all(_ALL) if namespace is None else self._connection.all(_OF, within=namespace)
        return [_webhook(*row) for row in rows]

    def keep_secret(self, id_: str, sealed: bytes) -> None:
        """Keep a sealed secret."""
        self._connection.run(_KEEP, webhook=id_, sealed=sealed)

    def secret(self, id_: str) -> bytes | None:
        """Return a sealed secret."""
        row = self._connection.one(_SECRET, which=id_)
        return None if row is None else row[0]

    def forget(self, id_: str) -> None:
        """Forget secret, deliveries and how far a webhook was told."""
        for statement in _FORGET:
            self._connection.run(statement, which=id_)


class DatabaseDeliveries:
    """`DeliveryStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def told(self, webhook: str) -> dict[str, int]:
        """Return how far a webhook was told of each log."""
        return dict(self._connection.all(_TOLD, which=webhook))

    def tell(self, webhook: str, namespace: str, sequence: int) -> None:
        """Note how far a webhook was told of a log."""
        self._connection.run(_TELL, webhook=webhook, namespace=namespace, sequence=sequence)

    def put(self, delivery: Delivery) -> None:
        """Insert a delivery, or replace it."""
        key = delivery.key
        self._connection.run(
            _PUT,
            webhook=key.webhook,
            namespace=key.namespace,
            sequence=key.sequence,
            type=delivery.type,
            time=delivery.time,
            due=delivery.due,
            expires=delivery.expires,
            state=delivery.state,
            attempts=delivery.attempts,
            status=delivery.status,
            detail=delivery.detail,
            ended=delivery.ended,
        )

    def find(self, key: DeliveryKey) -> Delivery | None:
        """Return a delivery."""
        row = self._connection.one(_DELIVERY, which=key.webhook, within=key.namespace, number=key.sequence)
        return None if row is None else _delivery(*row)

    def page(self, webhook: str, state: State | None, limit: int) -> Sequence[Delivery]:
        """Return deliveries, newest first."""
        states = _STATES if state is None else (state,)
        return [_delivery(*row) for row in self._connection.all(_PAGE, which=webhook, states=states, size=limit)]

    def first(self, webhook: str) -> Delivery | None:
        """Return the pending delivery whose turn it is."""
        row = self._connection.one(_FIRST, which=webhook)
        return None if row is None else _delivery(*row)

    def tally(self, webhook: str) -> Tally:
        """Count deliveries."""
        counts = dict(self._connection.all(_TALLY, which=webhook))
        return Tally(counts.get("pending", 0), counts.get("dead", 0))

    def forget(self, before: int, limit: int) -> int:
        """Forget deliveries that ended before a time."""
        rows = self._connection.all(_ENDED, before=before, size=limit)
        self._connection.run_many(_DROP, [{"which": row[0], "within": row[1], "number": row[2]} for row in rows])
        return len(rows)


def _webhook(*row: Any) -> Webhook:  # noqa: ANN401  # a row of the driver
    id_, namespace, url, host, events, texts, active, creator, time = row
    return Webhook(
        WebhookName(namespace, id_),
        Digest.from_raw(url),
        host,
        tuple(events.split(" ")),
        texts=bool(texts),
        active=bool(active),
        creator=creator,
        time=time,
    )


def _delivery(webhook: str, namespace: str, sequence: int, *rest: Any) -> Delivery:  # noqa: ANN401  # a row of the driver
    type_, time, due, expires, state, attempts, status, detail, ended = rest
    key = DeliveryKey(webhook, namespace, sequence)
    return Delivery(key, type_, time, due, expires, state, attempts, status, detail, ended)
