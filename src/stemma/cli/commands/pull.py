"""`stemma pull`."""

from pathlib import Path

import click

from stemma.cli.answers import Pulled
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.options import reference_argument
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, plural, safe, size
from stemma.cli.watching import watch


@command(
    "pull",
    "stemma pull bank/loans@production model/",
    "stemma pull bank/loans --range '^1.2' model/",
    "stemma pull bank/loans@sha256:9f86d081 model/ --overwrite",
    prints=Pulled,
)
@reference_argument
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace files in DIR that are part of the version.")
@pass_session
def pull(session: Session, reference: str, folder: Path, *, overwrite: bool) -> None:
    """Write a version's files to a folder, verified.

    Each file is checked against its SHA-256 before it appears. DIR must be empty or not there, unless --overwrite.
    """
    with open_repository(session) as repository, watch(session) as progress:
        version = repository.pull(reference, folder, overwrite=overwrite, progress=progress)
    where = path_text(folder)
    if session.json:
        session.emit(Pulled(version=version, folder=where))
        return
    session.line(safe(version.reference), bold=True)
    session.note(f"  {plural(version.files, 'file')}, {size(version.bytes)}, verified, in {safe(where)}")
    if version.withdrawn is not None:
        session.warn(f"this version was withdrawn: {version.withdrawn.reason or '(redacted)'}")
    for warning in version.warnings:
        session.warn(warning)
