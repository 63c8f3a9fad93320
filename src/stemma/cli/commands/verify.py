"""`stemma verify`."""

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.cli.text import plural
from stemma.cli.watching import watch
from stemma.client.answers import Damage, Verified
from stemma.errors import CorruptError


@command("verify", "stemma verify", "stemma verify --all", "stemma verify --all --json", prints=Verified)
@click.option("--all", "deep", is_flag=True, help="Read and check every byte.")
@pass_session
def verify(session: Session, *, deep: bool) -> None:
    """Check that every stored byte is what it was.

    Without --all the frames and indexes of all packs are checked, which is quick. Nothing is changed. Exits with 7
    if anything is damaged, and says which file, at which offset, and which versions need it.
    """
    with open_repository(session) as repository, watch(session) as progress:
        report = repository.verify(deep=deep, progress=progress)
    session.answer(report, lambda: cli.drawing.sheets.verified(report))
    if not report.sound:
        places = [_place(damage) for damage in report.damage] + [file.digest for file in report.affected]
        raise CorruptError(
            f"{plural(len(report.damage), 'place')} damaged, {plural(len(report.affected), 'file')} affected",
            place=places[0],
            hint="Restore the damaged packs from a copy; the other versions can be used. Nothing was changed.",
        )
    if not deep:
        session.note("Bytes inside packs were not read: 'stemma verify --all' does.")


def _place(damage: Damage) -> str:
    return damage.file if damage.offset is None else f"{damage.file}, offset {damage.offset}"
