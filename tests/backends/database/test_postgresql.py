"""PostgreSQL, on a real server: the contract of an executor, locks, lost connections, and what its failures mean."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stemma.backends.database.execution.queued import Queued
from stemma.backends.database.executor import Executor
from stemma.backends.database.postgresql.address import Address
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.transaction import Transaction
from stemma.conformance.database import LOG, ExecutorSuite, Runs, draft, enter, has, size
from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    StemmaError,
    UnavailableError,
    UnsupportedError,
)
from stemma.ledger import append
from stemma.names import EVERY_LOG
from stemma.records import Digest
from tests.postgresql import IDENTITY, Databases

ROOT = Path(__file__).parents[3]
YOU = frozenset({"you"})


def enter_refusal(tx: Transaction, error: StemmaError) -> None:
    assert error.attempt is not None
    append(tx, draft(-1))


class TestPostgresql(ExecutorSuite):
    @pytest.fixture(autouse=True)
    def _databases(self, postgresql: Databases) -> None:
        self.urls: dict[Path, str] = {}
        self.databases = postgresql

    def open(self, place: Path) -> Runs:
        if place not in self.urls:
            self.urls[place] = self.databases.new()
        return Executor(PostgresqlServer(self.urls[place]), on_refusal=enter_refusal)


@pytest.fixture
def url(postgresql: Databases) -> str:
    return postgresql.new()


@pytest.fixture
def executor(url: str) -> Iterator[Executor]:
    executor = Executor(PostgresqlServer(url, 2.0))
    yield executor
    executor.close()


def enter_you(number: int) -> Callable[[Transaction], int]:
    """Return an operation that appends to another log."""
    return lambda tx: append(tx, draft(number, "you")).sequence


def sessions(server: PostgresqlServer) -> list[int]:
    """Return the server's processes that serve this database, but the one that answers."""
    connection = server.open_reader()
    rows = connection.script(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    connection.close()
    return [pid for (pid,) in rows]


def end_sessions(server: PostgresqlServer) -> None:
    for pid in sessions(server):
        connection = server.open_reader()
        connection.script(f"SELECT pg_terminate_backend({pid}, 5000)")
        connection.close()


# Locks


def test_a_log_that_is_locked_is_waited_for_and_others_are_not(url: str) -> None:
    server = PostgresqlServer(url, 0.3)
    other = server.open_writer()
    server.begin(other, LOG)
    executor = Executor(server)
    assert executor.write(enter_you(1), YOU) == 0
    assert executor.write(size, frozenset()) == 0
    with pytest.raises(UnavailableError, match="another process has been writing for too long"):
        executor.write(enter(1), LOG)
    other.script("ROLLBACK")
    assert executor.write(enter(1), LOG) == 0
    other.close()
    executor.close()


def test_whoever_wants_all_logs_is_alone(url: str) -> None:
    server = PostgresqlServer(url, 0.3)
    other = server.open_writer()
    assert server.begin(other, frozenset({EVERY_LOG})) is None
    executor = Executor(server)
    for logs in (LOG, frozenset[str]()):
        with pytest.raises(UnavailableError, match="too long"):
            executor.write(size, logs)
    assert executor.read(size) == 0
    other.script("ROLLBACK")
    server.begin(other, YOU)
    with pytest.raises(UnavailableError, match="too long"):
        executor.write(size, frozenset({EVERY_LOG, "me"}))
    other.script("ROLLBACK")
    assert executor.write(enter(1), frozenset({EVERY_LOG, "me"})) == 0
    other.close()
    executor.close()


def test_what_was_committed_before_the_lock_is_read_after_it(url: str) -> None:
    """READ COMMITTED: a batch that waited sees what it waited for."""
    server = PostgresqlServer(url)
    first, second = Executor(server), Executor(server)
    holds, go_on = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> int:
        holds.set()
        assert go_on.wait(10)
        return enter(1)(tx)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.write, hold, LOG)
        assert holds.wait(10)
        two = pool.submit(second.write, enter(2), LOG)
        go_on.set()
        assert (one.result(10), two.result(10)) == (0, 1)
    first.close()
    second.close()


