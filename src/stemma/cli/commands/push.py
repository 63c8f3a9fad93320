"""`stemma push`."""

import re
from pathlib import Path

import click

from stemma.cli.grouping import command
from stemma.cli.opening import open_repository
from stemma.cli.options import figures, model_argument, pairs, parameters
from stemma.cli.session import Session, pass_session
from stemma.cli.text import numbered, plural, safe, short, size
from stemma.cli.watching import watch
from stemma.client.answers import PushResult
from stemma.errors import InvalidError
from stemma.registry.records.version import ParentKind

_KIND = re.compile(r"[a-z]+(?:[_-][a-z]+)*", re.ASCII)


@command(
    "push",
    "stemma push bank/loans model/ -m 'Baseline: logistic regression'",
    "stemma push bank/loans model/ -m 'Gradient boosting' --branch gbdt --param depth=6 --metric auc=0.81",
    "stemma push bank/loans model/ -m 'Fix age < 0' --version 1.4.1 --parent bank/loans@1.4.0",
    "stemma push me/bert tuned/ -m 'Tuned' --parent hf:google/bert@COMMIT:fine_tuned_from",
    prints=PushResult,
)
@model_argument
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-m", "--message", required=True, help="What changed; the first line is the title.")
@click.option("--why", help="Why it was changed.")
@click.option("--impact", help="What it is expected to do.")
@click.option("--version", "number", metavar="X.Y.Z", help="Its number; by default the next minor.")
@click.option("--experimental", is_flag=True, help="Number it below 1.0.0.")
@click.option(
    "--parent",
    "parents",
    metavar="REF[:KIND]",
    multiple=True,
    help="What it came from; by default the head of the branch. KIND is 'continues', or for example 'fine_tuned_from'.",
)
@click.option("--branch", default="main", show_default=True, metavar="B", help="The line of work it belongs to.")
@click.option("--param", "params", metavar="NAME=VALUE", multiple=True, help="What it was trained with.")
@click.option("--metric", "metrics", metavar="NAME=VALUE", multiple=True, help="A measured figure.")
@click.option("--label", "labels", metavar="K=V", multiple=True, help="A label.")
@click.option("--if-changed", is_flag=True, help="If the head of the branch is the same, print it and stop.")
@click.option("--follow-links", is_flag=True, help="Store the files that symbolic links lead to.")
@pass_session
def push(  # noqa: PLR0913  # one for each option
    session: Session,
    model: str,
    folder: Path,
    *,
    message: str,
    why: str | None,
    impact: str | None,
    number: str | None,
    experimental: bool,
    parents: tuple[str, ...],
    branch: str,
    params: tuple[str, ...],
    metrics: tuple[str, ...],
    labels: tuple[str, ...],
    if_changed: bool,
    follow_links: bool,
) -> None:
    """Store a folder as a new version of a model.

    Prints the new version's reference on standard output. What is stored already is not stored again.
    """
    read_parents = [split_parent(parent) for parent in parents]
    with open_repository(session) as repository, watch(session) as progress:
        result = repository.push(
            model,
            folder,
            message=message,
            why=why,
            impact=impact,
            version=number,
            experimental=experimental,
            branch=branch,
            parents=read_parents,
            params=parameters(params),
            metrics=figures(metrics),
            labels=pairs(labels, "--label"),
            if_changed=if_changed,
            follow_links=follow_links,
            progress=progress,
        )
    _tell(session, result)


def split_parent(text: str) -> tuple[str, str]:
    """Read `REF[:KIND]`; what looks like a kind and is none is an InvalidError that lists them."""
    reference, colon, kind = text.rpartition(":")
    if not colon or not _KIND.fullmatch(kind) or reference in {"sha256", "hf"} or reference.endswith("@sha256"):
        return text, ParentKind.CONTINUES.value
    kind = kind.replace("-", "_")
    if kind not in list(ParentKind):
        raise InvalidError(
            f"{kind!r} is not a kind of parent", hint=f"Kinds are {', '.join(ParentKind)}.", place=f"--parent {text}"
        )
    return reference, kind


def _tell(session: Session, pushed: PushResult) -> None:
    if session.json:
        session.emit(pushed)
        return
    version = pushed.version
    session.line(safe(version.reference), bold=True)
    if not pushed.changed:
        session.note("Nothing changed since this version; nothing was stored.")
    else:
        where = f"{numbered(version.number, version.sequence)} on {safe(version.branch)}, {short(version.digest)}"
        shared = f", {size(pushed.shared)} shared with what was there" if pushed.shared else ""
        session.note(f"  version  {where}")
        session.note(f"  folder   {plural(pushed.files, 'file')}, {size(pushed.bytes)}")
        session.note(f"  stored   {size(pushed.stored)} new{shared}")
        for parent in version.parents:
            name = parent.reference or parent.external or parent.version or ""
            session.note(f"  parent   {safe(name)} ({safe(parent.kind)})")
    for warning in pushed.warnings:
        session.warn(warning)
