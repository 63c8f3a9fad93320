"""`stemma token`: what people and services show to a server."""

import click

from stemma import cli
from stemma.cli.answers import TokenRevoked, Tokens
from stemma.cli.asking import confirm
from stemma.cli.grouping import family
from stemma.cli.opening import first, open_repository
from stemma.cli.options import duration_given, limit_option
from stemma.cli.session import Session, pass_session
from stemma.cli.text import moment, safe
from stemma.operations.people.values import TokenCreated


@family(
    "token",
    "stemma token create --for nightly-training --namespace bank --expires 30d",
    "stemma token list --all",
    "stemma token revoke 4f1e0a9b3c2d5e6f7a8b9c0d",
)
def token() -> None:
    """Make, list and revoke the tokens that a server asks for.

    A token never carries more than who it belongs to, ends by itself, and can be revoked at any time.
    """


@token.command(
    "create",
    examples=(
        "stemma token create --for 'Ada Lovelace' --expires 90d",
        "stemma token create --for nightly-training --namespace bank --role contributor > token.txt",
    ),
    prints=TokenCreated,
)
@click.argument("whose", metavar="[NAME]", required=False)
@click.option("--for", "name", metavar="NAME", help="Whose it is, as NAME; by default your own.")
@click.option("--namespace", "namespaces", metavar="NAMESPACE", multiple=True, help="Narrow it to a namespace.")
@click.option("--role", "roles", metavar="ROLE", multiple=True, help="Narrow it to what a role may do.")
@click.option("--expires", metavar="TIME", help="How long it lasts: 12h, 30d; by default 90d, at most 366d.")
@click.option("--note", default="", help="What it is for.")
@pass_session
def create(  # one for each option
    session: Session,
    *,
    whose: str | None,
    name: str | None,
    namespaces: tuple[str, ...],
    roles: tuple[str, ...],
    expires: str | None,
    note: str,
) -> None:
    """Make a token and print it, this once, alone on standard output.

    Keep it as you keep a password. Only a hash of it is stored.
    """
    with open_repository(session) as repository:
        created = repository.tokens.create(
            _one(whose, name),
            namespaces=namespaces or None,
            roles=roles or None,
            lifetime=None if expires is None else duration_given(expires, "--expires"),
            note=note,
        )
    if session.json:
        session.emit(created)
        return
    session.line(created.secret)
    view = created.token
    session.note(f"  {view.id}, of {safe(view.name or view.principal)}, until {moment(view.expires)} UTC")
    session.note("  it is shown this once")


@token.command("list", examples=("stemma token list", "stemma token list --for ada --all"), prints=Tokens)
@click.argument("whose", metavar="[NAME]", required=False)
@click.option("--for", "name", metavar="NAME", help="Whose, as NAME; by default your own.")
@click.option("--everybody", is_flag=True, help="Those of everybody, for admins everywhere.")
@click.option("--all", "ended", is_flag=True, help="Show also what has expired or was revoked.")
@limit_option(100)
@pass_session
def list_tokens(
    session: Session, *, whose: str | None, name: str | None, everybody: bool, ended: bool, limit: int
) -> None:
    """List tokens, never their text."""
    with open_repository(session) as repository:
        found = (
            view
            for view in repository.tokens.all(_one(whose, name), everybody=everybody)
            if ended or view.state == "live"
        )
        views, truncated = first(found, limit)
    session.answer(Tokens(tokens=views, truncated=truncated), lambda: cli.drawing.people.tokens(views))
    if truncated:
        session.note(f"These are the first {limit:,}: there are more, see --limit.")


@token.command("revoke", examples=("stemma token revoke 4f1e0a9b3c2d5e6f7a8b9c0d --yes",), prints=TokenRevoked)
@click.argument("identity", metavar="TOKEN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def revoke(session: Session, identity: str, *, yes: bool) -> None:
    """End a token, and those that were made by showing it. TOKEN is its public id.

    Whoever uses it is turned away at once.
    """
    with open_repository(session) as repository:
        confirm(f"End the token {safe(identity)} for good?", yes=yes)
        changed = repository.tokens.revoke(identity)
    if session.json:
        session.emit(TokenRevoked(token=identity, changed=changed))
        return
    session.note(f"  {safe(identity)} {'is revoked' if changed else 'had ended already'}")


def _one(argument: str | None, option: str | None) -> str | None:
    """Return whom either way of saying it names."""
    if None not in (argument, option) and argument != option:
        raise click.UsageError(
            f"{safe(argument or '')} and --for {safe(option or '')} are two", click.get_current_context()
        )
    return argument or option
