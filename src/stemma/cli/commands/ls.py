"""`stemma ls`."""

from collections.abc import Iterator

import click

from stemma import cli
from stemma.cli.answers import Files, Models, Versions
from stemma.cli.grouping import command
from stemma.cli.opening import first, open_repository, suggest_references
from stemma.cli.options import compose, limit_option
from stemma.cli.session import Session, pass_session
from stemma.client.repository import Repository
from stemma.names import ModelName
from stemma.operations.views import VersionView


@command(
    "ls",
    "stemma ls",
    "stemma ls bank/",
    "stemma ls bank/loans --label team=risk",
    "stemma ls bank/loans --text 'gradient boosting'",
    "stemma ls bank/loans@production",
    prints=(Models, Versions, Files),
)
@click.argument("what", metavar="[NAMESPACE/|NAMESPACE/NAME|REFERENCE]", default="", shell_complete=suggest_references)
@click.option("--branch", metavar="B", help="Only versions of a branch.")
@click.option("--label", metavar="K[=V]", help="Only what carries a label.")
@click.option("--text", metavar="WORDS", help="Only versions whose message holds these words.")
@click.option("--range", "version_range", metavar="RANGE", help="Files of the newest version in a range.")
@click.option("--target", metavar="NAME", help="Files of the build for a target.")
@limit_option(1000)
@pass_session
def ls(  # one for each option
    session: Session,
    what: str,
    *,
    branch: str | None,
    label: str | None,
    text: str | None,
    version_range: str | None,
    target: str | None,
    limit: int,
) -> None:
    """List models, versions or files.

    Without an argument: models. NAMESPACE/ with the slash: its models. NAMESPACE/NAME: its versions, newest first.
    A reference with an '@': the files of that version.
    """
    with open_repository(session) as repository:
        if not what or what.endswith("/"):
            _refuse(branch=branch, text=text, range=version_range, target=target)
            _list_models(session, repository, what.removesuffix("/") or None, label, limit)
        elif "@" in what or version_range or target:
            _refuse(branch=branch, label=label, text=text)
            _list_files(session, repository, compose(what, version_range, target))
        else:
            found = repository.versions(what, branch=branch, label=label, text=text)
            _list_versions(session, what, found, limit)


def _refuse(**given: str | None) -> None:
    for name, value in given.items():
        if value is not None:
            raise click.UsageError(f"--{name} says nothing about this listing.", click.get_current_context())


def _list_models(
    session: Session, repository: Repository, namespace: str | None, label: str | None, limit: int
) -> None:
    models, truncated = first(repository.models(namespace, label), limit)
    session.answer(Models(models=models, truncated=truncated), lambda: cli.drawing.tables.models(models))
    if not models:
        session.note("There is no model here." if namespace or label else "There is no model yet: stemma push --help")
    _say_truncated(session, limit, truncated=truncated)


def _list_versions(session: Session, model: str, found: Iterator[VersionView], limit: int) -> None:
    versions, truncated = first(found, limit)
    session.answer(
        Versions(model=str(ModelName.parse(model)), versions=versions, truncated=truncated),
        lambda: cli.drawing.tables.versions(versions),
    )
    _say_truncated(session, limit, truncated=truncated)


def _list_files(session: Session, repository: Repository, reference: str) -> None:
    version = repository.resolve(reference)
    files = tuple(repository.files(version.reference))
    session.answer(Files(reference=version.reference, files=files), lambda: cli.drawing.tables.files(files))


def _say_truncated(session: Session, limit: int, *, truncated: bool) -> None:
    if truncated:
        session.note(f"These are the first {limit:,}: there are more, see --limit.")
