"""`stemma serve`."""

from functools import partial
from pathlib import Path

import click

from stemma.app import open_folder
from stemma.cli.answers import Served
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.client.upkeep.webhooks import rules_of
from stemma.errors import NotFoundError, UnsupportedError
from stemma.server import Serving
from stemma.server import serve as serve_repository
from stemma.settings import account_name, find_repository, load_settings


@command(
    "serve",
    "stemma serve",
    "stemma serve --port 0",
    "stemma serve --host 0.0.0.0 --origin https://models.example",
    prints=Served,
)
@click.option("--host", metavar="ADDRESS", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", metavar="N", help="The port to listen on; 0 takes one that is free.  [default: 8470]")
@click.option("--workers", metavar="N", help="How many processes to use.  [default: 1]")
@click.option(
    "--origin",
    "origins",
    metavar="URL",
    multiple=True,
    help="An origin under which people know this server, such as that of a proxy before it; can be repeated.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="What is logged.  [default: info]"
)
@click.option("--log-requests", type=click.Choice(["yes", "no"]), help="Log each request.  [default: yes]")
@pass_session
def serve(
    session: Session,
    *,
    host: str | None,
    port: str | None,
    workers: str | None,
    origins: tuple[str, ...],
    log_level: str | None,
    log_requests: str | None,
) -> None:
    """Serve this repository over HTTP.

    Prints one line with the URL when it answers, and then runs until it is interrupted. Where nobody has a role yet,
    whoever reaches the server is the owner, so it listens on this machine only; to let others in, add an admin first:
    'stemma user add NAME --role admin'. The log goes to standard error, as JSON where that is no terminal.
    """
    flags = {
        "serve.host": host,
        "serve.port": port,
        "serve.workers": workers,
        "serve.origins": ",".join(origins) or None,
        "log.level": log_level,
        "log.requests": log_requests,
    }
    root = _root(session)
    settings = load_settings(repository=root, flags=session.flags | flags)
    serving = Serving(
        host=settings.text("serve.host") or "",
        port=settings.number("serve.port"),
        workers=settings.number("serve.workers"),
        origins=tuple(text for text in (settings.text("serve.origins") or "").split(",") if text),
        owner=settings.text("user.name") or account_name(),
        log_level=settings.text("log.level") or "",
        log_requests=settings.text("log.requests") == "yes",
    )
    opening = partial(
        open_folder,
        root,
        passphrase=settings.text("key.passphrase"),
        lock_timeout=settings.number("lock.timeout"),
        database_url=settings.text("database.url"),
        webhook_rules=rules_of(settings),
    )
    serve_repository(opening, serving, lambda url: _announce(session, url))


def _announce(session: Session, url: str) -> None:
    if session.json:
        session.emit(Served(url=url))
    else:
        session.line(url)


def _root(session: Session) -> Path:
    where = session.settings.text("repo")
    root = session.root
    if where is not None and "://" in where:
        if session.repo is not None:
            raise UnsupportedError(f"{where!r} is served already", hint="Give a folder that holds .stemma.")
        where, root = None, find_repository(Path.cwd())  # what one works with is not what one serves
    if root is None:
        raise NotFoundError(
            f"there is no repository in {where or str(Path.cwd())!r}" + ("" if where else " or above it"),
            hint="Make one with 'stemma init', then serve it.",
        )
    return root
