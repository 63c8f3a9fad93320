"""Webhooks: telling others, outside, of what is entered in the ledger; signed, in order, at least once."""

from stemma.webhooks.address import Address, Rules
from stemma.webhooks.outbox import Answer, Outbox, Outgoing
from stemma.webhooks.ports import (
    Delivery,
    DeliveryKey,
    DeliveryStore,
    State,
    Tally,
    Vault,
    Webhook,
    WebhookName,
    WebhookStore,
    WebhookTransaction,
)
from stemma.webhooks.webhooks import Account, Webhooks

__all__ = [
    "Account",
    "Address",
    "Answer",
    "Delivery",
    "DeliveryKey",
    "DeliveryStore",
    "Outbox",
    "Outgoing",
    "Rules",
    "State",
    "Tally",
    "Vault",
    "Webhook",
    "WebhookName",
    "WebhookStore",
    "WebhookTransaction",
    "Webhooks",
]
