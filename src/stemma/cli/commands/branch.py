"""`stemma branch`."""

import click

from stemma import cli
from stemma.cli.answers import Pointers
from stemma.cli.grouping import family
from stemma.cli.opening import open_repository
from stemma.cli.options import model_argument
from stemma.cli.session import Session, pass_session
from stemma.names import ModelName
from stemma.operations.views import PointerView


@family("branch", "stemma branch list bank/loans", "stemma branch create bank/loans gbdt 1.3.0")
def branch() -> None:
    """Begin and list lines of work.

    A branch is a name that moves by itself: 'stemma push --branch NAME' adds to it. Branches may stay apart for ever.
    """


@branch.command("list", examples=("stemma branch list bank/loans",), prints=Pointers)
@model_argument
@pass_session
def list_branches(session: Session, model: str) -> None:
    """List the branches of a model and their heads."""
    with open_repository(session) as repository:
        found = tuple(repository.branches.all(model))
    session.answer(
        Pointers(model=str(ModelName.parse(model)), pointers=found), lambda: cli.drawing.tables.pointers(found)
    )


@branch.command("create", examples=("stemma branch create bank/loans gbdt 1.3.0",), prints=PointerView)
@model_argument
@click.argument("name", metavar="BRANCH")
@click.argument("start", metavar="SELECTOR")
@pass_session
def create(session: Session, model: str, name: str, start: str) -> None:
    """Begin a branch at a version."""
    with open_repository(session) as repository:
        made = repository.branches.create(model, name, start)
    session.answer(made, lambda: cli.drawing.tables.pointers([made]))
