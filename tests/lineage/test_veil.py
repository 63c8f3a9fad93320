"""What somebody may not see is not reached, and neither is what lies behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import NotFoundError
from stemma.lineage import Ask, Hides, Visit, walk
from stemma.lineage.graph import Direction
from tests.lineage.support import CALLER, Model, Tx, fill, name, new_lineage
from tests.lineage.test_lineage import DIRECTIONS, Graph, graphs


def hiding(hidden: frozenset[int]) -> Hides:
    names = {name(number) for number in hidden}
    return lambda given: names & set(given)


def without(graph: Graph, hidden: frozenset[int]) -> Model:
    """Return the graph in which hidden nodes have no edges."""
    model = Model()
    fill(Tx(), model, enumerate(graph))
    gone = {name(number) for number in hidden}
    model.edges = [edge for edge in model.edges if not gone & {edge[0], edge[1]}]
    return model


@given(graphs(), st.sampled_from(DIRECTIONS), st.integers(1, 4), st.integers(1, 3), st.data())
def test_it_is_as_if_hidden_nodes_were_not_there(
    graph: Graph, direction: Direction, limit: int, chunk: int, data: st.DataObject
) -> None:
    tx = Tx()
    fill(tx, Model(), enumerate(graph))
    start = data.draw(st.integers(0, len(graph) - 1))
    hidden = data.draw(st.frozensets(st.integers(0, len(graph) - 1))) - {start}
    hides = hiding(hidden)
    visits: list[Visit] = []
    token: str | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stemma.lineage.graph.CHUNK", chunk)
        while True:
            lineage = new_lineage()
            read = lineage.ancestors if direction == "parents" else lineage.descendants
            page = read(tx, name(start), Ask(limit=limit, token=token), caller=CALLER, hides=hides)
            visits += page.items
            if (token := page.next_token) is None:
                break
    assert visits == without(graph, hidden).reach(name(start), direction)
    assert [visit.node for visit in visits] == list(walk(tx, name(start), direction, hides))


@given(graphs(), st.data())
def test_no_path_leads_through_what_is_hidden(graph: Graph, data: st.DataObject) -> None:
    tx = Tx()
    fill(tx, Model(), enumerate(graph))
    ends = data.draw(st.integers(0, len(graph) - 1)), data.draw(st.integers(0, len(graph) - 1))
    hidden = data.draw(st.frozensets(st.integers(0, len(graph) - 1))) - set(ends)
    other = Tx()
    gone = {name(number) for number in hidden}
    fill(
        other,
        Model(),
        (
            (child, [] if child in hidden else [pair for pair in pairs if pair[0] not in hidden])
            for child, pairs in enumerate(graph)
        ),
    )
    found = new_lineage().paths(tx, name(ends[0]), name(ends[1]), 100, hides=hiding(hidden))
    expected = new_lineage().paths(other, name(ends[0]), name(ends[1]), 100)
    assert set(found.paths) == set(expected.paths)
    assert found.is_complete == expected.is_complete
    assert all(hop.child not in gone and hop.parent not in gone for path in found.paths for hop in path)


def test_one_caller_goes_on_with_nothing_that_another_reached() -> None:
    """Two who may see different things ask the same, and stand at the same place."""
    tx = Tx()
    fill(tx, Model(), [(0, []), (1, [(0, 0)]), (2, [(0, 0)]), (3, [(1, 0)]), (4, [(2, 0)])])
    lineage = new_lineage()
    one = lineage.descendants(tx, name(0), Ask(limit=1), caller="one")
    two = lineage.descendants(tx, name(0), Ask(limit=1), caller="two", hides=hiding(frozenset({2, 3})))
    assert [visit.node for visit in one.items] == [visit.node for visit in two.items] == [name(1)]
    rest = lineage.descendants(tx, name(0), Ask(token=two.next_token), caller="two", hides=hiding(frozenset({2, 3})))
    assert rest.items == ()
    rest = lineage.descendants(tx, name(0), Ask(token=one.next_token), caller="one")
    assert [visit.node for visit in rest.items] == [name(2), name(3), name(4)]


def test_a_start_that_is_not_there_is_told_alike() -> None:
    with pytest.raises(NotFoundError, match="nothing is known of"):
        new_lineage().ancestors(Tx(), name(1), Ask(), caller=CALLER, hides=hiding(frozenset()))
