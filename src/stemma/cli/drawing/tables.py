"""Listings as tables: one line an item, the most telling columns first, ids last."""

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.style import Style
from rich.table import Table
from rich.text import Text

from stemma.cli.answers import HistoryEvent
from stemma.cli.text import first_line, joined, moment, numbered, safe, short, size
from stemma.operations.views import EntryView, FileView, ModelView, MoveView, NodeView, PointerView, VersionView

ALIAS = Style(color="green", bold=True)
BRANCH = Style(color="cyan")
DIM = Style(dim=True)
WITHDRAWN = Style(strike=True, dim=True)
BAD = Style(color="red", bold=True)
GOOD = Style(color="green")
NUMBER = Style(bold=True)


def table(*columns: str, right: Sequence[str] = (), wide: Sequence[str] = ()) -> Table:
    """Return an empty table without lines; `right` are set right, `wide` give way when the terminal is narrow."""
    made = Table(box=None, pad_edge=False, header_style=Style(dim=True))
    for column in columns:
        justify: Literal["right", "left"] = "right" if column in right else "left"
        made.add_column(
            column, justify=justify, no_wrap=column not in wide, overflow="ellipsis" if column in wide else "fold"
        )
    return made


def cut(text: str, *, style: Style | None = None) -> Text:
    """Return text that is cut rather than wrapped where its column is too narrow."""
    return Text(text, style=style or "", no_wrap=True, overflow="ellipsis")


def tags(aliases: Iterable[str]) -> Text:
    """Return the names of aliases, each as a tag."""
    return Text(" ").join(Text(f"[{safe(alias)}]", style=ALIAS) for alias in aliases)


def models(views: Sequence[ModelView]) -> Table:
    """Draw models with what their names point to."""
    made = table("model", "latest", "versions", "aliases", "title", right=("versions",), wide=("aliases", "title"))
    for view in views:
        aliases = Text(", ").join(
            Text.assemble((safe(name), ALIAS), f" → {_selector(reference)}") for name, reference in view.aliases.items()
        )
        latest = _selector(view.latest) if view.latest else ""
        made.add_row(
            Text(safe(view.model), style=NUMBER),
            Text(latest),
            f"{view.versions:,}",
            aliases,
            cut(safe(view.title or "")),
        )
    return made


def _selector(reference: str) -> str:
    """Return what stands behind the `@` of a reference, or the whole where nothing does."""
    return safe(reference.partition("@")[2] or reference)


def versions(views: Sequence[VersionView]) -> Table:
    """Draw versions of one model."""
    made = table("version", "registered (UTC)", "branch", "size", "message", "", right=("size",), wide=("message",))
    for view in views:
        made.add_row(
            _version(view),
            moment(view.registered),
            Text(safe(view.branch), style=BRANCH),
            size(view.bytes),
            cut(first_line(view.message.what)),
            Text(" ").join(_remarks(view)),
        )
    return made


def _version(view: VersionView) -> Text:
    return Text(numbered(view.number, view.sequence), style=WITHDRAWN if view.withdrawn else NUMBER)


def _remarks(view: VersionView) -> list[Text]:
    remarks = [tags(view.aliases)] if view.aliases else []
    if view.withdrawn:
        remarks.append(Text("withdrawn", style=BAD))
    if view.tainted:
        remarks.append(Text("tainted ancestor", style=BAD))
    return remarks


def files(views: Sequence[FileView]) -> Table:
    """Draw the files of a version."""
    made = table("size", "path", "sha256", right=("size",))
    for view in views:
        path = Text(safe(view.path) + ("*" if view.executable else ""))
        made.add_row(size(view.size), path, Text(safe(view.digest.removeprefix("sha256:")[:12]), style=DIM))
    return made


def pointers(views: Sequence[PointerView]) -> Table:
    """Draw aliases or branches and where they point."""
    made = table("name", "points to", "moved (UTC)", "digest", "")
    for view in views:
        made.add_row(
            Text(safe(view.name), style=ALIAS if view.kind == "alias" else BRANCH),
            Text(safe(view.reference) if view.reference else "nothing"),
            moment(view.moved),
            Text(short(view.digest), style=DIM),
            Text("protected" if view.protected else ""),
        )
    return made


def moves(views: Sequence[MoveView]) -> Table:
    """Draw the moves of an alias, newest first."""
    made = table("time (UTC)", "move", "by", "why", wide=("why",))
    for view in views:
        made.add_row(moment(view.time), move(view), Text(safe(view.actor)), _why(view))
    return made


def move(view: MoveView) -> Text:
    """Return one move: `production 1.1.0 → 1.2.0`."""
    before = _selector(view.before) if view.before else "nothing"
    after = _selector(view.after) if view.after else "nothing"
    return Text.assemble((safe(view.alias), ALIAS), f" {before} → ", (after, NUMBER))


def _why(view: MoveView) -> Text:
    override = "override: " if view.override else ""
    return cut(override + (first_line(view.reason) if view.reason else ""))


def history(events: Sequence[HistoryEvent]) -> Table:
    """Draw what happened to a model, newest first."""
    made = table("time (UTC)", "what", "by", "message", wide=("message",))
    for event in events:
        if event.version is not None:
            what, by = _version(event.version), event.version.author
            said = cut(first_line(event.version.message.what))
        elif event.move is not None:
            what, by, said = move(event.move), event.move.actor, _why(event.move)
        made.add_row(moment(event.time), what, Text(safe(by or "")), said)
    return made


def entries(views: Sequence[EntryView]) -> Table:
    """Draw entries of the log."""
    made = table("log", "entry", "time (UTC)", "action", "of", "by", "reason", right=("entry",), wide=("of", "reason"))
    for view in views:
        refused = " (refused)" if view.outcome == "refused" else ""
        made.add_row(
            Text(safe(view.namespace)),
            f"{view.sequence:,}",
            moment(view.time),
            Text(safe(view.action) + refused, style=BAD if refused else ""),
            cut(safe(view.thing)),
            Text(safe(view.actor)),
            cut(first_line(view.reason) if view.reason else ""),
        )
    return made


def nodes(views: Sequence[NodeView]) -> Table:
    """Draw what is related to a version, with its distance."""
    made = table("steps", "relation", "version", "aliases", right=("steps",), wide=("version", "aliases"))
    for view in views:
        made.add_row(
            f"{view.depth:,}", Text(safe(view.kind or "")), cut(safe(view.reference or view.id)), tags(view.aliases)
        )
    return made


def labels(values: dict[str, str | None]) -> Table:
    """Draw labels."""
    made = table("label", "value")
    for key, value in values.items():
        made.add_row(Text(safe(key)), Text(joined([value]) if value is not None else "(redacted)"))
    return made
