"""Operations on lineage: where something came from, what came from it, and whom that concerns."""

from collections.abc import Mapping, Sequence

from stemma.access import Caller, Permission
from stemma.errors import InvalidError, NotFoundError
from stemma.lineage import Ask, EdgeKind, Visit
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.operations.reading import hides, resolve_text
from stemma.operations.requests import FindPaths, Walk
from stemma.operations.views import EdgeView, NodePage, NodeView, PathList
from stemma.records import Digest


def _ancestors(subjects: Subjects, tx: Transaction, caller: Caller, asked: Walk) -> NodePage:
    """List what a version came from, nearest first."""
    node = _node(subjects, tx, caller, asked.start)
    page = subjects.lineage.ancestors(tx, node, _ask(asked), caller=caller.view, hides=hides(tx, caller))
    return _page(subjects, tx, caller, page.items, page.next_token)


def _descendants(subjects: Subjects, tx: Transaction, caller: Caller, asked: Walk) -> NodePage:
    """List what came from a version, nearest first."""
    node = _node(subjects, tx, caller, asked.start)
    page = subjects.lineage.descendants(tx, node, _ask(asked), caller=caller.view, hides=hides(tx, caller))
    return _page(subjects, tx, caller, page.items, page.next_token)


def _impact(subjects: Subjects, tx: Transaction, caller: Caller, asked: Walk) -> NodePage:
    """List what came from a version and the names that point there, nearest first."""
    node = _node(subjects, tx, caller, asked.start)

    def names(nodes: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {each: _aliases(subjects, tx, caller, each) for each in nodes}

    page = subjects.lineage.impact(tx, node, _ask(asked), names, caller=caller.view, hides=hides(tx, caller))
    pointing = {affected.visit.node: affected.names for affected in page.items}
    return _page(subjects, tx, caller, [affected.visit for affected in page.items], page.next_token, pointing)


def _aliases(subjects: Subjects, tx: Transaction, caller: Caller, node: str) -> Sequence[str]:
    if not node.startswith("sha256:"):
        return ()
    versions = subjects.registry.versions.find(tx, caller, Digest(node))
    return [
        f"{version.model}@{name}"
        for version in versions
        for name in tx.registry.aliases.holding(version.model, version.sequence)
    ]


def _ask(asked: Walk) -> Ask:
    return Ask(kinds=_kinds(asked.kinds), limit=asked.limit, token=asked.token)


def _kinds(given: tuple[str, ...]) -> frozenset[EdgeKind] | None:
    if not given:
        return None
    for kind in given:
        if kind not in set(EdgeKind):
            raise InvalidError(f"{kind[:80]!r} is not a kind of relation", hint=f"One of: {', '.join(EdgeKind)}.")
    return frozenset(EdgeKind(kind) for kind in given)


def _page(  # noqa: PLR0917  # what every operation gets, and one page
    subjects: Subjects,
    tx: Transaction,
    caller: Caller,
    visits: Sequence[Visit],
    token: str | None,
    pointing: Mapping[str, tuple[str, ...]] | None = None,
) -> NodePage:
    """Return nodes, all of which the caller may see."""
    nodes: list[NodeView] = []
    for visit in visits:
        reference = None
        if visit.node.startswith("sha256:"):
            found = subjects.registry.versions.find(tx, caller, Digest(visit.node))
            reference = found[0].reference if found else None
        nodes.append(
            NodeView(
                id=visit.node,
                depth=visit.distance,
                reference=reference,
                kind=visit.kind.value,
                aliases=(pointing or {}).get(visit.node, ()),
            )
        )
    return NodePage(nodes=tuple(nodes), next_token=token)


def _paths(subjects: Subjects, tx: Transaction, caller: Caller, asked: FindPaths) -> PathList:
    """Find the shortest paths between two versions."""
    start, ancestor = (_node(subjects, tx, caller, text) for text in (asked.start, asked.ancestor))
    found = subjects.lineage.paths(tx, start, ancestor, asked.limit, hides=hides(tx, caller))
    paths = tuple(
        tuple(EdgeView(child=hop.child, parent=hop.parent, kind=hop.kind.value) for hop in path) for path in found.paths
    )
    return PathList(paths=paths, complete=found.is_complete)


def _node(subjects: Subjects, tx: Transaction, caller: Caller, text: str) -> str:
    """Return the node that a reference, a digest or an outside model names, if the caller may know of it."""
    if not text.startswith("hf:"):
        return resolve_text(subjects, tx, caller, text).digest
    page = subjects.lineage.descendants(tx, text, Ask(limit=1), caller=caller.view, hides=hides(tx, caller))
    if not page.items:
        raise NotFoundError(f"nothing is known of {text}")
    return text


ANCESTORS = Operation("lineage.ancestors", Walk, NodePage, Permission.READ, "GET", "/lineage/ancestors", _ancestors)
DESCENDANTS = Operation(
    "lineage.descendants", Walk, NodePage, Permission.READ, "GET", "/lineage/descendants", _descendants
)
IMPACT = Operation("lineage.impact", Walk, NodePage, Permission.READ, "GET", "/lineage/impact", _impact)
PATHS = Operation("lineage.paths", FindPaths, PathList, Permission.READ, "GET", "/lineage/paths", _paths)
