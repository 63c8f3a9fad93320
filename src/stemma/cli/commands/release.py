"""`stemma release`."""

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.options import reference_argument
from stemma.cli.session import Session, pass_session
from stemma.operations.views import VersionView


@command(
    "release",
    "stemma release bank/loans@1.4.0-gbdt.2",
    "stemma release bank/loans@v17 --version 2.0.0",
    prints=VersionView,
)
@reference_argument
@click.option("--version", "number", metavar="X.Y.Z", help="Its number; by default the pre-release's own.")
@pass_session
def release(session: Session, reference: str, *, number: str | None) -> None:
    """Give a pre-release its release number.

    The version stays what it is, and keeps the number that it had beside the new one.
    """
    with open_repository(session) as repository:
        version = repository.release(reference, number)
    session.answer(version, lambda: cli.drawing.sheets.version(version))
