"""How a repository fares, from what it tells its admins: database, jobs, webhooks, uploads, logs, backups."""

from collections.abc import Iterator
from datetime import datetime

from stemma.client.answers import Finding
from stemma.client.doctor.finding import fail, ok, warn
from stemma.client.doctor.machine import age_of
from stemma.operations.upkeep.health import Health

_PATIENCE = 3
_TAIL_SECONDS = 60
_BACKUP_DAYS = 7


def condition(health: Health, milliseconds: float) -> Iterator[Finding]:
    """Yield what is to be said of each; a small question took so many `milliseconds`."""
    now = datetime.fromisoformat(health.time)
    yield ok("database", f"{health.database}, level {health.level}, answers in {milliseconds:.1f} ms")
    yield from _jobs(health)
    yield from _leases(health)
    yield from _webhooks(health)
    yield from _uploads(health)
    yield from _log(health, now)
    yield from _backup(health, now)


def _jobs(health: Health) -> Iterator[Finding]:
    failed = [job for job in health.jobs if job.failure]
    for job in failed:
        said = f"{job.name} failed {job.failures} times in a row: {job.failure}"
        hint = f"'stemma jobs run {job.name}' does it by hand, and says what is wrong."
        yield (fail if job.failures >= _PATIENCE else warn)("jobs", said, hint)
    if not failed:
        yield ok("jobs", ", ".join(job.name for job in health.jobs) or "none has run yet")


def _leases(health: Health) -> Iterator[Finding]:
    expired = [lease for lease in health.leases if lease.expired]
    if expired:
        holders = ", ".join(sorted({lease.holder for lease in expired}))
        yield warn("leases", f"left by {holders}", "That process was killed; the next that runs takes its work over.")


def _webhooks(health: Health) -> Iterator[Finding]:
    for hook in health.webhooks:
        name = f"{hook.webhook} ({hook.host})"
        if hook.dead:
            hint = f"See 'stemma webhook deliveries {hook.webhook} --state dead', then 'stemma webhook retry'."
            yield warn("webhooks", f"{name}: {hook.dead:,} deliveries were given up", hint)
        if not hook.active:
            yield warn("webhooks", f"{name} is paused", f"'stemma webhook resume {hook.webhook}' delivers again.")
    if health.webhooks and all(hook.active and not hook.dead for hook in health.webhooks):
        yield ok(
            "webhooks", f"{len(health.webhooks)}, {sum(hook.pending for hook in health.webhooks):,} deliveries wait"
        )


def _uploads(health: Health) -> Iterator[Finding]:
    if health.expired_uploads:
        said = f"{health.expired_uploads:,} have expired"
        yield warn("uploads", said, "'stemma jobs run uploads' deletes what they left.")
    if health.unindexed:
        said = f"{health.unindexed:,} packs were published by uploads that never ended"
        yield warn("packs", said, "They do no harm, and are used again where the upload is repeated.")
    else:
        yield ok("packs", f"{health.packs:,}")


def _log(health: Health, now: datetime) -> Iterator[Finding]:
    old = health.last_entry is not None and (now - datetime.fromisoformat(health.last_entry)).total_seconds()
    if health.unsigned and old and old > _TAIL_SECONDS:
        yield warn("log", f"{health.unsigned:,} entries are not signed", "'stemma jobs run checkpoints' signs them.")
    else:
        yield ok("log", f"{health.unsigned:,} entries not signed yet" if health.unsigned else "signed to its end")


def _backup(health: Health, now: datetime) -> Iterator[Finding]:
    if health.backup is None:
        if health.packs:
            yield warn("backup", "none was made", "'stemma backup DIR' makes one while the repository is used.")
        return
    seconds = (now - datetime.fromisoformat(health.backup)).total_seconds()
    said = f"made {age_of(seconds)} ago"
    if seconds > _BACKUP_DAYS * 86_400:
        yield warn("backup", said, "'stemma backup DIR' brings it up to date: only new packs are copied.")
    else:
        yield ok("backup", said)
