"""A graph on a database in memory, and the same graph in dictionaries to compare with."""

from collections import deque
from collections.abc import Iterable

from stemma.backends.database.lineage import DatabaseLineage
from stemma.lineage import Ask, Edge, EdgeKind, Lineage, Visit, link
from stemma.lineage.graph import Direction
from stemma.paging import Pager
from tests.databases import new_connection

CALLER = "u_1"
KINDS = tuple(EdgeKind)


class Tx:
    """A transaction that holds lineage only."""

    def __init__(self) -> None:
        self.connection = new_connection()
        self.lineage = DatabaseLineage(self.connection)


class Model:
    """Edges in the order of writing, and the plainest breadth-first search."""

    def __init__(self) -> None:
        self.edges: list[tuple[str, str, EdgeKind]] = []

    def link(self, child: str, edges: Iterable[Edge]) -> None:
        self.edges += [(child, edge.parent, edge.kind) for edge in edges]

    def reach(
        self, start: str, direction: Direction, kinds: frozenset[EdgeKind] | None = None, depth: int | None = None
    ) -> list[Visit]:
        distances = {start: 0}
        visits: list[Visit] = []
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for child, parent, kind in self.edges:
                source, target = (child, parent) if direction == "parents" else (parent, child)
                far = distances[node] + 1
                skipped = kinds is not None and kind not in kinds
                if source != node or target in distances or skipped or (depth is not None and far > depth):
                    continue
                distances[target] = far
                visits.append(Visit(target, kind, node, far))
                queue.append(target)
        return visits


def name(number: int) -> str:
    return f"sha256:{number:064x}"


def new_lineage() -> Lineage:
    return Lineage(Pager(b"k" * 32))


def all_pages(lineage: Lineage, tx: Tx, start: str, direction: Direction, ask: Ask) -> list[Visit]:
    """Follow the tokens to the end."""
    visits: list[Visit] = []
    while True:
        read = lineage.ancestors if direction == "parents" else lineage.descendants
        page = read(tx, start, ask, caller=CALLER)
        assert len(page.items) <= (ask.limit or 100)
        visits += page.items
        if page.next_token is None:
            return visits
        ask = Ask(ask.kinds, ask.depth, ask.limit, page.next_token)


def fill(tx: Tx, model: Model, parents: Iterable[tuple[int, Iterable[tuple[int, int]]]]) -> None:
    """Link nodes with (parent, kind) pairs."""
    for child, pairs in parents:
        edges = [Edge(name(parent), KINDS[kind % len(KINDS)]) for parent, kind in pairs]
        assert link(tx, name(child), edges)
        model.link(name(child), edges)
