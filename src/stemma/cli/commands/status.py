"""`stemma status`."""

from stemma import cli
from stemma.cli.answers import Status
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text


@command("status", "stemma status", "stemma status --json", prints=Status)
@pass_session
def status(session: Session) -> None:
    """Say what is here, and one thing to do next."""
    with open_repository(session) as repository:
        found = repository.status()
        state = Status(
            place=path_text(repository.place),
            models=found.models,
            versions=found.versions,
            bytes=found.bytes,
            stored=found.stored,
            unsigned=found.unsigned,
            next_step=found.next_step,
        )
    session.answer(state, lambda: cli.drawing.sheets.status(state))
