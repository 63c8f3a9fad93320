"""`stemma withdraw`."""

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.options import reference_argument
from stemma.cli.session import Session, pass_session
from stemma.operations.views import VersionView


@command("withdraw", "stemma withdraw bank/loans@1.3.0 -m 'Trained on leaked labels'", prints=VersionView)
@reference_argument
@click.option("-m", "--reason", required=True, help="Why it must not be used.")
@pass_session
def withdraw(session: Session, reference: str, *, reason: str) -> None:
    """Say that a version must not be used any more.

    Its files stay, 'latest' and ranges pass it over, and its descendants are marked. A version that an alias
    points at cannot be withdrawn: move the alias first.
    """
    with open_repository(session) as repository:
        version = repository.withdraw(reference, reason)
    session.answer(version, lambda: cli.drawing.sheets.version(version))