def test_an_operation_joins_only_where_its_log_is_locked(url: str) -> None:
    events: list[object] = []
    executor = Executor(PostgresqlServer(url), on_boundary=events.append)
    done = threading.Semaphore(0)

    def deliver(answered: list[Queued[Any]]) -> None:
        events.append([queued.waiter for queued in answered])
        for queued in answered:
            queued.answer()
            done.release()

    def hold(tx: Transaction) -> int:
        executor.submit(enter_you(1), YOU, deliver, "you")
        executor.submit(enter(2), LOG, deliver, "me")
        executor.submit(size, frozenset(), deliver, "none")
        return enter(1)(tx)

    executor.submit(hold, LOG, deliver, "hold")
    for _ in range(4):
        assert done.acquire(timeout=10)
    executor.close()
    batch = ["begin", "commit", "committed"]
    assert events == [*batch, ["hold", "me", "none"], *batch, ["you"]]


WRITER = """
import sys
from stemma.backends.database.executor import Executor
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.conformance.database import LOG, enter
executor = Executor(PostgresqlServer(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    executor.write(enter(number), LOG)
executor.close()
"""


def test_three_processes_write_at_once_and_lose_nothing(url: str) -> None:
    starts = (0, 1000, 2000)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(start), str(start + 100)], stderr=subprocess.PIPE, cwd=ROOT
        )
        for start in starts
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    executor = Executor(PostgresqlServer(url))
    assert executor.read(size) == 300
    assert all(executor.read(has(number)) for start in starts for number in range(start, start + 100))
    rows = executor.read(lambda tx: tx.ledger.rows("me", 0, 1000))
    assert [row.sequence for row in rows] == list(range(300))
    executor.close()


# Failures that pass, and those that do not


def test_a_deadlock_is_run_again(url: str) -> None:
    """Two batches store the same records in opposite order, each waiting for the other's."""
    server = PostgresqlServer(url)
    meet = threading.Barrier(2)
    runs: list[str] = []

    def store(tx: Transaction, names: tuple[str, str]) -> None:
        runs.append(names[0])
        first_time = runs.count(names[0]) == 1
        for name in names:
            tx.records.put(Digest.of(name.encode()), name.encode())
            tx.connection.settle()
            if first_time and name == names[0]:
                meet.wait(10)

    executors = [Executor(server), Executor(server)]
    with ThreadPoolExecutor(2) as pool:
        done = [
            pool.submit(executor.write, partial(store, names=names), frozenset())
            for executor, names in zip(executors, (("a", "b"), ("b", "a")), strict=True)
        ]
        for each in done:
            each.result(30)
    assert len(runs) == 3
    for executor in executors:
        executor.close()


def test_a_connection_that_was_lost_between_two_writes_is_opened_again(executor: Executor, url: str) -> None:
    assert executor.write(enter(1), LOG) == 0
    assert executor.read(size) == 1
    end_sessions(PostgresqlServer(url))
    assert executor.read(size) == 1
    end_sessions(PostgresqlServer(url))
    assert executor.write(enter(2), LOG) == 1


def test_a_connection_that_is_lost_before_the_commit_costs_nothing(executor: Executor, url: str) -> None:
    server = PostgresqlServer(url)
    lost: list[int] = []

    def lose(tx: Transaction) -> int:
        if not lost:
            lost.append(1)
            end_sessions(server)
        return enter(1)(tx)

    assert executor.write(lose, LOG) == 0
    assert executor.read(size) == 1


def test_a_connection_that_is_lost_amid_the_commit_is_told_so(url: str) -> None:
    server = PostgresqlServer(url)
    loses = threading.Event()

    def boundary(event: str) -> None:
        if event == "commit" and loses.is_set():
            end_sessions(server)

    executor = Executor(server, on_boundary=boundary)
    executor.write(enter(1), LOG)
    loses.set()
    with pytest.raises(UnavailableError, match="whether this was stored is not known") as caught:
        executor.write(enter(2), LOG)
    assert "idempotency key" in caught.value.hint
    loses.clear()
    assert executor.write(enter(3), LOG) == 1
    executor.close()


def test_an_error_that_an_operation_swallows_harms_itself_only(executor: Executor) -> None:
    """PostgreSQL does nothing more in a transaction in which a statement failed, until its savepoint."""

    def swallow(tx: Transaction) -> str:
        try:
            tx.connection.script("SELECT 1 / 0")
        except Exception:  # noqa: BLE001 - what a careless operation would do
            return "fine"
        return "never"

    with pytest.raises(Exception, match="aborted"):
        executor.write(swallow, LOG)
    assert executor.write(enter(1), LOG) == 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [("nul \x00 character", InvalidError), ("surrogate \ud800", InvalidError)],
    ids=["nul", "surrogate"],
)
def test_text_that_cannot_be_stored_is_invalid(executor: Executor, text: str, kind: type[StemmaError]) -> None:
    with pytest.raises(kind, match="cannot be stored"):
        executor.write(lambda tx: tx.texts.put("sha256:" + "0" * 64, b"salt", text), LOG)
    assert executor.write(enter(1), LOG) == 0


