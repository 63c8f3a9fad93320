"""Lineage: traversals against the plainest search, pages that fit together, bounds, paths, and no cycles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import ConflictError, InvalidError, NotFoundError
from stemma.lineage import Ask, Edge, EdgeKind, Visit, check_node, link, walk
from stemma.lineage.edge import CODES, KINDS
from stemma.lineage.graph import CHUNK, Direction
from tests.lineage.support import CALLER, Model, Tx, all_pages, fill, name, new_lineage

pytestmark = pytest.mark.usefixtures("each_database")

Graph = list[list[tuple[int, int]]]
DIRECTIONS: tuple[Direction, ...] = ("parents", "children")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Node i has parents below i, perhaps one parent in two ways."""
    size = draw(st.integers(1, 25))
    return [
        draw(st.lists(st.tuples(st.integers(0, node - 1), st.integers(0, 2)), unique=True, max_size=6)) if node else []
        for node in range(size)
    ]


@given(graphs(), st.data())
def test_a_traversal_is_a_breadth_first_search(graph: Graph, data: st.DataObject) -> None:
    tx, model, lineage = Tx(), Model(), new_lineage()
    fill(tx, model, enumerate(graph))
    start = name(data.draw(st.integers(0, len(graph) - 1)))
    direction = data.draw(st.sampled_from(DIRECTIONS))
    chosen = st.frozensets(st.sampled_from(list(EdgeKind)[:3]), min_size=1)
    kinds = data.draw(st.none() | chosen)
    depth = data.draw(st.none() | st.integers(1, 5))
    limit = data.draw(st.integers(1, 7))
    expected = model.reach(start, direction, kinds, depth)
    visits = all_pages(lineage, tx, start, direction, Ask(kinds, depth, limit))
    assert visits == expected
    assert all_pages(lineage, tx, start, direction, Ask(kinds, depth, 1000)) == expected
    if kinds is None and depth is None:
        assert [visit.node for visit in visits] == list(walk(tx, start, direction))


