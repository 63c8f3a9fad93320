"""The operation that tells an admin how the repository fares: its database, jobs, webhooks, uploads and logs."""

from stemma.access import EVERYWHERE, Caller, Permission, require
from stemma.ledger import format_time
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.operations.requests import Nothing
from stemma.operations.server import release
from stemma.operations.views import View

_SHOWN = 100


class JobView(View, frozen=True, kw_only=True):
    """How a job ended last: `failure` is null where it did well; `failures` counts how often in a row it did not."""

    name: str
    ended: str
    failure: str | None
    failures: int
    detail: str


class LeaseView(View, frozen=True, kw_only=True):
    """Who does some work now, or was killed while they did: `expired` says that the lease has run out."""

    name: str
    holder: str
    expires: str
    expired: bool


class WebhookHealth(View, frozen=True, kw_only=True):
    """A webhook that does not fare well: paused, with deliveries given up, or without the secret that signs them."""

    webhook: str
    host: str
    active: bool
    pending: int
    dead: int


class Health(View, frozen=True, kw_only=True):
    """How a repository fares at `time`, by its own clock.

    `unsigned` counts entries that no checkpoint signs; `last_entry` is when the newest was entered, null before the
    first; `backup` is when one was last made, null where none was. `unindexed` packs were published by uploads that
    never ended.
    """

    release: str
    database: str
    level: str
    time: str
    last_entry: str | None
    unsigned: int
    backup: str | None
    packs: int
    unindexed: int
    expired_uploads: int
    jobs: tuple[JobView, ...]
    leases: tuple[LeaseView, ...]
    webhooks: tuple[WebhookHealth, ...]


BACKUP = "backup"
"""The name under which the last backup is reported; it is no job of the clock's."""


def _health(subjects: Subjects, tx: Transaction, caller: Caller, asked: Nothing) -> Health:
    """Tell how the repository fares: its jobs, its log, its clock."""
    del asked
    require(tx, caller, Permission.MAINTAIN, EVERYWHERE)
    database, level = tx.upkeep.database()
    logs = tx.ledger.namespaces()
    reports = {report.name: report for report in tx.upkeep.reports()}
    backup = reports.pop(BACKUP, None)
    newest = max((tx.ledger.head(name).time for name in logs), default=None)
    return Health(
        release=release(),
        database=database,
        level=level,
        time=format_time(tx.now),
        last_entry=None if newest is None else format_time(newest),
        unsigned=sum(subjects.ledger.unsigned_tail(tx, name) for name in logs),
        backup=None if backup is None else format_time(backup.ended),
        packs=len(tx.artifacts.packs()),
        unindexed=len(subjects.artifacts.unindexed(tx)),
        expired_uploads=len(tx.artifacts.uploads.expired(tx.now)),
        jobs=tuple(
            JobView(
                name=report.name,
                ended=format_time(report.ended),
                failure=report.failure or None,
                failures=report.failures,
                detail=report.detail,
            )
            for report in reports.values()
        ),
        leases=tuple(
            LeaseView(
                name=lease.name,
                holder=lease.holder,
                expires=format_time(lease.expires),
                expired=lease.expires <= tx.now,
            )
            for lease in tx.upkeep.leases()
        ),
        webhooks=_webhooks(subjects, tx),
    )


def _webhooks(subjects: Subjects, tx: Transaction) -> tuple[WebhookHealth, ...]:
    accounts = (subjects.webhooks.account(tx, webhook) for webhook in tx.webhooks.all(None))
    views = [
        WebhookHealth(
            webhook=str(each.webhook.name),
            host=each.webhook.host,
            active=each.webhook.active,
            pending=each.tally.pending,
            dead=each.tally.dead,
        )
        for each in accounts
    ]
    views.sort(key=lambda view: (view.active and not view.dead, view.webhook))
    return tuple(views[:_SHOWN])


HEALTH = Operation("server.health", Nothing, Health, Permission.MAINTAIN, "GET", "/server/health", _health)
