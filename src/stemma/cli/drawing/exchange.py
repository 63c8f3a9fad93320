"""What a synchronisation did, or would do."""

from rich.console import Group, RenderableType
from rich.text import Text

from stemma.cli.drawing.tables import BAD, table
from stemma.cli.text import plural, safe, size
from stemma.client.syncing.answers import Conflict, Synced

_RELATIONS = {
    "new": "is new there",
    "behind": "goes on there",
    "same": "is the same there",
    "ahead": "is further there",
    "parted": "went on in both",
}


def synced(done: Synced) -> RenderableType:
    """Draw what went over of each namespace, and the conflicts."""
    made = table("namespace", "its log", "entries", "versions", "files", right=("entries", "versions", "files"))
    for each in done.namespaces:
        relation = _RELATIONS.get(each.relation, each.relation)
        made.add_row(safe(each.namespace), safe(relation), f"{each.entries:,}", f"{each.versions:,}", size(each.bytes))
    unsigned = sum(each.unsigned for each in done.namespaces)
    notes = [Text(f"{plural(unsigned, 'entry', 'entries')} not signed yet: they stay for the next time")]
    return Group(made, *(notes if unsigned else ()), *map(_conflict, done.conflicts))


def _conflict(conflict: Conflict) -> RenderableType:
    has = f"{safe(conflict.source or 'nothing')} in SRC, {safe(conflict.target or 'nothing')} in DST"
    return Text.assemble(
        ("conflict ", BAD),
        f"{safe(conflict.kind)} {safe(conflict.name)} of {safe(conflict.model)}: {has} ({safe(conflict.why)})",
    )
