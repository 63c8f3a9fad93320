"""`stemma label`."""

import click

from stemma import cli
from stemma.cli.answers import Labels
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository, suggest_references
from stemma.cli.options import pairs
from stemma.cli.session import Session, pass_session
from stemma.client.repository import Repository


@command(
    "label",
    "stemma label bank/loans@1.4.0 reviewed=yes",
    "stemma label bank/loans team=risk",
    "stemma label bank/loans@1.4.0 --remove reviewed",
    "stemma label bank/loans@1.4.0",
    prints=Labels,
)
@click.argument("reference", metavar="REFERENCE|NAMESPACE/NAME", shell_complete=suggest_references)
@click.argument("labels", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", metavar="KEY", multiple=True, help="Remove a label.")
@pass_session
def label(session: Session, reference: str, labels: tuple[str, ...], *, remove: tuple[str, ...]) -> None:
    """Label a version or a model with key=value.

    A reference with an '@' is a version, one without is the model. Without labels to set or remove, prints them.
    """
    wanted = pairs(labels, "a label")
    with open_repository(session) as repository:
        if wanted or remove:
            repository.set_labels(reference, set=wanted, remove=remove)
        found = _labels(repository, reference)
    session.answer(Labels(reference=reference, labels=found), lambda: cli.drawing.tables.labels(found))


def _labels(repository: Repository, reference: str) -> dict[str, str | None]:
    return repository.show(reference).labels if "@" in reference else repository.model(reference).labels
