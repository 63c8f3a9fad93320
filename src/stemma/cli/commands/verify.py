"""`stemma verify`."""

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository, suggest_references
from stemma.cli.session import Session, pass_session
from stemma.cli.text import plural
from stemma.cli.watching import watch
from stemma.client.answers import Damage, Verified
from stemma.errors import CorruptError


@command(
    "verify",
    "stemma verify",
    "stemma verify --all",
    "stemma verify bank/loans@production",
    "stemma verify --all --json",
    prints=Verified,
)
@click.argument("references", metavar="[REF]...", nargs=-1, shell_complete=suggest_references)
@click.option("--all", "deep", is_flag=True, help="Read and check every byte of the store.")
@pass_session
def verify(session: Session, *, references: tuple[str, ...], deep: bool) -> None:
    """Check that every stored byte is what it was.

    With REF every byte of these versions is read and checked: in a folder from its store, from a server as it sends
    them. Without, a folder's whole store is checked, its frames and indexes only unless --all is given, which is quick.
    Nothing is changed. Exits with 7 if anything is damaged, and says which file, at which offset, and which versions
    need it.
    """
    if references and deep:
        raise click.UsageError("--all is for the whole store: name no version.", click.get_current_context())
    with open_repository(session) as repository, watch(session) as progress:
        report = repository.verify(*references, deep=deep, progress=progress)
    session.answer(report, lambda: cli.drawing.sheets.verified(report))
    if not report.sound:
        places = [_place(damage) for damage in report.damage] + [file.digest for file in report.affected]
        raise CorruptError(
            f"{plural(len(report.damage), 'place')} damaged, {plural(len(report.affected), 'file')} affected",
            place=places[0],
            hint="Restore the damaged packs from a copy; the other versions can be used. Nothing was changed.",
        )
    if not report.deep:
        session.note("Bytes inside packs were not read: 'stemma verify --all' does.")


def _place(damage: Damage) -> str:
    return damage.file if damage.offset is None else f"{damage.file}, offset {damage.offset}"
