"""`stemma db`."""

import click

from stemma import cli
from stemma.cli.answers import Checked, DatabaseFinding, Migrated, Rebuilt
from stemma.cli.grouping import family
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, plural, safe
from stemma.errors import CorruptError, UnsupportedError


@family("db", "stemma db check", "stemma db migrate", "stemma db rebuild")
def db() -> None:
    """Check, migrate and rebuild the database."""


@db.command("check", examples=("stemma db check", "stemma db check --json"), prints=Checked)
@pass_session
def check(session: Session) -> None:
    """Check that the database is whole and fits what is stored.

    Only reads. Exits with 7 if anything is damaged, and says where. Of a database that an earlier release
    made, only what does not depend on the release is checked.
    """
    with open_repository(session, older=True) as repository:
        findings = repository.database.check()
    found = Checked(
        findings=tuple(
            DatabaseFinding(check=each.check, place=each.place, message=each.message, hint=each.hint or None)
            for each in findings
        )
    )
    session.answer(found, lambda: cli.drawing.sheets.checked(found))
    if [each.check for each in found.findings] == ["level"]:
        raise UnsupportedError(
            f"the database {found.findings[0].message}",
            place=found.findings[0].place,
            hint=found.findings[0].hint or "",
        )
    if found.findings:
        raise CorruptError(
            f"the database is damaged: {plural(len(found.findings), 'finding')}", hint=found.findings[0].hint or ""
        )


@db.command("migrate", examples=("stemma db migrate",), prints=Migrated)
@pass_session
def migrate(session: Session) -> None:
    """Bring the database to the level of this release.

    A copy is made first, in .stemma/backups. Nothing is done where nothing is to do.
    """
    with open_repository(session, older=True) as repository:
        migrated = repository.database.migrate()
    backup = None if migrated.backup is None else path_text(migrated.backup)
    done = Migrated(before=migrated.before, after=migrated.after, backup=backup)
    if session.json:
        session.emit(done)
        return
    session.line(safe(done.after))
    if done.before == done.after:
        session.note("  The database is at this level already.")
    else:
        session.note(f"  was {safe(done.before)}; a copy is in {safe(done.backup or '')}")


@db.command("rebuild", examples=("stemma db rebuild", "stemma db rebuild --repair"), prints=Rebuilt)
@click.option("--repair", is_flag=True, help="Replace what differs.")
@pass_session
def rebuild(session: Session, *, repair: bool) -> None:
    """Recreate names, numbers and edges from the log beside the database, and compare.

    Exits with 7 if they differ, unless --repair has replaced them.
    """
    with open_repository(session) as repository:
        rebuilt = repository.database.rebuild(repair)
    done = Rebuilt(
        entries=rebuilt.entries,
        differences=tuple(str(each) for each in rebuilt.differences),
        repaired=rebuilt.is_repaired,
    )
    session.answer(done, lambda: cli.drawing.sheets.rebuilt(done))
    if done.differences and not done.repaired:
        raise CorruptError(
            f"{plural(len(done.differences), 'difference')} from what the log says",
            hint="'stemma db rebuild --repair' replaces them; see 'stemma audit verify' first.",
            place=done.differences[0],
        )
