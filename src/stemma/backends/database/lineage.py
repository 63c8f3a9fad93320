"""The tables of lineage: nodes and edges, which follow from records.

Ids grow in the order of writing, which is how a traversal knows what was there when it began. Each direction has an
index that holds all it needs. How many edges meet a node is kept beside it, so that leaves are never asked.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Column, Index, bindparam, func, insert, select, update

from stemma.backends.database.dialect import (
    CHECK_HINT,
    Connection,
    Statement,
    add_up,
    insert_or_ignore,
    member_of,
)
from stemma.backends.database.schema import TEXT, WHOLE, TableClass, table
from stemma.errors import CorruptError
from stemma.lineage.graph import Bound, Direction, Found, Step

nodes = table(
    "nodes",
    TableClass.PROJECTED,
    Column("id", WHOLE, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("is_linked", WHOLE, nullable=False),
    Column("parents", WHOLE, nullable=False),
    Column("children", WHOLE, nullable=False),
)
edges = table(
    "edges",
    TableClass.PROJECTED,
    Column("id", WHOLE, primary_key=True),
    Column("child", WHOLE, nullable=False),
    Column("parent", WHOLE, nullable=False),
    Column("kind", WHOLE, nullable=False),
    Index("ix_edges_up", "child", "id", "parent", "kind"),
    Index("ix_edges_down", "parent", "id", "child", "kind"),
)

_BOUND = Statement(
    select(select(func.max(edges.c.id)).scalar_subquery(), select(func.max(nodes.c.id)).scalar_subquery())
)
_IS_LINKED = Statement(select(nodes.c.is_linked).where(nodes.c.name == bindparam("name")))
_ADD = Statement(
    insert_or_ignore(nodes)
    .values(name=bindparam("name"), is_linked=1, parents=bindparam("degree"), children=0)
    .returning(nodes.c.id)
)
_LINK = Statement(
    update(nodes)
    .values(is_linked=1, parents=bindparam("degree"))
    .where(nodes.c.name == bindparam("named"))
    .returning(nodes.c.id)
)
_NAME = Statement(
    add_up(nodes, ("name",), "children").values(name=bindparam("name"), is_linked=0, parents=0, children=1)
)
_CONNECT = Statement(
    insert(edges).from_select(
        ["child", "parent", "kind"],
        select(bindparam("of", type_=WHOLE), nodes.c.id, bindparam("code", type_=WHOLE)).where(
            nodes.c.name == bindparam("origin")
        ),
    )
)


class _Direction:
    """The statements of one direction."""

    def __init__(self, source: Column[int], target: Column[int], degree: Column[int]) -> None:
        step = select(source, edges.c.id, target, edges.c.kind)
        within = edges.c.id <= bindparam("bound")
        found = select(nodes.c.id, nodes.c.name, degree)
        self.find = Statement(found.where(nodes.c.name == bindparam("name")))
        self.describe = Statement(found.where(member_of(nodes.c.id, "of")))
        self.steps = Statement(step.where(member_of(source, "of"), within))
        self.steps_after = Statement(
            step.where(source == bindparam("of"), edges.c.id > bindparam("after"), within)
            .order_by(edges.c.id)
            .limit(bindparam("size"))
        )


_DIRECTIONS: dict[Direction, _Direction] = {
    "parents": _Direction(edges.c.child, edges.c.parent, nodes.c.parents),
    "children": _Direction(edges.c.parent, edges.c.child, nodes.c.children),
}


class DatabaseLineage:
    """`LineageStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def bound(self) -> Bound:
        """Return the present state."""
        edge, node = self._connection.one(_BOUND) or (None, None)
        return Bound(edge or 0, node or 0)

    def find(self, name: str, direction: Direction) -> Found | None:
        """Return a node by name."""
        return cast("Found | None", self._connection.one(_DIRECTIONS[direction].find, name=name))

    def describe(self, nodes: Sequence[int], direction: Direction) -> list[Found]:
        """Return these nodes, in any order."""
        return cast("list[Found]", self._connection.all(_DIRECTIONS[direction].describe, of=nodes))

    def steps(self, nodes: Sequence[int], direction: Direction, bound: int) -> list[Step]:
        """Return all edges up to `bound` that lead on from these nodes, in any order."""
        return cast("list[Step]", self._connection.all(_DIRECTIONS[direction].steps, of=nodes, bound=bound))

    def steps_after(self, node: int, direction: Direction, after: int, bound: int, limit: int) -> list[Step]:
        """Return up to `limit` edges behind `after` and up to `bound` that lead on from one node, in order."""
        statement = _DIRECTIONS[direction].steps_after
        rows = self._connection.all(statement, of=node, after=after, bound=bound, size=limit)
        return cast("list[Step]", rows)

    def is_linked(self, name: str) -> bool:
        """Return whether the node was written with its parents; others are only named as a parent so far."""
        row = self._connection.one(_IS_LINKED, name=name)
        return row is not None and row[0] == 1

    def add(self, name: str, parents: int) -> int | None:
        """Write a node that will have so many parents, and return its id; None where it is known."""
        row = self._connection.one(_ADD, name=name, degree=parents)
        return None if row is None else int(row[0])

    def link(self, child: str, edges: Sequence[tuple[str, int]], node: int | None) -> None:
        """Write the edges to a node's parents with the codes of their kinds, and parents not yet named."""
        if node is None:
            node = self._one(_LINK, named=child, degree=len(edges))
        for name, code in edges:
            self._connection.send(_NAME, name=name)
            self._connection.demand(_CONNECT, _gone, of=node, origin=name, code=code)

    def _one(self, statement: Statement, **parameters: object) -> int:
        row = self._connection.one(statement, **parameters)
        if row is None:
            raise _gone()
        return int(row[0])


def _gone() -> CorruptError:
    return CorruptError("a node of lineage is gone", place="table nodes", hint=CHECK_HINT)
