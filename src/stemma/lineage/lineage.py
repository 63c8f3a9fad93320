"""Lineage: what a thing came from, what came from it, and by which way.

Edges are written with their child, once. `hides` takes what the caller may not see out of every answer. Traversals
are breadth-first over the state in which they began, so that pages fit together while new edges arrive; at most 1,000
nodes a page.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, cast

from stemma.errors import ConflictError, InvalidError, NotFoundError
from stemma.lineage.edge import CODES, KINDS, MAX_PARENTS, Edge, EdgeKind, check_node
from stemma.lineage.graph import FAR, Bound, Direction, Found, GraphStore, Position, Reached, Step, Traversal
from stemma.lineage.paths import shortest
from stemma.lineage.veil import Hides, Veiled
from stemma.paging import Page, Pager, check_limit
from stemma.records import Json, canonical

EDGES_PER_PAGE = 16_384
"""Edges read for one page: one that leads only to what was seen comes back short, with a token."""
MAX_PATHS = 100
_HELD_BYTES = 256 * 2**20
_HELD = 64
_WALK = 1000


class LineageStore(GraphStore, Protocol):
    """The graph, in the caller's transaction."""

    def is_linked(self, name: str) -> bool:
        """Return whether the node was written with its parents; others are only named as a parent so far."""

    def add(self, name: str, parents: int) -> int | None:
        """Write a node that will have so many parents, and return its id; None, and no change, where it is known."""

    def link(self, child: str, edges: Sequence[tuple[str, int]], node: int | None) -> None:
        """Write the edges to a node's parents with the codes of their kinds, and parents not yet named.

        `node` is what `add` returned: None for one that was named as a parent before.
        """


class LineageTransaction(Protocol):
    """What lineage asks of a transaction."""

    @property
    def lineage(self) -> LineageStore:
        """The graph."""


class Visit(NamedTuple):
    """A node that was reached: over which kind of edge, from which node, and how many edges from the start."""

    node: str
    kind: EdgeKind
    source: str
    distance: int


class Affected(NamedTuple):
    """A descendant, and the names that point at it."""

    visit: Visit
    names: tuple[str, ...]


class Hop(NamedTuple):
    """One edge on a path, from a child to its parent."""

    child: str
    kind: EdgeKind
    parent: str


