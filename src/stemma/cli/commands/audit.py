"""`stemma audit`."""

from pathlib import Path

import click

from stemma import cli
from stemma.cli.answers import Entries
from stemma.cli.grouping import family
from stemma.cli.opening import first, open_repository
from stemma.cli.options import limit_option, moment_given
from stemma.cli.session import Session, pass_session
from stemma.client.answers import Audited
from stemma.client.audit import verify_export
from stemma.names import ModelName


@family("audit", "stemma audit log", "stemma audit verify", "stemma audit export evidence/")
def audit() -> None:
    """Read, export and prove the log of all changes.

    Every change is an entry of an append-only log whose root is signed. An export proves itself without this
    repository, and without a network.
    """


@audit.command(
    "log",
    examples=(
        "stemma audit log",
        "stemma audit log bank --action alias.set --since 2026-03-01",
        "stemma audit log bank --concerns bank/loans --json",
    ),
    prints=Entries,
)
@click.argument("namespace", required=False)
@click.option("--concerns", metavar="THING", help="Only entries about a model, a version or an alias.")
@click.option("--action", metavar="ACTION", help="Only one kind of change, for example alias.set.")
@click.option("--since", metavar="TIME", help="Only from a time on; a date means its start in UTC.")
@click.option("--until", metavar="TIME", help="Only up to a time; a date means its end in UTC.")
@click.option("--oldest-first", is_flag=True, help="Begin with the oldest.")
@limit_option(100)
@pass_session
def log(
    session: Session,
    *,
    namespace: str | None,
    concerns: str | None,
    action: str | None,
    since: str | None,
    until: str | None,
    oldest_first: bool,
    limit: int,
) -> None:
    """Show entries of the log, newest first.

    NAMESPACE is the log of one namespace; without it, all of them.
    """
    if concerns and "/" in concerns and "@" not in concerns:
        model = ModelName.parse(concerns)
        namespace, concerns = namespace or model.namespace, model.name
    with open_repository(session) as repository:
        entries, truncated = first(
            repository.audit.log(
                namespace,
                concerns=concerns,
                action=action,
                since=moment_given(since, end_of_day=False) if since else None,
                until=moment_given(until, end_of_day=True) if until else None,
                oldest_first=oldest_first,
            ),
            limit,
        )
    session.answer(Entries(entries=entries, truncated=truncated), lambda: cli.drawing.tables.entries(entries))
    if truncated:
        session.note(f"These are {limit:,}: there are more, see --limit.")


@audit.command(
    "verify",
    examples=("stemma audit verify", "stemma audit verify evidence/", "stemma audit verify evidence/ --key sha256:…"),
    prints=Audited,
)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--key", metavar="FINGERPRINT", multiple=True, help="Trust this key instead of the pinned ones.")
@pass_session
def verify(session: Session, folder: Path | None, *, key: tuple[str, ...]) -> None:
    """Verify this repository's log, or the export in DIR.

    An export needs nothing but its folder. Keys are pinned outside of it, in your configuration folder: at first use
    their fingerprints are printed, compare them with the owner's. Exits with 7 on anything that does not add up.
    """
    if folder is None:
        if key:
            raise click.UsageError("--key is for an export: name its folder.", click.get_current_context())
        with open_repository(session) as repository:
            found = repository.audit.verify()
    else:
        found = verify_export(folder, key)
    _tell(session, found, "The log adds up.")


@audit.command("export", examples=("stemma audit export evidence/",), prints=Audited)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@pass_session
def export(session: Session, folder: Path) -> None:
    """Write the log as static files that prove themselves.

    DIR must be empty or not there. Whoever has it can run 'stemma audit verify DIR'.
    """
    with open_repository(session) as repository:
        found = repository.audit.export(folder)
    _tell(session, found, "The log is exported.")


def _tell(session: Session, found: Audited, title: str) -> None:
    session.answer(found, lambda: cli.drawing.sheets.audited(found, title))
    if found.first_use:
        session.warn(
            f"these keys were not known before and are pinned now, compare them with the owner's: "
            f"{', '.join(found.fingerprints)}"
        )
