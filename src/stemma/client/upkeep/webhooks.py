"""Webhooks, as the SDK offers them, and what a receiver verifies a delivery with."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from stemma.client.calls import Calls
from stemma.errors import InvalidError
from stemma.operations.upkeep import webhooks
from stemma.operations.upkeep.webhooks import (
    AddWebhook,
    DeliveryView,
    ListDeliveries,
    ListWebhooks,
    OfWebhook,
    WebhookMade,
    WebhookView,
)
from stemma.settings import Settings
from stemma.webhooks import Rules
from stemma.webhooks.signing import NEW_SECRET, TOLERANCE, Attempt, verify, write_secret


class Webhooks:
    """Who is told of entries. A webhook is named `NAMESPACE/ID`, or `_system/ID` where it is told of everything."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def add(
        self,
        url: str,
        events: Sequence[str] = ("*",),
        *,
        namespace: str | None = None,
        secret: str | None = None,
        texts: bool = False,
    ) -> WebhookMade:
        """Tell `url` of events from now on, in one namespace or everywhere; the answer shows the secret this once.

        The secret is made here unless one is given, so that no retry of the call can lose it.
        """
        made = secret or write_secret(secrets.token_bytes(NEW_SECRET))
        done = self._calls.run(
            webhooks.ADD, AddWebhook(url=url, events=tuple(events), namespace=namespace, secret=made, texts=texts)
        )
        return WebhookMade(webhook=done.webhook, secret=done.secret or made)

    def all(self, namespace: str | None = None) -> list[WebhookView]:
        """Return the webhooks of a namespace, or those that are told of everything."""
        return list(self._calls.run(webhooks.LIST, ListWebhooks(namespace=namespace)).webhooks)

    def remove(self, webhook: str) -> None:
        """Tell a webhook no more, and forget its URL, its secret and its deliveries."""
        self._calls.run(webhooks.REMOVE, OfWebhook(webhook=webhook))

    def pause(self, webhook: str) -> bool:
        """Deliver nothing until it is resumed; return whether that changed anything."""
        return self._calls.run(webhooks.PAUSE, OfWebhook(webhook=webhook)).changed

    def resume(self, webhook: str) -> bool:
        """Deliver again, what was kept first; return whether that changed anything."""
        return self._calls.run(webhooks.RESUME, OfWebhook(webhook=webhook)).changed

    def test(self, webhook: str) -> DeliveryView:
        """Queue an event that only tests the way; what becomes of it stands among the deliveries."""
        return self._calls.run(webhooks.TEST, OfWebhook(webhook=webhook))

    def deliveries(self, webhook: str, state: str | None = None, limit: int = 100) -> list[DeliveryView]:
        """Return the newest deliveries, in one state (`pending`, `delivered`, `dead`) or all."""
        asked = ListDeliveries(webhook=webhook, state=state, limit=limit)
        return list(self._calls.run(webhooks.DELIVERIES, asked).deliveries)

    def retry(self, webhook: str) -> int:
        """Try everything again that was given up or waits; return how many these are."""
        return self._calls.run(webhooks.RETRY, OfWebhook(webhook=webhook)).deliveries


def rules_of(settings: Settings) -> Rules:
    """Return what the operator allows beyond https to outside addresses."""
    networks, hosts = settings.text("webhooks.networks") or "", settings.text("webhooks.http") or ""
    try:
        return Rules.parse(networks, hosts)
    except (ValueError, InvalidError) as error:
        raise InvalidError(
            f"webhooks.networks or webhooks.http cannot be read: {error}",
            hint="Write networks such as 10.0.0.0/8, and hosts such as hooks.internal, with commas between them.",
        ) from error


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: int = TOLERANCE,
    clock: Callable[[], float] = time.time,
) -> Attempt:
    """Return the attempt that `headers` and the raw `body` of a request are, or raise an UnauthenticatedError.

    `secret` is the webhook's, or several while it changes. Attempts more than `tolerance` seconds away are refused.
    Whoever must not act twice remembers `attempt.id` for that long, since a delivery can come more than once.
    """
    given = (secret,) if isinstance(secret, str) else secret
    return verify(given, headers, body, now=clock(), tolerance=tolerance)
