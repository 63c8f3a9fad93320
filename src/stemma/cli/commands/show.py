"""`stemma show`."""

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.options import reference_argument
from stemma.cli.session import Session, pass_session
from stemma.operations.views import VersionView


@command(
    "show",
    "stemma show bank/loans@production",
    "stemma show bank/loans@v7 --json",
    "stemma show bank/loans --range '~1.2'",
    prints=VersionView,
)
@reference_argument
@pass_session
def show(session: Session, reference: str) -> None:
    """Show one version.

    Its record, its message, and what has been said of it since: aliases, labels, metrics, withdrawal.
    """
    with open_repository(session) as repository:
        version = repository.show(reference)
    session.answer(version, lambda: cli.drawing.sheets.version(version))
