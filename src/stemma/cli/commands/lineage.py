"""`stemma lineage`."""

import click

from stemma import cli
from stemma.cli.answers import Related
from stemma.cli.grouping import command
from stemma.cli.opening import first, open_repository
from stemma.cli.options import limit_option, reference_argument
from stemma.cli.session import Session, pass_session


@command(
    "lineage",
    "stemma lineage bank/loans@production",
    "stemma lineage bank/loans@1.0.0 --descendants",
    "stemma lineage bank/loans@1.0.0 --impact --json",
    prints=Related,
)
@reference_argument
@click.option("--ancestors", "direction", flag_value="ancestors", default=True, help="What it came from (the default).")
@click.option("--descendants", "direction", flag_value="descendants", help="What came from it.")
@click.option("--impact", "direction", flag_value="impact", help="What came from it, and the aliases that point there.")
@click.option("--kind", "kinds", metavar="KIND", multiple=True, help="Only along relations of this kind.")
@limit_option(100)
@pass_session
def lineage(session: Session, reference: str, *, direction: str, kinds: tuple[str, ...], limit: int) -> None:
    """Follow what a version came from, or what came from it.

    Nearest first. With --impact, also says which aliases point at the descendants.
    """
    with open_repository(session) as repository:
        version = repository.resolve(reference)
        walks = {
            "ancestors": repository.lineage.ancestors,
            "descendants": repository.lineage.descendants,
            "impact": repository.lineage.impact,
        }
        nodes, truncated = first(walks[direction](f"{version.model}@{version.digest}", kinds), limit)
    session.answer(
        Related(reference=version.reference, direction=direction, nodes=nodes, truncated=truncated),
        lambda: cli.drawing.tables.nodes(nodes),
    )
    if truncated:
        session.note(f"These are {limit:,}: there are more, see --limit.")