def test_numbers_beyond_64_bits_are_invalid(executor: Executor) -> None:
    for number in (2**63, 10**30):
        with pytest.raises(InvalidError, match="cannot be stored"):
            executor.read(lambda tx, n=number: tx.ledger.rows("me", n, 1))  # type: ignore[misc]  # a loop's own value


def test_a_statement_that_takes_too_long_is_ended(url: str) -> None:
    executor = Executor(PostgresqlServer(url, statement_seconds=0.1))
    with pytest.raises(UnavailableError, match="longer than it may"):
        executor.read(lambda tx: tx.connection.script("SELECT pg_sleep(5)"))
    executor.close()


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    server = PostgresqlServer(f"postgresql://me:secret-word@/none?host={tmp_path}", restart_seconds=0.05)
    executor = Executor(server)
    for ask in (executor.write, executor.read):
        with pytest.raises(UnavailableError, match="cannot be reached") as caught:
            ask(size)
        assert "secret-word" not in repr(caught.value)
        assert "secret-word" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    executor.close()


# Addresses, levels, identity


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://ada:pw@db.example:6432/models?sslmode=require", "postgresql://db.example:6432/models"),
        ("postgres:///models", "postgresql:///models"),
        ("postgresql://ada@/models?host=/run/postgresql", "postgresql:///run/postgresql/models"),
    ],
)
def test_a_place_holds_neither_user_nor_password(url: str, place: str) -> None:
    address = Address.parse(url)
    assert address.place == place
    assert "pw" not in repr(address)
    assert address.parameters["keepalives"] == "1"


@pytest.mark.parametrize("url", ["mysql://u:pw@h/d", "postgresql://u:p@pw@h/d", "postgresql://h/d?u:pw=1", ""])
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Address.parse(url)
    assert "pw" not in f"{caught.value} {caught.value.hint}"


def test_a_database_belongs_to_one_repository(postgresql: Databases, url: str) -> None:
    server = PostgresqlServer(url)
    server.check_level(IDENTITY)
    with pytest.raises(ConflictError, match="belongs to another repository"):
        server.check_level("f" * 32)
    with pytest.raises(AlreadyExistsError):
        server.create("f" * 32)
    empty = PostgresqlServer(postgresql.empty())
    with pytest.raises(NotFoundError, match="no repository in this database"):
        empty.check_level(IDENTITY)
    empty.create("f" * 32)
    empty.check_level("f" * 32)


def test_another_level_is_refused(url: str) -> None:
    server = PostgresqlServer(url)
    connection = server.open_writer()
    for found, message in (("0000", "stands at level 0000"), ("9999", "knows levels up to")):
        connection.script(f"UPDATE schema_level SET version_num = '{found}'")  # noqa: S608 - as above
        with pytest.raises(UnsupportedError, match=message):
            server.check_level(IDENTITY)
    connection.close()


def test_entries_cannot_be_changed_by_an_ordinary_role(postgresql: Databases, url: str) -> None:
    owner = postgresql.server.connect()
    name = url.rsplit("/", 1)[1].partition("?")[0]
    owner.execute("DROP ROLE IF EXISTS keeper")
    owner.execute("CREATE ROLE keeper LOGIN")
    owner.execute(f'CREATE DATABASE "{name}_kept" OWNER keeper TEMPLATE template0')
    kept = PostgresqlServer(postgresql.server.url(f"{name}_kept").replace("stemma@", "keeper@"))
    kept.create(IDENTITY)
    executor = Executor(kept)
    assert executor.write(enter(1), LOG) == 0
    for sql in ("UPDATE entries SET time = 0", "DELETE FROM entries", "TRUNCATE entries"):
        with pytest.raises(UnavailableError, match="does not permit it"):
            executor.write(lambda tx, s=sql: tx.connection.script(s), LOG)  # type: ignore[misc]  # a loop's own value
    assert executor.read(size) == 1
    executor.close()
    owner.execute(f'DROP DATABASE "{name}_kept" WITH (FORCE)')
    owner.execute("DROP ROLE keeper")
    owner.close()