class Paths(NamedTuple):
    """The shortest paths between two nodes, each from the descendant up; incomplete where a bound ended the search."""

    paths: tuple[tuple[Hop, ...], ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """How far to go and what to return: edges of these kinds only, up to a distance, a page of `limit` nodes."""

    kinds: frozenset[EdgeKind] | None = None
    depth: int | None = None
    limit: int | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        if self.depth is not None and not 1 <= self.depth <= FAR:
            raise InvalidError(f"a depth is 1 or more, not {self.depth}")

    @property
    def codes(self) -> frozenset[int] | None:
        """The kinds, as databases hold them."""
        return None if self.kinds is None else frozenset(CODES[kind] for kind in self.kinds)


def link(tx: LineageTransaction, child: str, edges: Sequence[Edge]) -> bool:
    """Write a new node with all its parents; whether it was new.

    Writing the same again changes nothing; writing it with other parents is a ConflictError; one that would become its
    own ancestor an InvalidError.
    """
    check_node(child)
    if len(edges) > MAX_PARENTS:
        raise InvalidError(f"{child} has {len(edges)} parents", hint=f"At most {MAX_PARENTS} are kept.")
    if len(set(edges)) != len(edges):
        raise InvalidError(f"{child} names a parent twice in the same way")
    if any(edge.parent == child for edge in edges):
        raise InvalidError(f"{child} would become its own ancestor")
    store = tx.lineage
    node = store.add(child, len(edges))
    if node is None and store.is_linked(child):
        if _parents(store, child) != set(edges):
            raise ConflictError(f"{child} was written with other parents", hint="A node's parents never change.")
        return False
    if node is None:
        _refuse_cycle(store, child, edges)
    store.link(child, [(edge.parent, CODES[edge.kind]) for edge in edges], node)
    return True


def walk(tx: LineageTransaction, node: str, direction: Direction, hides: Hides | None = None) -> Iterator[str]:
    """Yield every ancestor (`parents`) or descendant (`children`), nearest first; none where the node is unknown."""
    store = _seen(tx, hides)
    start = store.find(node, direction)
    if start is None:
        return
    traversal = Traversal(start, direction, store.bound())
    while not traversal.is_done:
        reached = traversal.advance(store, _WALK, EDGES_PER_PAGE)
        nodes = [node for node, *_ in reached]
        names = _names(store, nodes)
        yield from (names[node] for node in nodes)


def _parents(store: LineageStore, child: str) -> set[Edge]:
    found = _find(store, child, "parents")
    steps = store.steps([found[0]], "parents", store.bound().edge)
    names = _names(store, [target for _, _, target, _ in steps])
    return {Edge(names[target], KINDS[kind]) for _, _, target, kind in steps}


def _refuse_cycle(store: LineageStore, child: str, edges: Sequence[Edge]) -> None:
    """Raise where `child` is an ancestor of a parent: only possible where it was named as a parent before."""
    known = store.find(child, "children")
    if known is None or known[2] == 0:
        return
    bound = store.bound()
    for name in {edge.parent for edge in edges}:
        start = store.find(name, "parents")
        if start is None:
            continue
        traversal = Traversal(start, "parents", bound)
        while not traversal.is_done:
            if any(node == known[0] for node, *_ in traversal.advance(store, _WALK, EDGES_PER_PAGE)):
                raise InvalidError(f"{child} would become its own ancestor")


_Key: TypeAlias = tuple[str, str, Bound, Position]
"""Whose traversal it is, what was asked, and where it stands: what one may see, another may not."""


class _Held:
    """Traversals between two pages, the latest last; each is taken out while it is used."""

    def __init__(self) -> None:
        self._traversals: OrderedDict[_Key, Traversal] = OrderedDict()

    def take(self, key: _Key) -> Traversal | None:
        """Return a traversal, which is then held no more."""
        return self._traversals.pop(key, None)

    def keep(self, key: _Key, traversal: Traversal) -> None:
        """Hold a traversal, and let go of the oldest while there are too many or too large ones."""
        self._traversals[key] = traversal
        sizes = [each.size for each in list(self._traversals.values())]
        total, count = sum(sizes), len(sizes)
        for size in sizes:
            if total <= _HELD_BYTES and count <= _HELD:
                break
            self._traversals.popitem(last=False)
            total, count = total - size, count - 1


class Lineage:
    """Answers questions about the graph, page by page.

    A traversal is kept between two pages, in this process; where it is missing, it is run again up to the page.
    """

    def __init__(self, pager: Pager) -> None:
        self._pager = pager
        self._held = _Held()

    def ancestors(
        self, tx: LineageTransaction, node: str, ask: Ask, *, caller: str, hides: Hides | None = None
    ) -> Page[Visit]:
        """Return what the node came from, nearest first."""
        return self._page(_seen(tx, hides), node, "parents", ask, caller)

    def descendants(
        self, tx: LineageTransaction, node: str, ask: Ask, *, caller: str, hides: Hides | None = None
    ) -> Page[Visit]:
        """Return what came from the node, nearest first."""
        return self._page(_seen(tx, hides), node, "children", ask, caller)

    def impact(
        self,
        tx: LineageTransaction,
        node: str,
        ask: Ask,
        names: Callable[[Sequence[str]], Mapping[str, Sequence[str]]],
        *,
        caller: str,
        hides: Hides | None = None,
    ) -> Page[Affected]:
        """Return the descendants with what points at them; `names` says that for many nodes at once."""
        page = self.descendants(tx, node, ask, caller=caller, hides=hides)
        pointing = names([visit.node for visit in page.items])
        items = tuple(Affected(visit, tuple(pointing.get(visit.node, ()))) for visit in page.items)
        return Page(items, page.next_token)

    def paths(
        self, tx: LineageTransaction, one: str, other: str, limit: int = 10, *, hides: Hides | None = None
    ) -> Paths:
        """Return up to `limit` of the shortest paths between two nodes, whichever of them is the ancestor."""
        if not 1 <= limit <= MAX_PATHS:
            raise InvalidError(f"a search returns 1 to {MAX_PATHS} paths, not {limit}")
        store = _seen(tx, hides)
        bound = store.bound()
        below, above = _find(store, one, "parents")[0], _find(store, other, "parents")[0]
        up = shortest(store, (below, above), bound, limit)
        down = up if up.paths else shortest(store, (above, below), bound, limit)
        found = up if up.paths else down
        is_complete = found.is_complete and (bool(found.paths) or up.is_complete)
        names = _names(store, [node for path in found.paths for step in path for node in (step[0], step[2])])
        return Paths(tuple(tuple(_hop(step, names) for step in path) for path in found.paths), is_complete)

    def _page(self, store: GraphStore, node: str, direction: Direction, ask: Ask, caller: str) -> Page[Visit]:
        limit = check_limit(ask.limit)
        query = canonical([node, direction, None if ask.kinds is None else sorted(ask.kinds), ask.depth]).decode()
        start = _find(store, node, direction)
        if ask.token is None:
            bound = store.bound()
            traversal = Traversal(start, direction, bound, kinds=ask.codes, depth=ask.depth)
        else:
            bound, position = _read_position(self._pager.read(ask.token, query=query, caller=caller))
            held = self._held.take((caller, query, bound, position))
            traversal = held or Traversal(start, direction, bound, kinds=ask.codes, depth=ask.depth)
            if held is None and not traversal.resume(store, position):
                raise ConflictError("the graph was rebuilt since the last page", hint="Begin again without a token.")
        reached = traversal.advance(store, limit, EDGES_PER_PAGE)
        visits = _describe(store, direction, traversal, reached)
        if traversal.is_done:
            return Page(visits)
        position = traversal.position
        self._held.keep((caller, query, bound, position), traversal)
        token = self._pager.issue([bound.edge, bound.node, *position], query=query, caller=caller)
        return Page(visits, token)


def _seen(tx: LineageTransaction, hides: Hides | None) -> GraphStore:
    return tx.lineage if hides is None else Veiled(tx.lineage, hides)


def _find(store: GraphStore, name: str, direction: Direction) -> Found:
    found = store.find(check_node(name), direction)
    if found is None:
        raise NotFoundError(f"nothing is known of {name}")
    return found


def _names(store: GraphStore, nodes: Sequence[int]) -> dict[int, str]:
    return {node: name for node, name, _ in store.describe(sorted(set(nodes)), "parents")}


def _describe(
    store: GraphStore, direction: Direction, traversal: Traversal, reached: Sequence[Reached]
) -> tuple[Visit, ...]:
    nodes = {node for node, *_ in reached} | {source for _, _, source, _ in reached}
    found = store.describe(list(nodes), direction)
    names = {node: name for node, name, _ in found}
    degrees = {node: degree for node, _, degree in found}
    traversal.learn([degrees[node] for node, *_ in reached])
    return tuple(Visit(names[node], KINDS[kind], names[source], distance) for node, kind, source, distance in reached)


def _hop(step: Step, names: Mapping[int, str]) -> Hop:
    source, _, target, kind = step
    return Hop(names[source], KINDS[kind], names[target])


def _read_position(held: Json) -> tuple[Bound, Position]:
    """Return what a token holds; it was made here, since its seal was checked."""
    edge, node, head, after, reached = cast("list[int]", held)
    return Bound(edge, node), Position(head, after, reached)
