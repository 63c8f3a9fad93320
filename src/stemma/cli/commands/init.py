"""`stemma init`."""

from pathlib import Path

import click

from stemma.cli.answers import Initialized
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, safe
from stemma.client.repository import Repository


@command("init", "stemma init", "stemma init ~/models", prints=Initialized)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@pass_session
def init(session: Session, folder: Path) -> None:
    """Make a folder a repository.

    Everything that Stemma knows is kept in DIR/.stemma; DIR is made if it is not there, by default it is the
    current folder. There is no server, and nothing else on this machine is changed.
    """
    with Repository.init(session.repo or folder) as repository:
        root = path_text(repository.root)
    if session.json:
        session.emit(Initialized(root=root))
        return
    session.line(safe(root))
    session.note("This folder is a repository now. Next: stemma push NAMESPACE/NAME DIR -m MESSAGE")
