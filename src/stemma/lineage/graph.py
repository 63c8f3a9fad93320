"""Breadth-first traversal of one fixed state of the graph, in steps that cost the same everywhere.

Nodes come in the order of their distance, then of the edges that lead to them; that order depends only on the start,
the direction and the `Bound`, so that a traversal can be stopped, forgotten and taken up again at a `Position`. A step
reads a bounded number of edges, however many children one node has and however many lead to what was seen already.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

Direction: TypeAlias = Literal["parents", "children"]

CHUNK = 2_048
"""Edges read at a time."""
FAR = 2**31 - 1
_NODES = 256
_LEAVES = 32_768
_LEAVES_PER_EDGE = 16
_UNKNOWN = -1


# Plain tuples, as the driver returns them: a page handles thousands.
Found: TypeAlias = tuple[int, str, int]
"""A node in the store: its id, its name, and its degree, how many edges lead on from it in one direction."""
Step: TypeAlias = tuple[int, int, int, int]
"""An edge as it is walked: the node it leads from, its id, the node it leads to, the code of its kind."""
Reached: TypeAlias = tuple[int, int, int, int]
"""A node on its first visit: its id, the code of the kind of edge, the node it was reached from, the distance."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A state of the graph: the greatest ids of an edge and of a node in it."""

    edge: int
    node: int


class Position(NamedTuple):
    """Where a traversal stands: behind edge `after` of the `head`-th node that it reached, `reached` in all."""

    head: int
    after: int
    reached: int


class GraphStore(Protocol):
    """Reads the graph; ids of edges and nodes only ever grow."""

    def bound(self) -> Bound:
        """Return the present state."""

    def find(self, name: str, direction: Direction) -> Found | None:
        """Return a node by name."""

    def describe(self, nodes: Sequence[int], direction: Direction) -> list[Found]:
        """Return these nodes, in any order."""

    def steps(self, nodes: Sequence[int], direction: Direction, bound: int) -> list[Step]:
        """Return all edges up to `bound` that lead on from these nodes, in any order."""

    def steps_after(self, node: int, direction: Direction, after: int, bound: int, limit: int) -> list[Step]:
        """Return up to `limit` edges behind `after` and up to `bound` that lead on from one node, in order."""


class Traversal:
    """A traversal on its way; used by one thread at a time.

    What was seen is marked in one byte for each node of the graph; each node reached takes 16 bytes more.
    """

    __slots__ = (
        "_after",
        "_bound",
        "_degrees",
        "_depth",
        "_depths",
        "_direction",
        "_head",
        "_kinds",
        "_queue",
        "_seen",
    )

    def __init__(
        self,
        start: Found,
        direction: Direction,
        bound: Bound,
        *,
        kinds: frozenset[int] | None = None,
        depth: int | None = None,
    ) -> None:
        self._direction: Direction = direction
        self._bound = bound
        self._kinds = kinds
        self._depth = FAR if depth is None else depth
        node, _, degree = start
        self._seen = bytearray(max(bound.node, node) + 1)
        self._seen[node] = 1
        self._queue = array("q", [node])
        self._depths = array("i", [0])
        self._degrees = array("i", [degree])
        self._head = 0
        self._after = 0

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(self._head, self._after, len(self._queue))

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return len(self._seen) + len(self._queue) * 16

    @property
    def is_done(self) -> bool:
        """Whether everything within the depth was reached."""
        return self._head >= len(self._queue) or self._depths[self._head] >= self._depth

    def advance(self, store: GraphStore, limit: int, budget: int) -> list[Reached]:
        """Return the next nodes: at most `limit`, fewer or none where `budget` edges led to no more."""
        reached: list[Reached] = []
        while len(reached) < limit and budget > 0:
            budget -= self._skip_leaves()
            if self.is_done:
                break
            budget -= self._expand(store, reached, limit)
        return reached

    def resume(self, store: GraphStore, position: Position) -> bool:
        """Bring a new traversal to `position`; whether it reached as many nodes as had been reached there.

        Which nodes are reached, and in which order, does not depend on where a traversal paused. What lies between the
        edge that led to the last of them and the position, whichever is further, led to nothing new.
        """
        self.advance(store, position.reached - 1, FAR)
        self._head, self._after = max((self._head, self._after), (position.head, position.after))
        return len(self._queue) == position.reached and self._head <= len(self._queue)

    def learn(self, degrees: Sequence[int]) -> None:
        """Note the degrees of the nodes reached last, which saves reading them again."""
        first = len(self._queue) - len(degrees)
        self._degrees[first:] = array("i", degrees)
        self._skip_leaves()

    def _skip_leaves(self) -> int:
        """Pass over nodes from which nothing leads on; return what that costs, in edges."""
        head, end = self._head, min(len(self._queue), self._head + _LEAVES)
        if self._after == 0:
            while head < end and self._degrees[head] == 0:
                head += 1
        passed = head - self._head
        self._head = head
        return passed // _LEAVES_PER_EDGE

    def _expand(self, store: GraphStore, reached: list[Reached], limit: int) -> int:
        """Follow the next edges and add what they reach first; return how many were read."""
        head = self._head
        last = self._group(store)
        if last == head + 1:
            steps = store.steps_after(self._queue[head], self._direction, self._after, self._bound.edge, CHUNK)
            end = (last, 0) if len(steps) < CHUNK else (head, steps[-1][1])
            places = {self._queue[head]: head}
        else:
            places = {self._queue[index]: index for index in range(head, last) if self._degrees[index] > 0}
            steps = store.steps(list(places), self._direction, self._bound.edge) if places else []
            steps.sort(key=lambda step: (places[step[0]], step[1]))
            end = (last, 0)
        stopped = self._follow(steps, places, reached, limit)
        if stopped is None or stopped is steps[-1]:
            self._head, self._after = end
        else:
            self._head, self._after = places[stopped[0]], stopped[1]
        return len(steps) + 1

    def _group(self, store: GraphStore) -> int:
        """Return up to where the queue can be read at once: a few edges of many nodes, or a part of one node's."""
        head, length = self._head, len(self._queue)
        if self._after > 0 or head + 1 == length:
            return head + 1
        if _UNKNOWN in self._degrees[head : head + _NODES]:
            self._read_degrees(store, head)
        last, edges, depth = head, 0, self._depth
        while last < min(length, head + _NODES) and self._depths[last] < depth:
            edges += self._degrees[last]
            if edges > CHUNK:
                break
            last += 1
        return max(last, head + 1)

    def _read_degrees(self, store: GraphStore, head: int) -> None:
        places = {
            self._queue[index]: index
            for index in range(head, min(len(self._queue), head + _NODES))
            if self._degrees[index] == _UNKNOWN
        }
        for node, _, degree in store.describe(list(places), self._direction):
            self._degrees[places[node]] = degree

    def _follow(
        self, steps: Sequence[Step], places: Mapping[int, int], reached: list[Reached], limit: int
    ) -> Step | None:
        """Add what `steps` reach first to the queue; return the step that filled `reached`, if one did.

        Where several write at once, a later edge can have a smaller id; the node it leads to is new, and passed by.
        """
        seen, kinds = self._seen, self._kinds
        known = len(seen)
        for step in steps:
            source, _, target, kind = step
            if target >= known or seen[target] or (kinds is not None and kind not in kinds):
                continue
            seen[target] = 1
            depth = self._depths[places[source]] + 1
            self._queue.append(target)
            self._depths.append(depth)
            self._degrees.append(_UNKNOWN)
            reached.append((target, kind, source, depth))
            if len(reached) == limit:
                return step
        return None
