"""`stemma webhook`: who is told of changes."""

import time

import click

from stemma import cli
from stemma.cli.grouping import family
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.cli.text import plural, safe
from stemma.client.repository import Repository
from stemma.errors import UnavailableError
from stemma.operations.upkeep.webhooks import DeliveryList, DeliveryView, Retried, WebhookList, WebhookMade
from stemma.operations.views import Done

_SECONDS = 20.0
_PAUSE = 0.2
webhook_argument = click.argument("name", metavar="WEBHOOK")


@family(
    "webhook",
    "stemma webhook add https://hooks.example.com/stemma --namespace bank --event 'alias.*'",
    "stemma webhook list --namespace bank",
    "stemma webhook deliveries bank/3f9c21d07a6b5e48",
)
def webhook() -> None:
    """Tell other programs of changes.

    Deliveries go over HTTPS, are signed as Standard Webhooks says, come in order and at least once, and are tried again
    for a day. A server delivers them; for a folder that none serves, 'stemma jobs run' does.
    """


@webhook.command(
    "add",
    examples=(
        "stemma webhook add https://hooks.example.com/stemma --namespace bank",
        "stemma webhook add https://hooks.example.com/stemma --event 'alias.*' --event version.withdraw",
    ),
    prints=WebhookMade,
)
@click.argument("url", metavar="URL")
@click.option("--namespace", metavar="NAME", help="Only changes in this namespace; without it, all changes.")
@click.option(
    "--event",
    "events",
    metavar="PATTERN",
    multiple=True,
    help="Only these changes, for example alias.set or 'version.*'; can be repeated.",
)
@click.option("--texts", is_flag=True, help="Send reasons too, which people wrote.")
@pass_session
def add(session: Session, url: str, *, namespace: str | None, events: tuple[str, ...], texts: bool) -> None:
    """Tell URL of changes from now on.

    Prints the webhook's name, and the secret that signs what is sent, which is shown this once: keep it where the
    receiver reads it.
    """
    with open_repository(session) as repository:
        made = repository.webhooks.add(url, events or ("*",), namespace=namespace, texts=texts)
    if session.json:
        session.emit(made)
        return
    session.line(safe(made.webhook.webhook), bold=True)
    session.line(safe(made.secret or ""))
    session.note("  Keep the secret: it is not shown again. Try the way with 'stemma webhook test'.")


@webhook.command("list", examples=("stemma webhook list", "stemma webhook list --namespace bank"), prints=WebhookList)
@click.option("--namespace", metavar="NAME", help="Those of a namespace; without it, those told of all changes.")
@pass_session
def list_webhooks(session: Session, *, namespace: str | None) -> None:
    """List webhooks."""
    with open_repository(session) as repository:
        found = WebhookList(webhooks=tuple(repository.webhooks.all(namespace)))
    session.answer(found, lambda: cli.drawing.reports.webhooks(found.webhooks))


@webhook.command("remove", examples=("stemma webhook remove bank/3f9c21d07a6b5e48",), prints=Done)
@webhook_argument
@pass_session
def remove(session: Session, name: str) -> None:
    """Tell a webhook no more.

    Its URL, its secret and its deliveries are forgotten.
    """
    with open_repository(session) as repository:
        repository.webhooks.remove(name)
    _tell(session, Done(changed=True), f"{name} is told no more.")


@webhook.command("pause", examples=("stemma webhook pause bank/3f9c21d07a6b5e48",), prints=Done)
@webhook_argument
@pass_session
def pause(session: Session, name: str) -> None:
    """Deliver nothing until it is resumed.

    What happens meanwhile is kept.
    """
    with open_repository(session) as repository:
        done = Done(changed=repository.webhooks.pause(name))
    _tell(session, done, f"{name} is paused.")


@webhook.command("resume", examples=("stemma webhook resume bank/3f9c21d07a6b5e48",), prints=Done)
@webhook_argument
@pass_session
def resume(session: Session, name: str) -> None:
    """Deliver again, beginning with what was kept."""
    with open_repository(session) as repository:
        done = Done(changed=repository.webhooks.resume(name))
    _tell(session, done, f"{name} is delivered to.")


@webhook.command("test", examples=("stemma webhook test bank/3f9c21d07a6b5e48",), prints=DeliveryView)
@webhook_argument
@pass_session
def test(session: Session, name: str) -> None:
    """Send an event that only tests the way.

    Waits for what becomes of it. Exits with 8 where it is not delivered.
    """
    with open_repository(session) as repository:
        queued = repository.webhooks.test(name)
        if session.root is not None:
            repository.upkeep.run_jobs(["webhooks"])
        found = _await(repository, name, queued.event)
    session.answer(found, lambda: cli.drawing.reports.deliveries([found]))
    if found.state != "delivered":
        raise UnavailableError(
            f"the test was not delivered: {found.detail or 'nothing has tried yet'}",
            hint="" if found.detail else "Is a server running? 'stemma jobs run webhooks' delivers without one.",
        )


@webhook.command(
    "deliveries",
    examples=(
        "stemma webhook deliveries bank/3f9c21d07a6b5e48",
        "stemma webhook deliveries bank/3f9c21d07a6b5e48 --state dead",
    ),
    prints=DeliveryList,
)
@webhook_argument
@click.option("--state", type=click.Choice(["pending", "delivered", "dead"]), help="Only those in this state.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, metavar="N", help="List at most N."
)
@pass_session
def deliveries(session: Session, name: str, *, state: str | None, limit: int) -> None:
    """List the newest deliveries, and what became of them."""
    with open_repository(session) as repository:
        found = DeliveryList(deliveries=tuple(repository.webhooks.deliveries(name, state, limit)))
    session.answer(found, lambda: cli.drawing.reports.deliveries(found.deliveries))


@webhook.command("retry", examples=("stemma webhook retry bank/3f9c21d07a6b5e48",), prints=Retried)
@webhook_argument
@pass_session
def retry(session: Session, name: str) -> None:
    """Try again what was given up or waits."""
    with open_repository(session) as repository:
        done = Retried(deliveries=repository.webhooks.retry(name))
    if session.json:
        session.emit(done)
    else:
        session.line(f"{plural(done.deliveries, 'delivery', 'deliveries')} will be tried again.")


def _tell(session: Session, done: Done, text: str) -> None:
    if session.json:
        session.emit(done)
        return
    session.line(safe(text))
    if not done.changed:
        session.note("  It was so already.")


def _await(repository: Repository, name: str, event: str) -> DeliveryView:
    """Return the delivery of an event when it has ended, or as it is when that takes too long."""
    deadline = time.monotonic() + _SECONDS
    while True:
        found = next(each for each in repository.webhooks.deliveries(name, limit=1000) if each.event == event)
        if found.state != "pending" or time.monotonic() > deadline:
            return found
        time.sleep(_PAUSE)
