"""Shortest paths from a node up to one of its ancestors, within a bounded number of edges read."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from stemma.lineage.graph import Bound, GraphStore, Step

BUDGET = 50_000
_NODES = 128


@dataclass(frozen=True, slots=True)
class Ways:
    """Paths as steps from the descendant up; `is_complete` is False where the budget ended before the search did."""

    paths: tuple[tuple[Step, ...], ...]
    is_complete: bool


def shortest(store: GraphStore, ends: tuple[int, int], bound: Bound, limit: int) -> Ways:
    """Return up to `limit` of the shortest paths from the first of `ends` up to its ancestor, the second.

    Level by level: all edges that lead from one level to nodes of the next are kept, as each is part of a shortest path
    to its end.
    """
    start, goal = ends
    budget = BUDGET
    into: dict[int, list[Step]] = {start: []}
    level = [start]
    while level and goal not in into:
        steps = sorted(_steps(store, level, bound, budget), key=itemgetter(1))
        budget -= len(steps) + 1
        if budget <= 0:
            return Ways((), is_complete=False)
        following: dict[int, list[Step]] = {}
        for step in steps:
            if step[2] not in into:
                following.setdefault(step[2], []).append(step)
        into |= following
        level = sorted(following)
    if goal not in into:
        return Ways((), is_complete=True)
    paths: list[tuple[Step, ...]] = []
    for path in _unwind(into, start, goal):
        if len(paths) == limit:
            return Ways(tuple(paths), is_complete=False)
        paths.append(path)
    return Ways(tuple(paths), is_complete=True)


def _steps(store: GraphStore, level: list[int], bound: Bound, budget: int) -> Iterator[Step]:
    """Yield the edges up from a level, one more than `budget` at most."""
    for first in range(0, len(level), _NODES):
        for step in store.steps(level[first : first + _NODES], "parents", bound.edge):
            yield step
            budget -= 1
            if budget < 0:
                return


def _unwind(into: dict[int, list[Step]], start: int, goal: int) -> Iterator[tuple[Step, ...]]:
    """Yield the paths that end at `goal`, without recursion: a path can be longer than Python's stack."""
    stack: list[tuple[int, int]] = [(goal, 0)]
    path: list[Step] = []
    while stack:
        node, turn = stack.pop()
        if node == start:
            yield tuple(reversed(path))
        ways = [] if node == start else into[node]
        if turn < len(ways):
            stack.append((node, turn + 1))
            path.append(ways[turn])
            stack.append((ways[turn][0], 0))
        elif path:
            path.pop()
