"""`stemma demo`."""

from pathlib import Path

import click

from stemma import cli
from stemma.cli.answers import Initialized
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text


@command("demo", "stemma demo", "stemma demo ~/stemma-demo", prints=Initialized)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@pass_session
def demo(session: Session, folder: Path | None) -> None:
    """Tell Stemma's story on real data.

    Trains three models on 1,989 real loan applications, versions them, moves production and brings it back, and
    proves that a copy was tampered with. Leaves a repository to explore. Takes less than a minute.
    """
    root = cli.demo.run(folder)
    if session.json:
        session.emit(Initialized(root=path_text(root)))
