"""Where the nodes of a family tree stand: rows from the oldest down, each with the lines in front of it.

A line of work goes straight down; what branches off stands indented between a node and what continues it. A node with
several parents stands under its first one, and the others show a reference to it. Nothing recurses, so that a chain
may be as long as it likes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stemma.operations.views import ParentView, TreeNode

Shape = Literal["node", "reference", "gap"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the drawing. A `reference` names a child that stands elsewhere, by the `kind` of its relation."""

    prefix: str
    shape: Shape
    node: TreeNode | None = None
    kind: str = ""
    above: TreeNode | None = None
    others: tuple[ParentView, ...] = ()


@dataclass(frozen=True, slots=True)
class _Family:
    children: dict[str, list[TreeNode]]
    references: dict[str, list[tuple[str, TreeNode]]]
    others: dict[str, tuple[ParentView, ...]]
    roots: list[TreeNode]


def arrange(nodes: Sequence[TreeNode]) -> Iterator[Row]:
    """Yield the rows of a family; roots are set apart by a gap."""
    family = _relate(nodes)
    for place, root in enumerate(family.roots):
        if place:
            yield Row("", "gap")
        yield from _draw(family, root)


def _relate(nodes: Sequence[TreeNode]) -> _Family:
    """Give each node its first parent that is here, and each other parent a reference to it."""
    known = {node.digest for node in nodes}
    family = _Family({}, {}, {}, [])
    for node in sorted(nodes, key=lambda node: (node.registered, node.reference)):
        above = next((p for p in node.parents if p.version in known), None)
        if above is None or above.version is None:
            family.roots.append(node)
        else:
            family.children.setdefault(above.version, []).append(node)
        rest = tuple(p for p in node.parents if p is not above)
        family.others[node.digest] = rest
        for parent in rest:
            if parent.version in known and parent.version is not None:
                family.references.setdefault(parent.version, []).append((parent.kind, node))
    return family


def _draw(family: _Family, root: TreeNode) -> Iterator[Row]:
    pending: list[Row] = [Row("", "node", root)]
    while pending:
        row = pending.pop()
        yield row
        if row.shape == "node" and row.node is not None:
            pending += reversed(_below(family, row, row.node))


def _below(family: _Family, row: Row, node: TreeNode) -> list[Row]:
    """Return what stands right under a node; rows under an indented one are added when it is drawn."""
    lead = _continued(row.prefix)
    children = family.children.get(node.digest, [])
    onward = _onward(node, children)
    aside: list[Row] = [
        Row(lead, "reference", child, kind, node) for kind, child in family.references.get(node.digest, [])
    ]
    aside += [
        Row(lead, "node", child, _kind(child, node), node, family.others[child.digest])
        for child in children
        if child is not onward
    ]
    rows = [
        Row(f"{lead}{'├─' if onward or place + 1 < len(aside) else '└─'}", r.shape, r.node, r.kind, r.above, r.others)
        for place, r in enumerate(aside)
    ]
    if onward is not None:
        rows.append(Row(lead, "node", onward, _kind(onward, node), node, family.others[onward.digest]))
    return rows


def _continued(prefix: str) -> str:
    """Return what stands in front of the rows under a node that has `prefix` in front of it."""
    if prefix.endswith("├─"):
        return f"{prefix[:-2]}│ "
    return f"{prefix[:-2]}  " if prefix.endswith("└─") else prefix


def _onward(node: TreeNode, children: Sequence[TreeNode]) -> TreeNode | None:
    """Return the child that continues the line: the first on the same branch, or an only child."""
    if len(children) == 1:
        return children[0]
    return next((child for child in children if child.branch == node.branch), None)


def _kind(child: TreeNode, parent: TreeNode) -> str:
    return next(p.kind for p in child.parents if p.version == parent.digest)
