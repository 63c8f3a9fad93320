"""One thing at length: a version, the state of a repository, what a check found."""

from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stemma.cli.answers import Checked, ConfigValue, Rebuilt, Status
from stemma.cli.drawing.tables import BAD, BRANCH, DIM, GOOD, NUMBER, WITHDRAWN, table, tags
from stemma.cli.text import joined, lines, moment, numbered, plural, safe, size
from stemma.client.answers import Audited, Finding, Verified
from stemma.operations.views import MetricView, ParentView, VersionView

WARN = Style(color="yellow")
_MARKS = {"ok": ("ok", GOOD), "warn": ("warn", WARN), "fail": ("fail", BAD)}


def facts(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Draw names and what they are, one below the other."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style=DIM, no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made


def version(view: VersionView) -> RenderableType:
    """Draw a version with all that is known of it."""
    head = Text(safe(view.reference), style=WITHDRAWN if view.withdrawn else NUMBER)
    if view.aliases:
        head = Text.assemble(head, " ", tags(view.aliases))
    rows: list[tuple[str, RenderableType]] = [("version", Text(numbered(view.number, view.sequence)))]
    rows += [("also", Text(safe(number))) for number in view.numbers if number != view.number]
    rows += [
        ("branch", Text(safe(view.branch), style=BRANCH)),
        ("registered", Text(f"{moment(view.registered)} UTC" + (f" by {safe(view.author)}" if view.author else ""))),
        ("files", Text(f"{plural(view.files, 'file')}, {size(view.bytes)}")),
        ("digest", Text(safe(view.digest))),
        ("manifest", Text(safe(view.manifest))),
    ]
    rows += [("parent", _parent(parent)) for parent in view.parents]
    rows += _withdrawn(view)
    rows += [
        ("label", Text(f"{safe(key)}={'(redacted)' if value is None else safe(value)}"))
        for key, value in view.labels.items()
    ]
    rows += [("param", Text(f"{safe(name)}={safe(_plain(value))}")) for name, value in view.params.items()]
    rows += [("metric", _metric(metric)) for metric in view.metrics]
    rows += [("warning", Text(safe(warning), style=BAD)) for warning in view.warnings]
    return Group(head, facts(rows), *_message(view))


def _parent(parent: ParentView) -> Text:
    name = safe(parent.reference or parent.external or parent.version or "?")
    return Text.assemble(f"{safe(parent.kind)} {name}", (" withdrawn", BAD) if parent.withdrawn else "")


def _withdrawn(view: VersionView) -> list[tuple[str, RenderableType]]:
    rows: list[tuple[str, RenderableType]] = []
    if view.withdrawn is not None:
        why = "(redacted)" if view.withdrawn.reason is None else " ".join(lines(view.withdrawn.reason))
        rows.append(("withdrawn", Text(f"{moment(view.withdrawn.time)} UTC: {why}", style=BAD)))
    if view.tainted:
        rows.append(("tainted", Text("one of its ancestors was withdrawn", style=BAD)))
    return rows


def _plain(value: str | float | bool | None) -> str:  # noqa: FBT001  # a parameter's value
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _metric(metric: MetricView) -> Text:
    value = metric.kind if metric.value is None else f"{metric.value:.6g}"
    interval = f" [{metric.low:.6g}, {metric.high:.6g}]" if metric.low is not None and metric.high is not None else ""
    where = "".join(f" on {safe(part)}" for part in (metric.slice, metric.dataset) if part)
    return Text.assemble(safe(metric.name), " ", (value, NUMBER), interval, where)


def _message(view: VersionView) -> list[RenderableType]:
    said: list[RenderableType] = []
    for title, text in (("", view.message.what), ("Why: ", view.message.why), ("Impact: ", view.message.impact)):
        if title and not text:
            continue
        words = lines(f"{title}{'(redacted)' if text is None else text}")
        said.append(Text("\n" + "\n".join(f"    {line}" for line in words)))
    return said


def findings(items: Sequence[Finding]) -> RenderableType:
    """Draw what `doctor` found."""
    made = table("", "check", "found")
    for item in items:
        mark, style = _MARKS[item.state]
        said = Text("\n".join(lines(item.detail)))
        if item.hint:
            said.append("\n" + "\n".join(lines(item.hint)), style=DIM)
        made.add_row(Text(mark, style=style), item.check, said)
    return made


def settings(values: Sequence[ConfigValue]) -> Table:
    """Draw settings with where they come from."""
    made = table("setting", "value", "from", "")
    for value in values:
        shown = ("(set, not shown)" if value.set else "") if value.secret else safe(value.value or "")
        made.add_row(value.key, Text(shown, style=NUMBER), value.origin, Text(safe(value.place), style=DIM))
    return made


def status(state: Status) -> RenderableType:
    """Draw the state of a repository and the one next step."""
    rows = [("repository", safe(state.place)), ("models", f"{state.models:,}"), ("versions", f"{state.versions:,}")]
    if state.versions:
        saved = state.bytes - state.stored
        share = f", {saved / state.bytes:.0%} saved" if saved > 0 else ""
        rows.append(("stored", f"{size(state.stored)} for {size(state.bytes)} of versions{share}"))
    if state.unsigned:
        rows.append(("log", f"{plural(state.unsigned, 'entry', 'entries')} not signed yet"))
    return Group(_texts(rows), Text(f"\nNext: {safe(state.next_step)}"))


def _texts(rows: Iterable[tuple[str, str]]) -> Table:
    return facts((name, Text(value)) for name, value in rows)


def verified(report: Verified) -> RenderableType:
    """Draw what a verification found, damage first."""
    counts = {"packs": report.packs, "blocks": report.blocks, "files": report.files}
    rows = [(name, f"{count:,}") for name, count in counts.items() if count is not None]
    rows.append(("read", size(report.bytes)))
    rows += [("note", safe(note)) for note in report.notes]
    if report.sound:
        return Group(Text("Everything that was checked is whole.", style=GOOD), _texts(rows))
    damage = table("damaged", "offset", "what", wide=("what",))
    for each in report.damage:
        damage.add_row(Text(safe(each.file)), "" if each.offset is None else str(each.offset), Text(safe(each.what)))
    affected = table("file", "what", "in", wide=("in",))
    for file in report.affected:
        affected.add_row(Text(safe(file.digest)), Text(safe(file.what)), Text(joined(file.references)))
    return Group(Text("Damaged.", style=BAD), damage, Text(""), affected, Text(""), _texts(rows))


def audited(report: Audited, title: str) -> RenderableType:
    """Draw what was found true of a log or an export."""
    logs = table("log", "entries", "not signed yet", "root", right=("entries", "not signed yet"))
    for log in report.logs:
        root = Text(safe(log.root), style=DIM)
        logs.add_row(Text(safe(log.origin)), f"{log.size:,}", f"{log.unsigned:,}" if log.unsigned else "", root)
    counts = {"records": report.records, "texts": report.texts, "redacted": report.redacted}
    rows = [(name, f"{count:,}") for name, count in counts.items() if count]
    rows += [("key", safe(fingerprint)) for fingerprint in report.fingerprints]
    rows.append(("in", safe(report.place)))
    return Group(Text(title, style=GOOD), logs, Text(""), _texts(rows))


def checked(report: Checked) -> RenderableType:
    """Draw what the check of a database found."""
    if not report.findings:
        return Text("The database is whole.", style=GOOD)
    made = table("check", "place", "found", wide=("found",))
    for each in report.findings:
        made.add_row(Text(safe(each.check)), Text(safe(each.place)), Text(safe(each.message)))
    return made


def rebuilt(report: Rebuilt) -> RenderableType:
    """Draw what a rebuilding found."""
    replayed = f"{plural(report.entries, 'entry', 'entries')} replayed"
    if not report.differences:
        return Text(f"{replayed}: the database is what the log says.", style=GOOD)
    done = "replaced" if report.repaired else "different"
    rows = [Text(f"  {safe(difference)}") for difference in report.differences]
    return Group(Text(f"{replayed}: {plural(len(rows), 'row')} {done}.", style=BAD), *rows)
