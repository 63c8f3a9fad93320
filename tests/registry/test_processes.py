"""Several processes and several readers on one folder."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from stemma.backends.database.executor import Executor
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.sqlite import SqliteFile
from stemma.backends.database.transaction import Transaction
from stemma.ledger import Entry
from stemma.names import Reference
from stemma.records import Digest
from stemma.registry import Message, Move, ProtectedNames, Registry, Submission, Version
from tests.databases import new_database, place_of, rebuild
from tests.registry.support import CREDIT, OWNER, RISK, select

TIMES = 1000
VERSIONS = 5
ROOT = Path(__file__).parents[2]


@pytest.fixture
def database(each_database: None) -> SqliteFile | PostgresqlServer:
    del each_database
    return new_database()


def prepare(executor: Executor, registry: Registry) -> None:
    executor.write(lambda tx: registry.create_namespace(tx, OWNER, "risk"))
    for n in range(VERSIONS):
        executor.write(lambda tx, n=n: push(registry, tx, str(n)), RISK)  # type: ignore[misc]  # a loop's own value
    executor.write(lambda tx: registry.aliases.set(tx, OWNER, CREDIT, "production", select("v1")), RISK)


def push(registry: Registry, tx: Transaction, files: str) -> None:
    data = files.encode()
    tx.records.put(Digest.of(data), data)
    tx.artifacts.manifests.add(Digest.of(data), CREDIT.namespace, 0)
    registry.versions.register(tx, OWNER, CREDIT, Submission(Version(Digest.of(data), 0), Message("x")))


def every_move(executor: Executor, registry: Registry) -> list[Move]:
    moves: list[Move] = []
    before: int | None = None
    more = True
    while more:
        page, more = executor.read(
            lambda tx, b=before: registry.aliases.moves(tx, OWNER, CREDIT, "production", before=b, limit=1000)  # type: ignore[misc]  # a loop's own value
        )
        moves += page
        before = page[-1].position
    return moves[::-1]


@pytest.mark.slow
def test_two_processes_lose_no_move(database: SqliteFile | PostgresqlServer) -> None:
    executor, registry = Executor(database), Registry(ProtectedNames())
    prepare(executor, registry)
    command = [sys.executable, "-m", "tests.registry.moving", place_of(database), str(TIMES), str(VERSIONS)]
    movers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = [mover.communicate(timeout=120) for mover in movers]
    assert [mover.returncode for mover in movers] == [0, 0], answers
    lost = sum(int(output) for output, _ in answers)

    moves = every_move(executor, registry)
    assert len(moves) == 2 * TIMES + 1
    assert all(earlier.after == later.before for earlier, later in pairwise(moves))
    assert all(earlier.position < later.position for earlier, later in pairwise(moves))
    held = executor.read(lambda tx: registry.resolve(tx, OWNER, Reference.parse("risk/credit@production")))
    assert held.sequence == moves[-1].after == 2 * TIMES % VERSIONS + 1

    rows = executor.read(lambda tx: tx.ledger.rows("risk", 0, 10_000))
    entries = [entry for entry in (Entry.decode(row.data) for row in rows) if entry.action == "alias.set"]
    assert [entry.sequence for entry in entries] == [move.position for move in moves]
    assert all(earlier.after == later.before for earlier, later in pairwise(entries))
    assert lost > 0, "they never met"
    executor.close()
    assert rebuild(database, [registry.project]).differences == ()


def test_another_process_is_seen_at_once(database: SqliteFile | PostgresqlServer) -> None:
    """Two executors stand for two processes: neither knows of the other but through the file."""
    mine, theirs = Executor(database), Executor(database)
    registry, other = Registry(ProtectedNames()), Registry(ProtectedNames())
    prepare(mine, registry)
    reference = Reference.parse("risk/credit@production")
    for n in range(1, 3 * VERSIONS):
        expected = n % VERSIONS + 1
        writer = theirs if n % 2 else mine
        writer.write(
            lambda tx, to=expected: other.aliases.set(tx, OWNER, CREDIT, "production", select(f"v{to}")),  # type: ignore[misc]  # a loop's own value
            RISK,
        )
        for reader, front in ((mine, registry), (theirs, other), (mine, registry)):
            assert reader.read(lambda tx, f=front: f.resolve(tx, OWNER, reference)).sequence == expected  # type: ignore[misc]  # a loop's own value
    mine.close()
    theirs.close()


def test_what_is_remembered_is_never_used_while_writing(database: SqliteFile | PostgresqlServer) -> None:
    executor, registry = Executor(database), Registry(ProtectedNames())
    prepare(executor, registry)
    reference = Reference.parse("risk/credit@production")

    def within(tx: Transaction) -> list[int]:
        held = [registry.resolve(tx, OWNER, reference).sequence]
        for to in (2, 3):
            registry.aliases.set(tx, OWNER, CREDIT, "production", select(f"v{to}"))
            held.append(registry.resolve(tx, OWNER, reference).sequence)
        return held

    assert executor.read(lambda tx: registry.resolve(tx, OWNER, reference)).sequence == 1
    assert executor.write(within, RISK) == [1, 2, 3]
    for n in range(20):
        executor.write(lambda tx, n=n: push(registry, tx, f"more {n}"), RISK)  # type: ignore[misc]  # a loop's own value
        assert executor.read(lambda tx: registry.resolve(tx, OWNER, reference)).sequence == 3
    executor.close()


def test_little_is_remembered_at_once(database: SqliteFile | PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemma.registry.registry._REMEMBERED", 1)
    executor, registry = Executor(database), Registry(ProtectedNames())
    prepare(executor, registry)
    executor.write(lambda tx: registry.aliases.set(tx, OWNER, CREDIT, "champion", select("v2")), RISK)
    for name, sequence in (("production", 1), ("champion", 2), ("production", 1), ("main", VERSIONS)):
        reference = Reference.parse(f"risk/credit@{name}")
        assert executor.read(lambda tx, r=reference: registry.resolve(tx, OWNER, r)).sequence == sequence  # type: ignore[misc]  # a loop's own value
    executor.close()
