"""`stemma login`."""

import sys
from pathlib import Path

import click

from stemma import cli
from stemma.access.token import public_id
from stemma.cli.answers import LoggedIn
from stemma.cli.asking import hidden
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text
from stemma.client.address import Address
from stemma.client.remote.credentials import credentials_file, keep_token
from stemma.client.repository import Repository
from stemma.errors import InvalidError, UnavailableError

_MAX_FILE = 4096


@command(
    "login",
    "stemma login https://stemma.example",
    "stemma login https://stemma.example --token-file token.txt",
    "stemma login https://stemma.example < token.txt",
    prints=LoggedIn,
)
@click.argument("url", metavar="URL")
@click.option(
    "--token-file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Read the token from a file."
)
@pass_session
def login(session: Session, url: str, *, token_file: Path | None) -> None:
    """Keep a token for a server.

    No command asks for it again. The token is asked for at the terminal, where it is not shown, or read from a file or
    standard input; never from the command line, which others can see. It is kept in a file that only you can read.
    STEMMA_TOKEN comes before it.
    """
    address = str(Address.parse(url))
    token = _read_token(token_file)
    with Repository.open(address, token=token, warn=session.warn) as repository:
        identity = repository.people.whoami()
    keep_token(address, token)
    view = LoggedIn(server=address, identity=identity)
    session.answer(view, lambda: cli.drawing.people.identity(identity))
    session.note(f"  kept in {path_text(credentials_file())}")


def _read_token(path: Path | None) -> str:
    if path is not None:
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_FILE).decode("ascii", "replace").strip()
        except OSError as error:
            raise UnavailableError(f"cannot be read: {error.strerror}", place=path_text(path)) from error
    elif sys.stdin.isatty():
        text = hidden("Token").strip()
    else:
        text = sys.stdin.read(_MAX_FILE).strip()
    if public_id(text) is None:
        raise InvalidError("this is not a token", hint="A token is 'stm_', an id, '_' and a secret, on one line.")
    return text
