"""`stemma sync`."""

import sys
from pathlib import Path

import click
from msgspec import structs

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import plural, safe
from stemma.cli.watching import watch
from stemma.client import Repository, open_target
from stemma.client.address import is_address
from stemma.client.syncing.answers import Synced
from stemma.errors import ConflictError


@command(
    "sync",
    "stemma sync . https://stemma.example.com --plan",
    "stemma sync . https://stemma.example.com",
    "stemma sync https://stemma.example.com copy/ --namespace bank",
    prints=Synced,
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--namespace", metavar="NAME", multiple=True, help="Only this one; may be given several times.")
@click.option("--plan", is_flag=True, help="Say what would go over and what conflicts, and change nothing.")
@click.option(
    "--trust-key", metavar="FINGERPRINT", multiple=True, help="Vouch for a key that signs the log of SRC; give both."
)
@pass_session
def sync(
    session: Session, source: str, target: str, *, namespace: tuple[str, ...], plan: bool, trust_key: tuple[str, ...]
) -> None:
    """Bring a repository up to what another one has.

    SRC and DST are each a folder, or the URL of a server; DST is brought up to what SRC has. A folder that is not there
    yet, or is empty, becomes a repository.

    Digests, history and proofs stay what they are. What DST lacks is added, nothing is overwritten: where both have
    gone on, what differs is listed and left as it is. Again after an interruption goes on where it ended. Exits with 5
    if anything conflicts.
    """
    with (
        Repository.open(source, warn=session.warn) as from_,
        open_target(target, plan=plan, warn=session.warn) as to,
        watch(session) as progress,
    ):
        done = from_.sync_to(
            to,
            namespaces=namespace,
            plan=plan,
            trust_keys=trust_key,
            confirm=lambda place, keys: _confirm(session, place, keys),
            progress=progress,
        )
    if plan and not is_address(target):
        done = structs.replace(done, target=str(Path(target).absolute()))  # not what stood for it
    session.answer(done, lambda: cli.drawing.exchange.synced(done))
    if done.conflicts:
        raise ConflictError(
            f"{plural(len(done.conflicts), 'conflict')} left as they are; everything else is done"
            if not plan
            else f"{plural(len(done.conflicts), 'conflict')} would be left as they are",
            hint="Decide each where it is: move the name, or give the version another number. Then synchronise again.",
        )


def _confirm(session: Session, place: str, keys: tuple[str, ...]) -> bool:
    """Ask the person at the terminal whether these keys are the owner's; nobody there is a no."""
    if session.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    listed = "".join(f"\n  {safe(key)}" for key in keys)
    return click.confirm(
        f"The log of {safe(place)} is signed by keys that were not seen before:{listed}\nAre they its owner's?",
        err=True,
    )
