"""`stemma tree`."""

from stemma import cli
from stemma.cli.answers import Family
from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.options import model_argument
from stemma.cli.session import Session, pass_session
from stemma.names import ModelName


@command(
    "tree",
    "stemma tree bank/loans",
    "stemma tree bank/loans --json",
    "stemma tree bank/loans --color always | less -R",
    prints=Family,
)
@model_argument
@pass_session
def tree(session: Session, model: str) -> None:
    """Draw the family of a model.

    Oldest first. A line of work goes straight down, what branches off is indented, a version with several parents
    is referred to (↳) from the others. Related versions of other models are named in full.
    """
    with open_repository(session) as repository:
        nodes = tuple(repository.tree(model))
    name = str(ModelName.parse(model))
    session.answer(Family(model=name, nodes=nodes), lambda: cli.drawing.family.draw(name, nodes))
