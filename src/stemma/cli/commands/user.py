"""`stemma user`: people and services, and what they may do where."""

import click

from stemma import cli
from stemma.cli.answers import Principals, RoleChanged
from stemma.cli.asking import confirm
from stemma.cli.grouping import family
from stemma.cli.opening import first, open_repository
from stemma.cli.options import limit_option, place_option, role_argument
from stemma.cli.session import Session, pass_session
from stemma.cli.text import safe
from stemma.errors import InvalidError
from stemma.operations.people.values import PrincipalView

name_argument = click.argument("name", metavar="NAME")


@family(
    "user",
    "stemma user add 'Ada Lovelace' --role contributor --namespace bank",
    "stemma user grant 'Ada Lovelace' deployer --namespace bank",
    "stemma user list",
)
def user() -> None:
    """Add people and services, and say what they may do.

    NAME is a display name in any case, or a pseudonym such as u_3f9c… Roles are reader, contributor, approver,
    deployer and admin, in one namespace or everywhere.
    """


@user.command(
    "add",
    examples=(
        "stemma user add 'Ada Lovelace' --role admin --everywhere",
        "stemma user add nightly-training --service --role contributor --namespace bank",
    ),
    prints=PrincipalView,
)
@name_argument
@click.option("--service", is_flag=True, help="It is a program, not a person.")
@click.option("--role", metavar="ROLE", help="Give a first role, with --namespace or --everywhere.")
@place_option
@pass_session
def add(session: Session, name: str, *, service: bool, role: str | None, place: str | None) -> None:
    """Add a person or a service.

    They can do nothing until they have a role, and ask a server for nothing until they have a token.
    """
    with open_repository(session) as repository:
        view = repository.people.add(name, kind="service" if service else "user", role=role, namespace=place)
    session.answer(view, lambda: cli.drawing.people.principal(view))
    if role is None:
        session.note(f"  give a role: stemma user grant {_quoted(name)} ROLE --namespace NAMESPACE")
    session.note(f"  make a token: stemma token create --for {_quoted(name)}")


@user.command("list", examples=("stemma user list", "stemma user list --all"), prints=Principals)
@click.option("--all", "everybody", is_flag=True, help="Show also who was removed.")
@limit_option(100)
@pass_session
def list_users(session: Session, *, everybody: bool, limit: int) -> None:
    """List the people and services that you may see."""
    with open_repository(session) as repository:
        found = (view for view in repository.people.all() if everybody or view.removed is None)
        views, truncated = first(found, limit)
    session.answer(Principals(principals=views, truncated=truncated), lambda: cli.drawing.people.principals(views))
    if truncated:
        session.note(f"These are the first {limit:,}: there are more, see --limit.")


@user.command("show", examples=("stemma user show 'Ada Lovelace'",), prints=PrincipalView)
@name_argument
@pass_session
def show(session: Session, name: str) -> None:
    """Show somebody with their roles."""
    with open_repository(session) as repository:
        view = repository.people.show(name)
    session.answer(view, lambda: cli.drawing.people.principal(view))


@user.command(
    "remove",
    examples=("stemma user remove nightly-training", "stemma user remove ada --forget --yes"),
    prints=PrincipalView,
)
@name_argument
@click.option("--forget", is_flag=True, help="Forget their name too; it cannot be brought back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def remove(session: Session, name: str, *, forget: bool, yes: bool) -> None:
    """Take every role and token from somebody, for good. What they did stays in the log."""
    with open_repository(session) as repository:
        view = repository.people.show(name)
        confirm(f"Take every role and token from {safe(view.name or view.id)}, for good?", yes=yes)
        view = repository.people.remove(view.id, forget=forget)
    session.answer(view, lambda: cli.drawing.people.principal(view))


@user.command(
    "grant",
    examples=(
        "stemma user grant 'Ada Lovelace' deployer --namespace bank",
        "stemma user grant 'Ada Lovelace' admin --everywhere",
    ),
    prints=RoleChanged,
)
@name_argument
@role_argument
@place_option
@pass_session
def grant(session: Session, name: str, role: str, *, place: str | None) -> None:
    """Give somebody a role in a namespace, or everywhere."""
    _change(session, name, role, place, granted=True)


@user.command("revoke", examples=("stemma user revoke 'Ada Lovelace' deployer --namespace bank",), prints=RoleChanged)
@name_argument
@role_argument
@place_option
@pass_session
def revoke(session: Session, name: str, role: str, *, place: str | None) -> None:
    """Take a role from somebody. It counts at once."""
    _change(session, name, role, place, granted=False)


def _change(session: Session, name: str, role: str, place: str | None, *, granted: bool) -> None:
    if place is None:
        raise InvalidError("it is not said where", hint="Give --namespace NAMESPACE, or --everywhere.")
    with open_repository(session) as repository:
        change = repository.people.grant if granted else repository.people.revoke
        changed = change(name, role, place)
    if session.json:
        session.emit(RoleChanged(principal=name, role=role, namespace=place, granted=granted, changed=changed))
        return
    where = "everywhere" if place == "*" else f"in {safe(place)}"
    said = "is" if granted else "is not"
    session.note(f"  {safe(name)} {said} {safe(role)} {where}{' now' if changed else ' already'}")


def _quoted(name: str) -> str:
    return safe(name) if name.isalnum() else f"'{safe(name)}'"
