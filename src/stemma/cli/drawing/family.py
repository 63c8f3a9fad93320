"""The family of a model as a tree in the terminal."""

from collections.abc import Sequence

from rich.console import Group
from rich.style import Style
from rich.text import Text

from stemma.cli.drawing.layout import Row, arrange
from stemma.cli.drawing.tables import ALIAS, BAD, BRANCH, DIM, NUMBER, WITHDRAWN, tags
from stemma.cli.text import first_line, numbered, safe
from stemma.operations.views import ParentView, TreeNode

_ORDINARY = "continues"


def draw(model: str, nodes: Sequence[TreeNode]) -> Group:
    """Draw the family of `model`; versions of other models are named in full."""
    rows = [Text(safe(model), style=NUMBER)]
    rows += [_row(model, row) for row in arrange(nodes)]
    return Group(*(_unwrapped(row) for row in rows))


def _unwrapped(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _row(model: str, row: Row) -> Text:
    if row.node is None:
        return Text("")
    lead = Text(row.prefix, style=DIM)
    name = _name(model, row.node)
    if row.shape == "reference":
        return Text.assemble(lead, ("↳ ", DIM), (f"{name} {safe(row.kind)} this", Style(dim=True, italic=True)))
    parts = [lead, Text("● ", style=_dot(row.node)), Text(name, style=WITHDRAWN if row.node.withdrawn else NUMBER)]
    if row.above is None or row.above.branch != row.node.branch:
        parts.append(Text(f" {safe(row.node.branch)}", style=BRANCH))
    if row.node.aliases:
        parts += [Text(" "), tags(row.node.aliases)]
    if row.node.withdrawn:
        parts.append(Text(" withdrawn", style=BAD))
    parts += [Text("  "), Text(first_line(row.node.what), style=WITHDRAWN if row.node.withdrawn else "")]
    parts += [Text(f"  ← {remark}", style=DIM) for remark in _relations(row)]
    return Text.assemble(*parts)


def _dot(node: TreeNode) -> Style:
    if node.withdrawn:
        return BAD
    return ALIAS if node.aliases else DIM


def _name(model: str, node: TreeNode) -> str:
    owner = node.reference.partition("@")[0]
    return numbered(node.number, node.sequence) if owner == model else safe(node.reference)


def _relations(row: Row) -> list[str]:
    """Return what is worth saying of a node's parents: kinds that are not the ordinary one, and parents elsewhere."""
    said = [safe(row.kind)] if row.kind and row.kind != _ORDINARY else []
    return said + [_parent(parent) for parent in _others(row)]


def _others(row: Row) -> tuple[ParentView, ...]:
    if row.above is not None or row.node is None:
        return row.others
    return row.node.parents  # a root: all of its parents are elsewhere


def _parent(parent: ParentView) -> str:
    return f"{safe(parent.kind)} {safe(parent.reference or parent.external or parent.version or '?')}"
