"""`stemma restore`."""

from pathlib import Path

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.watching import watch
from stemma.client.answers import BackupState
from stemma.client.upkeep.backups import restore as restore_backup
from stemma.client.upkeep.backups import verify_backup


@command(
    "restore",
    "stemma restore /mnt/backups/models work/",
    "stemma restore /mnt/backups/models --verify",
    prints=BackupState,
)
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Only read the backup and check every byte of it.")
@click.option("--database", metavar="URL", help="Put the database on PostgreSQL there, whatever it was on.")
@click.option("--keys", metavar="DIR", type=click.Path(path_type=Path), help="Where log.pem is, if not in the backup.")
@pass_session
def restore(
    session: Session,
    source: Path,
    folder: Path | None,
    *,
    verify: bool,
    database: str | None,
    keys: Path | None,
) -> None:
    """Make a repository from a backup.

    It is made in DIR, by default here, where there must be none. Everything is checked before any of it is seen. Exits
    with 7 where the backup is damaged.
    """
    if verify and (folder or database or keys):
        raise click.UsageError("--verify only reads: leave the rest out.", click.get_current_context())
    with watch(session) as progress:
        if verify:
            found = verify_backup(source, progress)
        else:
            found = restore_backup(source, folder or Path.cwd(), database_url=database, keys=keys, progress=progress)
    title = "The backup is whole." if verify else "The repository is restored."
    session.answer(found, lambda: cli.drawing.reports.backup(found, title))
