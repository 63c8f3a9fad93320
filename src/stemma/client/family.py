"""Lineage, as the SDK offers it."""

from collections.abc import Iterator, Sequence

from stemma.client.calls import Calls, follow
from stemma.operations import Operation, relations
from stemma.operations.requests import FindPaths, Walk
from stemma.operations.views import EdgeView, NodePage, NodeView


class Family:
    """What came from what: `start` is a reference, a digest, or an outside model."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def ancestors(self, start: str, kinds: Sequence[str] = ()) -> Iterator[NodeView]:
        """Yield what `start` came from, nearest first."""
        return self._walk(relations.ANCESTORS, start, kinds)

    def descendants(self, start: str, kinds: Sequence[str] = ()) -> Iterator[NodeView]:
        """Yield what came from `start`, nearest first."""
        return self._walk(relations.DESCENDANTS, start, kinds)

    def impact(self, start: str, kinds: Sequence[str] = ()) -> Iterator[NodeView]:
        """Yield the descendants of `start` with the aliases that point at them."""
        return self._walk(relations.IMPACT, start, kinds)

    def paths(self, start: str, ancestor: str, limit: int = 10) -> list[list[EdgeView]]:
        """Return the shortest ways from one to the other, whichever is the ancestor."""
        found = self._calls.run(relations.PATHS, FindPaths(start=start, ancestor=ancestor, limit=limit))
        return [list(path) for path in found.paths]

    def _walk(self, operation: Operation[Walk, NodePage], start: str, kinds: Sequence[str]) -> Iterator[NodeView]:
        for page in follow(
            lambda token: self._calls.run(operation, Walk(start=start, kinds=tuple(kinds), token=token, limit=1000))
        ):
            yield from page.nodes
