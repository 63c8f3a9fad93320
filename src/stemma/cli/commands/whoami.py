"""`stemma whoami`."""

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.operations.people.values import Identity


@command("whoami", "stemma whoami", "stemma whoami --repo https://stemma.example", prints=Identity)
@pass_session
def whoami(session: Session) -> None:
    """Say who you are here, and what you may do."""
    with open_repository(session) as repository:
        view = repository.people.whoami()
    session.answer(view, lambda: cli.drawing.people.identity(view))
