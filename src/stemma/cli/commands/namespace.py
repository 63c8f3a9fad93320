"""`stemma namespace`: sets of models that have their own people and their own log."""

import click

from stemma import cli
from stemma.cli.answers import Namespaces, Principals
from stemma.cli.grouping import family
from stemma.cli.opening import first, open_repository
from stemma.cli.options import limit_option
from stemma.cli.session import Session, pass_session
from stemma.cli.text import safe
from stemma.operations.people.values import NamespaceView


@family("namespace", "stemma namespace create bank", "stemma namespace list", "stemma namespace members bank")
def namespace() -> None:
    """Make namespaces, and see who may do what in them."""


@namespace.command("create", examples=("stemma namespace create bank",), prints=NamespaceView)
@click.argument("name", metavar="NAMESPACE")
@click.option("--as-arrived", is_flag=True, help="Of what a synchronisation sent that will never come to its end.")
@pass_session
def create(session: Session, name: str, *, as_arrived: bool) -> None:
    """Make a namespace. Whoever makes it becomes its admin."""
    with open_repository(session) as repository:
        view = repository.people.create_namespace(name, as_arrived=as_arrived)
    if session.json:
        session.emit(view)
        return
    session.note(f"  {safe(name)} is there now" + (f", and you are its {safe(view.role)}" if view.role else ""))


@namespace.command("list", examples=("stemma namespace list",), prints=Namespaces)
@limit_option(100)
@pass_session
def list_namespaces(session: Session, *, limit: int) -> None:
    """List the namespaces that you may see."""
    with open_repository(session) as repository:
        found, truncated = first(repository.namespaces(), limit)
    if session.json:
        session.emit(Namespaces(namespaces=found, truncated=truncated))
        return
    for name in found:
        session.line(safe(name))
    if truncated:
        session.note(f"These are the first {limit:,}: there are more, see --limit.")


@namespace.command("members", examples=("stemma namespace members bank",), prints=Principals)
@click.argument("name", metavar="NAMESPACE")
@limit_option(100)
@pass_session
def members(session: Session, name: str, *, limit: int) -> None:
    """List who has a role in a namespace, or everywhere."""
    with open_repository(session) as repository:
        views, truncated = first(repository.people.members(name), limit)
    session.answer(Principals(principals=views, truncated=truncated), lambda: cli.drawing.people.principals(views))
    if truncated:
        session.note(f"These are the first {limit:,}: there are more, see --limit.")
