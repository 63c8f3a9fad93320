"""A graph as somebody sees it who may not see all of it.

A node that is hidden is not reached, so nothing is reached through it either: what it came from is part of what is
hidden. `Hides` is asked once for each node.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from stemma.lineage.graph import Bound, Direction, Found, GraphStore, Step


class Hides(Protocol):
    """Says what somebody must not see."""

    def __call__(self, names: Sequence[str], /) -> AbstractSet[str]:
        """Return those of the nodes that are hidden."""


class Veiled:
    """`GraphStore` without the edges that lead to hidden nodes. Degrees still count these: they bound work, no more."""

    __slots__ = ("_hidden", "_hides", "_seen", "_store")

    def __init__(self, store: GraphStore, hides: Hides) -> None:
        self._store = store
        self._hides = hides
        self._seen: set[int] = set()
        self._hidden: set[int] = set()

    def bound(self) -> Bound:
        """Return the present state."""
        return self._store.bound()

    def find(self, name: str, direction: Direction) -> Found | None:
        """Return a node by name, hidden or not: where to begin was checked before."""
        return self._store.find(name, direction)

    def describe(self, nodes: Sequence[int], direction: Direction) -> list[Found]:
        """Return these nodes, in any order."""
        return self._store.describe(nodes, direction)

    def steps(self, nodes: Sequence[int], direction: Direction, bound: int) -> list[Step]:
        """Return the edges up to `bound` that lead on from these nodes to such as are seen, in any order."""
        return self._unveiled(self._store.steps(nodes, direction, bound))

    def steps_after(self, node: int, direction: Direction, after: int, bound: int, limit: int) -> list[Step]:
        """Return up to `limit` such edges behind `after`, in order; fewer only where there are no more."""
        found: list[Step] = []
        while len(found) < limit:
            steps = self._store.steps_after(node, direction, after, bound, limit)
            found += self._unveiled(steps)
            if len(steps) < limit:
                break
            after = steps[-1][1]
        return found[:limit]

    def _unveiled(self, steps: list[Step]) -> list[Step]:
        new = {target for _, _, target, _ in steps} - self._seen
        if new:
            names = {name: node for node, name, _ in self._store.describe(sorted(new), "parents")}
            self._hidden |= {names[name] for name in self._hides(list(names))}
            self._seen |= new
        return [step for step in steps if step[2] not in self._hidden]
