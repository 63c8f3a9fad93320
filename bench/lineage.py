"""Time every page of full traversals over graphs of a million edges: `python bench/lineage.py [EDGES]`.

Four shapes: preferential attachment (a power law of children), a hub with a tenth of all edges, a chain of a tenth of
all edges whose nodes have leaves, and a ladder in which nine of ten edges lead to what was seen already.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stemma.backends.database import lineage as tables
from stemma.backends.database.dialect import Connection
from stemma.backends.database.executor import Executor
from stemma.backends.database.lineage import DatabaseLineage
from stemma.backends.database.sqlite import SqliteFile
from stemma.lineage import Ask, Lineage, Visit
from stemma.lineage.graph import Direction
from stemma.paging import Page, Pager

Pairs = Iterator[tuple[int, int]]
LIMIT_MS = 50.0


def power_law(edges: int) -> Pairs:
    """Yield nodes of which each has four parents, chosen by how many edges they have."""
    rng = random.Random(7)
    ends = [1]
    for node in range(2, edges // 4 + 2):
        parents = {rng.choice(ends) for _ in range(4)}
        for parent in sorted(parents):
            yield node, parent
            ends.append(parent)
        ends.append(node)


def hub(edges: int) -> Pairs:
    """Yield a hub with a tenth of all edges, each of its children with nine children."""
    tenth = edges // 10
    for child in range(2, tenth + 2):
        yield child, 1
    following = tenth + 2
    for parent in range(2, tenth + 2):
        for _ in range(9):
            yield following, parent
            following += 1


def chain(edges: int) -> Pairs:
    """Yield a chain of a tenth of all edges, each node of it with nine leaves."""
    node, spine = 1, 1
    for _ in range(edges // 10):
        for step in range(10):
            node += 1
            yield node, spine
            if step == 9:
                spine = node


def ladder(edges: int) -> Pairs:
    """Yield nodes whose parents are the ten before them."""
    for node in range(2, edges // 10 + 2):
        for parent in range(max(1, node - 10), node):
            yield node, parent


def fill(connection: Connection, pairs: Pairs) -> tuple[int, int]:
    """Write the graph in one go, as the store would have written it edge by edge."""
    children: dict[int, int] = {}
    parents: dict[int, int] = {}
    rows = []
    for edge, (child, parent) in enumerate(pairs, 1):
        rows.append((edge, child, parent, 1 + edge % 3))
        children[parent] = children.get(parent, 0) + 1
        parents[child] = parents.get(child, 0) + 1
    last = max(*children, *parents)
    driver = connection.driver
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("this benchmark fills SQLite")
    driver.execute("BEGIN IMMEDIATE")
    driver.executemany(
        f"INSERT INTO {tables.nodes.name} (id, name, is_linked, parents, children) VALUES (?, ?, 1, ?, ?)",  # noqa: S608 - a constant
        ((node, name_of(node), parents.get(node, 0), children.get(node, 0)) for node in range(1, last + 1)),
    )
    driver.executemany(f"INSERT INTO {tables.edges.name} (id, child, parent, kind) VALUES (?, ?, ?, ?)", rows)  # noqa: S608 - a constant
    driver.execute("COMMIT")
    return len(rows), last


def name_of(node: int) -> str:
    """Return a name as long as a digest."""
    return f"sha256:{node * 0x9E3779B97F4A7C15 % 2**64:016x}{'0' * 32}{node:016x}"


def traverse(executor: Executor, start: str, direction: Direction) -> tuple[list[float], int]:
    """Return the milliseconds of each page of a full traversal, and how many nodes it reached."""
    lineage = Lineage(Pager(b"benchmark" * 4))
    token: str | None = None
    times: list[float] = []
    total = 0
    while True:
        began = time.perf_counter()
        ask = Ask(limit=1000, token=token)

        def page(ask: Ask = ask) -> Page[Visit]:
            return executor.read(
                lambda tx: (lineage.ancestors if direction == "parents" else lineage.descendants)(
                    Held(tx.connection), start, ask, caller="bench"
                )
            )

        result = page()
        times.append((time.perf_counter() - began) * 1000)
        total += len(result.items)
        token = result.next_token
        if token is None:
            return times, total


class Held:
    """The one store that lineage asks for."""

    def __init__(self, connection: Connection) -> None:
        self.lineage = DatabaseLineage(connection)


def main() -> None:
    """Print one line for each traversal; exit 1 where a p99 is over the limit."""
    edges = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(
        f"{'graph':10} {'direction':10} {'edges':>9} {'reached':>9} {'pages':>6}",
        *(f"{f'{n} ms':>8}" for n in ("p50", "p99", "max")),
    )
    worst = 0.0
    for shape in (power_law, hub, chain, ladder):
        with tempfile.TemporaryDirectory() as folder:
            file = SqliteFile(Path(folder) / "bench.db")
            file.create()
            writer = file.open_writer()
            count, last = fill(writer, shape(edges))
            writer.close()
            executor = Executor(file)
            directions: tuple[tuple[int, Direction], ...] = ((1, "children"), (last, "parents"))
            for node, direction in directions:
                times, reached = traverse(executor, name_of(node), direction)
                p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]
                worst = max(worst, p99)
                print(
                    f"{shape.__name__:10} {direction:10} {count:9,} {reached:9,} {len(times):6,} "
                    f"{statistics.median(times):8.2f} {p99:8.2f} {max(times):8.2f}"
                )
            executor.close()
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else LIMIT_MS
    if worst > limit:
        sys.exit(f"p99 {worst:.1f} ms is over {limit} ms")


if __name__ == "__main__":
    main()
