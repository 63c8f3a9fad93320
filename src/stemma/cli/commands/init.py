"""`stemma init`."""

import click

from stemma.cli.answers import Initialized
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, safe
from stemma.client.repository import Repository


@command(
    "init",
    "stemma init",
    "stemma init ~/models",
    "stemma init ~/models --database postgresql://stemma@db.example/models",
    prints=Initialized,
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=str))
@click.option("--database", metavar="URL", help="Keep the tables in this empty PostgreSQL database, not in the folder.")
@pass_session
def init(session: Session, folder: str, database: str | None) -> None:
    """Make a folder a repository.

    Everything that Stemma knows is kept in DIR/.stemma; DIR is made if it is not there, by default it is the
    current folder. There is no server, and nothing else on this machine is changed.

    With --database, names, numbers and the log are kept on PostgreSQL, so that several servers can write at once;
    files and keys stay in the folder. Every later command finds the database by STEMMA_DATABASE_URL, or by
    database.url in your own configuration: the folder does not keep the URL.
    """
    with Repository.init(session.repo or folder, database=database) as repository:
        root = path_text(repository.root)
    if session.json:
        session.emit(Initialized(root=root))
        return
    session.line(safe(root))
    if database is not None:
        session.note("Set STEMMA_DATABASE_URL to the URL of its database wherever it is used.")
    session.note("This folder is a repository now. Next: stemma push NAMESPACE/NAME DIR -m MESSAGE")
