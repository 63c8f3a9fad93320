"""Reports on what the repository does by itself: webhooks, deliveries, jobs."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stemma.cli.drawing.sheets import facts
from stemma.cli.drawing.tables import BAD, DIM, GOOD, cut, table
from stemma.cli.text import joined, moment, plural, safe, size
from stemma.client.answers import BackedUp, BackupState, JobDone
from stemma.operations.upkeep.webhooks import DeliveryView, WebhookView

_STYLES = {"delivered": GOOD, "dead": BAD}


def webhooks(views: Iterable[WebhookView]) -> Table:
    """Draw webhooks and how their deliveries stand."""
    made = table("webhook", "events", "url", "waiting", "given up", "", right=("waiting", "given up"), wide=("url",))
    for view in views:
        made.add_row(
            Text(safe(view.webhook)),
            Text(joined(view.events)),
            cut(safe(view.url or "(redacted)")),
            f"{view.pending:,}" if view.pending else "",
            Text(f"{view.dead:,}", style=BAD) if view.dead else "",
            Text("" if view.active else "paused"),
        )
    return made


def deliveries(views: Iterable[DeliveryView]) -> Table:
    """Draw deliveries, newest first."""
    made = table("time (UTC)", "event", "entry", "state", "attempts", "answer", right=("attempts",), wide=("answer",))
    for view in views:
        said = view.detail or ("" if view.status is None else str(view.status))
        made.add_row(
            moment(view.time),
            Text(safe(view.type)),
            Text(safe(view.entry or "")),
            Text(safe(view.state), style=_STYLES.get(view.state, DIM)),
            f"{view.attempts:,}",
            cut(safe(said)),
        )
    return made


def backup(view: BackupState, title: str) -> RenderableType:
    """Draw what a backup holds."""
    rows = [
        ("state of", moment(view.time)),
        ("entries", f"{view.entries:,}"),
        ("packs", f"{view.packs:,}"),
        ("size", size(view.bytes)),
        ("keys", "in it" if view.keys else "not in it"),
        ("in", safe(view.place)),
    ]
    return Group(Text(title, style=GOOD), facts((name, Text(value)) for name, value in rows))


def backed_up(view: BackedUp) -> RenderableType:
    """Draw a backup that was made."""
    copied = f"{plural(view.copied, 'pack')} copied, {size(view.copied_bytes)}"
    return Group(backup(view.backup, "The backup is made."), Text(copied, style=DIM))


def jobs(views: Iterable[JobDone]) -> Table:
    """Draw how jobs ended."""
    made = table("job", "", "what", wide=("what",))
    for view in views:
        style = BAD if view.failure else GOOD
        made.add_row(
            Text(safe(view.name)),
            Text("failed" if view.failure else "done", style=style),
            cut(safe(view.failure or view.detail)),
        )
    return made
