"""`stemma backup`."""

from pathlib import Path

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.cli.watching import watch
from stemma.client.answers import BackedUp


@command(
    "backup", "stemma backup /mnt/backups/models", "stemma backup /mnt/backups/models --with-keys", prints=BackedUp
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--with-keys", is_flag=True, help="Take keys too that are not encrypted: guard the folder as you do them."
)
@click.option("--link", is_flag=True, help="Give packs a second name instead of a copy, on the same file system.")
@pass_session
def backup(session: Session, folder: Path, *, with_keys: bool, link: bool) -> None:
    """Keep the state of this repository in another folder.

    It may be used and written to meanwhile. DIR is new, or holds a backup of this repository, which is then brought up
    to date: only new packs are copied. It holds the old backup whole until it holds the new one.
    """
    with open_repository(session) as repository, watch(session) as progress:
        done = repository.upkeep.back_up(folder, keys=with_keys, link=link, progress=progress)
    session.answer(done, lambda: cli.drawing.reports.backed_up(done))
    if not done.backup.keys:
        session.warn(
            "the keys that sign the log are not encrypted, so they are not in the backup: keep .stemma/keys elsewhere, "
            "or take them with --with-keys"
        )