@given(graphs(), st.sampled_from(DIRECTIONS), st.integers(1, 4), st.integers(1, 4))
def test_however_little_is_read_at_a_time_the_answer_is_the_same(
    graph: Graph, direction: Direction, chunk: int, budget: int
) -> None:
    """Each page from nothing but its token: what was read for the pages before had other borders."""
    tx, model = Tx(), Model()
    fill(tx, model, enumerate(graph))
    start = name(0 if direction == "children" else len(graph) - 1)
    visits: list[Visit] = []
    ask = Ask(limit=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stemma.lineage.lineage.EDGES_PER_PAGE", budget)
        for turn in range(1000):
            patch.setattr("stemma.lineage.graph.CHUNK", chunk + turn % 3)
            patch.setattr("stemma.lineage.graph._NODES", 1 + turn % 4)
            patch.setattr("stemma.lineage.graph._LEAVES", 1 + turn % 2)
            read = new_lineage().ancestors if direction == "parents" else new_lineage().descendants
            page = read(tx, start, ask, caller=CALLER)
            visits += page.items
            if page.next_token is None:
                break
            ask = Ask(limit=3, token=page.next_token)
    assert visits == model.reach(start, direction)


@given(graphs(), st.data())
def test_pages_come_out_the_same_where_nothing_was_kept(graph: Graph, data: st.DataObject) -> None:
    tx, model = Tx(), Model()
    fill(tx, model, enumerate(graph))
    start = name(data.draw(st.integers(0, len(graph) - 1)))
    limit = data.draw(st.integers(1, 4))
    token: str | None = None
    visits: list[Visit] = []
    while True:
        page = new_lineage().descendants(tx, start, Ask(limit=limit, token=token), caller=CALLER)
        visits += page.items
        token = page.next_token
        if token is None:
            break
    assert visits == model.reach(start, "children")


@given(graphs(), graphs(), st.integers(1, 4))
def test_pages_show_the_state_in_which_they_began(before: Graph, after: Graph, limit: int) -> None:
    """Edges that come between two pages do not show, whether the traversal was kept or not."""
    tx, model = Tx(), Model()
    fill(tx, model, enumerate(before))
    expected = model.reach(name(0), "children")
    lineages = [new_lineage(), new_lineage()]
    page = lineages[0].descendants(tx, name(0), Ask(limit=limit), caller=CALLER)
    visits = list(page.items)
    turn = 0
    for number, parents in enumerate(after):
        child = len(before) + number
        fill(tx, model, [(child, {(parent % child, kind) for parent, kind in [*parents, (0, 0)]})])
        if page.next_token is not None:
            turn += 1
            ask = Ask(limit=limit, token=page.next_token)
            page = lineages[turn % 2].descendants(tx, name(0), ask, caller=CALLER)
            visits += page.items
    while page.next_token is not None:
        page = lineages[1].descendants(tx, name(0), Ask(limit=limit, token=page.next_token), caller=CALLER)
        visits += page.items
    assert visits == expected


def test_a_hub_and_its_leaves() -> None:
    tx, model, lineage = Tx(), Model(), new_lineage()
    count = CHUNK + 500
    fill(tx, model, [(0, [])])
    fill(tx, model, ((child, [(0, 0)]) for child in range(1, count + 1)))
    fill(tx, model, [(count + 1, [(count, 1), (1, 2), (0, 3)])])
    page = lineage.descendants(tx, name(0), Ask(limit=1000), caller=CALLER)
    assert len(page.items) == 1000
    assert page.truncated
    assert [visit.node for visit in all_pages(lineage, tx, name(0), "children", Ask(limit=1000))] == [
        name(child) for child in range(1, count + 2)
    ]
    up = lineage.ancestors(tx, name(count + 1), Ask(), caller=CALLER).items
    assert [(visit.node, visit.distance) for visit in up] == [(name(count), 1), (name(1), 1), (name(0), 1)]


def test_the_last_page_has_no_token() -> None:
    tx, lineage = Tx(), new_lineage()
    fill(tx, Model(), [(0, []), (1, [(0, 0)]), (2, [(0, 0)])])
    assert lineage.descendants(tx, name(0), Ask(limit=2), caller=CALLER).next_token is None
    assert lineage.descendants(tx, name(2), Ask(), caller=CALLER).items == ()


def test_a_chain_is_longer_than_the_stack() -> None:
    tx, lineage, length = Tx(), new_lineage(), 3000
    fill(tx, Model(), ((node, [(node - 1, 0)] if node else []) for node in range(length)))
    assert len(all_pages(lineage, tx, name(length - 1), "parents", Ask(limit=1000))) == length - 1
    found = lineage.paths(tx, name(0), name(length - 1))
    assert found.is_complete
    (path,) = found.paths
    assert [hop.child for hop in path] == [name(node) for node in range(length - 1, 0, -1)]


def test_tokens_belong_to_one_question_and_one_caller() -> None:
    tx, lineage = Tx(), new_lineage()
    fill(tx, Model(), [(0, []), *((child, [(0, 0)]) for child in range(1, 5))])
    token = lineage.descendants(tx, name(0), Ask(limit=1), caller=CALLER).next_token
    for ask, start, caller in (
        (Ask(limit=1, token=token), name(1), CALLER),
        (Ask(depth=2, limit=1, token=token), name(0), CALLER),
        (Ask(limit=1, token=token), name(0), "u_2"),
    ):
        with pytest.raises(InvalidError):
            lineage.descendants(tx, start, ask, caller=caller)
    with pytest.raises(InvalidError):
        lineage.ancestors(tx, name(0), Ask(limit=1, token=token), caller=CALLER)
    assert len(lineage.descendants(tx, name(0), Ask(limit=3, token=token), caller=CALLER).items) == 3


def test_a_token_of_another_graph_is_a_conflict() -> None:
    tx, other = Tx(), Tx()
    fill(tx, Model(), [(0, []), *((child, [(0, 0)]) for child in range(1, 5))])
    fill(other, Model(), [(0, []), (1, [(0, 0)])])
    token = new_lineage().descendants(tx, name(0), Ask(limit=2), caller=CALLER).next_token
    with pytest.raises(ConflictError, match="rebuilt"):
        new_lineage().descendants(other, name(0), Ask(limit=2, token=token), caller=CALLER)


@given(graphs(), st.data())
def test_paths_are_all_the_shortest(graph: Graph, data: st.DataObject) -> None:
    tx, model, lineage = Tx(), Model(), new_lineage()
    fill(tx, model, enumerate(graph))
    one, other = (data.draw(st.integers(0, len(graph) - 1)) for _ in range(2))
    found = lineage.paths(tx, name(one), name(other), 100)
    lower, upper = max(one, other), min(one, other)
    ways: list[list[tuple[str, str, EdgeKind]]] = [[]]
    shortest: list[list[tuple[str, str, EdgeKind]]] = [[]] if lower == upper else []
    while ways and not shortest:
        ends = [(way, way[-1][1] if way else name(lower)) for way in ways]
        ways = [[*way, edge] for way, end in ends for edge in model.edges if edge[0] == end][:20_000]
        shortest = [way for way in ways if way[-1][1] == name(upper)]
    paths = {tuple((hop.child, hop.parent, hop.kind) for hop in path) for path in found.paths}
    if found.is_complete:
        assert paths == {tuple(way) for way in shortest}
    else:
        assert len(found.paths) == 100
    assert len(paths) == len(found.paths)


def test_paths_end_where_their_bounds_are(monkeypatch: pytest.MonkeyPatch) -> None:
    tx, lineage = Tx(), new_lineage()
    fill(tx, Model(), [(0, []), *((node, [(0, 0)]) for node in range(1, 4)), (4, [(1, 0), (2, 0), (3, 0)])])
    assert len(lineage.paths(tx, name(0), name(4)).paths) == 3
    few = lineage.paths(tx, name(0), name(4), 2)
    assert len(few.paths) == 2
    assert not few.is_complete
    monkeypatch.setattr("stemma.lineage.paths.BUDGET", 3)
    assert lineage.paths(tx, name(0), name(4)) == ((), False)
    with pytest.raises(InvalidError):
        lineage.paths(tx, name(0), name(4), 0)


def test_impact_says_what_points_at_each_descendant() -> None:
    tx, lineage = Tx(), new_lineage()
    fill(tx, Model(), [(0, []), (1, [(0, 0)]), (2, [(1, 0)])])
    names = {name(2): ("me/fraud@production",), name(0): ("me/fraud@old",)}
    page = lineage.impact(tx, name(0), Ask(), lambda nodes: {n: names[n] for n in nodes if n in names}, caller=CALLER)
    assert [(each.visit.node, each.names) for each in page.items] == [(name(1), ()), (name(2), names[name(2)])]


def test_a_node_is_written_once_with_its_parents() -> None:
    tx = Tx()
    edges = [Edge("hf:org/base@0123abc", EdgeKind.FINE_TUNED_FROM), Edge(name(1), EdgeKind.TRAINED_ON)]
    assert link(tx, name(5), edges)
    assert not link(tx, name(5), list(reversed(edges)))
    with pytest.raises(ConflictError, match="other parents"):
        link(tx, name(5), edges[:1])
    with pytest.raises(InvalidError, match="twice"):
        link(tx, name(6), [edges[0], edges[0]])
    assert link(tx, name(1), []), "named as a parent so far"
    assert [visit.node for visit in new_lineage().descendants(tx, name(1), Ask(), caller=CALLER).items] == [name(5)]


def test_cycles_are_refused() -> None:
    tx = Tx()
    with pytest.raises(InvalidError, match="own ancestor"):
        link(tx, name(1), [Edge(name(1), EdgeKind.CONTINUES)])
    link(tx, name(3), [Edge(name(2), EdgeKind.CONTINUES)])
    link(tx, name(2), [Edge(name(1), EdgeKind.CONTINUES)])
    for parent in (2, 3):
        with pytest.raises(InvalidError, match="own ancestor"):
            link(tx, name(1), [Edge(name(0), EdgeKind.CONTINUES), Edge(name(parent), EdgeKind.CONTINUES)])
    assert list(walk(tx, name(3), "parents")) == [name(2), name(1)]
    assert link(tx, name(1), [Edge(name(0), EdgeKind.CONTINUES)])


def test_what_is_unknown_is_not_found() -> None:
    tx, lineage = Tx(), new_lineage()
    link(tx, name(0), [])
    for ask in (lineage.ancestors, lineage.descendants):
        with pytest.raises(NotFoundError):
            ask(tx, name(9), Ask(), caller=CALLER)
    with pytest.raises(NotFoundError):
        lineage.paths(tx, name(0), name(9))
    assert list(walk(tx, name(9), "children")) == []


@pytest.mark.parametrize(
    "text", ["", "fraud", "sha256:", "hf:a b", "hf:a\nb", ":x", "SHA256:1", "hf:\u202eb", "x:" + "y" * 600]
)
def test_what_names_no_node(text: str) -> None:
    with pytest.raises(InvalidError):
        check_node(text)


@pytest.mark.parametrize("ask", [{"depth": 0}, {"depth": -1}, {"depth": 2**40}])
def test_what_cannot_be_asked(ask: dict[str, int]) -> None:
    with pytest.raises(InvalidError):
        Ask(depth=ask["depth"])


def test_every_kind_has_a_code_of_its_own() -> None:
    assert set(CODES) == set(EdgeKind)
    assert {KINDS[CODES[kind]] for kind in EdgeKind} == set(EdgeKind)
