"""`stemma logout`."""

import click

from stemma.access.token import public_id
from stemma.cli.answers import LoggedOut
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import safe
from stemma.client.address import Address
from stemma.client.remote.credentials import find_token, forget_token, kept_servers
from stemma.client.repository import Repository
from stemma.errors import InvalidError, NotFoundError


@command(
    "logout",
    "stemma logout https://stemma.example",
    "stemma logout https://stemma.example --revoke",
    prints=LoggedOut,
)
@click.argument("url", metavar="[URL]", required=False)
@click.option("--revoke", is_flag=True, help="End the token on the server too.")
@pass_session
def logout(session: Session, url: str | None, *, revoke: bool) -> None:
    """Forget the token that was kept for a server.

    URL may be left out where there is one only.
    """
    address = str(Address.parse(url)) if url is not None else _only()
    token = find_token(address)
    if token is None:
        raise NotFoundError(f"no token is kept for {address}", hint="STEMMA_TOKEN is not kept: unset it.")
    revoked = revoke and _revoke(session, address, token)
    forget_token(address)
    if session.json:
        session.emit(LoggedOut(server=address, revoked=revoked))
        return
    session.note(f"  the token for {safe(address)} is forgotten" + (" and revoked" if revoked else ""))


def _only() -> str:
    kept = kept_servers()
    if len(kept) != 1:
        raise InvalidError(
            "it is not said from which server", hint=f"One of: {', '.join(kept)}." if kept else "No token is kept."
        )
    return kept[0]


def _revoke(session: Session, address: str, token: str) -> bool:
    identity = public_id(token)
    if identity is None:
        return False
    with Repository.open(address, token=token, warn=session.warn) as repository:
        return repository.tokens.revoke(identity)
