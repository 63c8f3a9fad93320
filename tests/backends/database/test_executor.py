"""The executor on SQLite: the contract, groups of operations, other processes, forks, full disks and sudden ends."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest

from stemma.backends.database.dialect import Connection
from stemma.backends.database.execution.queued import Queued
from stemma.backends.database.executor import Executor
from stemma.backends.database.sqlite import SqliteFile
from stemma.backends.database.transaction import SettableClock, Transaction
from stemma.conformance.database import ATTEMPT, LOG, ExecutorSuite, Runs, draft, enter, has, size
from stemma.errors import ConflictError, CorruptError, RefusedError, StemmaError, UnavailableError
from stemma.ledger import append

NOW = 1_790_000_000_000_000


def database(place: Path) -> SqliteFile:
    file = SqliteFile(place / "stemma.db")
    if not file.path.exists():
        file.create()
    return file


def enter_refusal(tx: Transaction, error: StemmaError) -> None:
    assert error.attempt is not None
    append(tx, draft(-1))


class TestSqlite(ExecutorSuite):
    def open(self, place: Path) -> Runs:
        return Executor(database(place), on_refusal=enter_refusal)


def grouped(executor: Executor, operations: list[Callable[[Transaction], object]]) -> list[object]:
    """Run operations that were all queued while the writer was busy; return each one's result or error."""
    waiting = threading.Semaphore(0)
    busy = threading.Event()

    def hold(_tx: Transaction) -> None:
        busy.set()
        for _ in operations:
            waiting.acquire()

    def run(operation: Callable[[Transaction], object]) -> object:
        busy.wait()
        waiting.release()
        try:
            return executor.write(operation, LOG)
        except StemmaError as error:
            return error

    with ThreadPoolExecutor(len(operations) + 1) as pool:
        first = pool.submit(executor.write, hold)
        results = list(pool.map(run, operations))
        try:
            first.result()
        except UnavailableError:
            assert all(isinstance(result, UnavailableError) for result in results)
    return results


def test_a_group_is_committed_once(tmp_path: Path) -> None:
    events: list[str] = []
    executor = Executor(database(tmp_path), on_boundary=events.append)
    results = grouped(executor, [enter(number) for number in range(50)])
    assert sorted(str(result) for result in results) == sorted(str(number) for number in range(50))
    assert events.count("committed") == events.count("begin") < 25
    executor.close()


def test_one_operation_alone_does_not_wait_for_others(tmp_path: Path) -> None:
    events: list[str] = []
    executor = Executor(database(tmp_path), on_boundary=events.append)
    executor.write(enter(1), LOG)
    assert events == ["begin", "commit", "committed"]
    executor.close()


def test_a_failed_commit_fails_every_operation_of_the_group(tmp_path: Path) -> None:
    """Also one that had raised: the state that it judged has never been."""
    fails = threading.Event()

    def boundary(event: str) -> None:
        if event == "commit" and fails.is_set():
            raise OSError(5, "Input/output error")

    executor = Executor(database(tmp_path), on_boundary=boundary)
    executor.write(enter(0), LOG)

    def judges(tx: Transaction) -> None:
        raise ConflictError(f"there are {size(tx)}")

    fails.set()
    results = grouped(executor, [enter(1), judges, enter(2)])
    assert all(isinstance(result, UnavailableError) for result in results)
    assert len({id(result) for result in results}) == 3
    fails.clear()
    assert executor.read(size) == 1
    assert executor.write(enter(3), LOG) == 1
    executor.close()


def test_an_exception_of_any_kind_reaches_the_caller_and_the_writer_lives_on(tmp_path: Path) -> None:
    executor = Executor(database(tmp_path))

    def fails(tx: Transaction) -> None:
        enter(1)(tx)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.write(fails, LOG)
    assert executor.write(enter(2), LOG) == 0
    executor.close()


def test_a_refusal_that_cannot_be_entered_is_not_answered_as_one(tmp_path: Path) -> None:
    def enter_nothing(_tx: Transaction, _error: StemmaError) -> None:
        raise UnavailableError("the log does not answer")

    def refuse(_tx: Transaction) -> None:
        raise RefusedError("no", attempt=ATTEMPT)

    executor = Executor(database(tmp_path), on_refusal=enter_nothing)
    for run in (executor.write, executor.read):
        with pytest.raises(UnavailableError, match="does not answer"):
            run(refuse)
    executor.close()


def test_the_time_is_that_of_the_clock(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    executor = Executor(database(tmp_path), clock=clock)
    assert executor.write(lambda tx: tx.now) == NOW
    clock.advance(5)
    assert executor.read(lambda tx: tx.now) == NOW + 5
    executor.close()


def test_a_generation_lasts_until_anybody_commits(tmp_path: Path) -> None:
    one, other = Executor(database(tmp_path)), Executor(database(tmp_path))
    seen = [one.read(lambda tx: tx.generation), one.read(lambda tx: tx.generation)]
    assert seen[0] == seen[1] is not None
    one.write(enter(1), LOG)
    seen.append(one.read(lambda tx: tx.generation))
    other.write(enter(2), LOG)
    seen.append(one.read(lambda tx: tx.generation))
    assert len(set(seen)) == 3
    assert one.write(lambda tx: tx.generation) is None

    def amid(tx: Transaction) -> tuple[object, object]:
        other.write(enter(3), LOG)
        first = tx.generation
        other.write(enter(4), LOG)
        return first, Transaction(tx.connection, 0, reads_only=True).generation

    first, second = one.read(amid)
    assert first == second
    one.close()
    other.close()


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


WRITER = """
import sys
from pathlib import Path
from queue import SimpleQueue
from stemma.backends.database.execution.queued import Queued
from stemma.backends.database.executor import Executor
from stemma.backends.database.sqlite import SqliteFile
from stemma.conformance.database import LOG, enter
executor = Executor(SqliteFile(Path(sys.argv[1])))
first, last = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    executor.write(enter(number), LOG)
executor.close()
"""


def test_two_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    file = database(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_python, WRITER, file.path, first, first + 150) for first in (0, 1000)]
        for run in runs:
            assert run.result().returncode == 0, run.result().stderr
    executor = Executor(file)
    assert executor.read(size) == 300
    assert all(executor.read(has(number)) for number in (*range(150), *range(1000, 1150)))
    executor.close()


def test_another_writer_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    file = database(tmp_path)
    other = file.open_writer()
    other.script("BEGIN IMMEDIATE")
    executor = Executor(SqliteFile(file.path, busy_seconds=0.2))
    assert executor.read(size) == 0
    with pytest.raises(UnavailableError, match=r"another process has been writing for 0\.2 s"):
        executor.write(enter(1), LOG)
    other.script("ROLLBACK")
    assert executor.write(enter(1), LOG) == 0
    executor.close()
    other.close()


def test_a_forked_child_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from queue import SimpleQueue
from stemma.backends.database.execution.queued import Queued
from stemma.backends.database.executor import Executor
from stemma.backends.database.sqlite import SqliteFile
from stemma.conformance.database import LOG, enter, size
from stemma.errors import UnavailableError
executor = Executor(SqliteFile(Path(sys.argv[1])))
executor.write(enter(1), LOG)
child = os.fork()
if child == 0:
    refused = 0
    for ask in (executor.write, executor.read):
        try:
            ask(size)
        except UnavailableError as error:
            refused += "fork" in error.message
    executor.close()
    os._exit(refused)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
assert executor.write(enter(2), LOG) == 1
executor.close()
"""
    result = run_python(code, database(tmp_path).path)
    assert result.returncode == 0, result.stderr


@dataclass(frozen=True)
class SmallDisk:
    """A database that may take a few more pages only."""

    file: SqliteFile
    more: int

    def open_writer(self) -> Connection:
        connection = self.file.open_writer()
        pages = connection.script("PRAGMA page_count")[0][0]
        connection.script(f"PRAGMA max_page_count = {pages + self.more}")
        return connection

    def open_reader(self) -> Connection:
        return self.file.open_reader()

    def begin(self, connection: Connection, logs: frozenset[str]) -> None:
        self.file.begin(connection, logs)


def test_a_full_database_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = database(tmp_path)
    executor = Executor(SmallDisk(file, 40))
    done = 0

    def enter_more() -> None:
        nonlocal done
        while done < 10_000:
            executor.write(enter(done), LOG)
            done += 1

    with pytest.raises(UnavailableError, match="no room is left"):
        enter_more()
    assert 0 < done < 10_000
    assert executor.read(size) == done
    assert not executor.read(has(done))
    executor.close()
    roomy = Executor(file)
    assert roomy.write(enter(done), LOG) == done
    roomy.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from queue import SimpleQueue
from stemma.backends.database.execution.queued import Queued
from stemma.backends.database.executor import Executor
from stemma.backends.database.sqlite import SqliteFile
from stemma.conformance.database import LOG, enter
from stemma.errors import UnavailableError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = SqliteFile(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
executor = Executor(file)
try:
    for number in range(10_000):
        executor.write(enter(number), LOG)
        print(number, flush=True)
except UnavailableError as error:
    print("refused:", error.message)
"""


def test_a_disk_that_takes_no_more_loses_nothing_acknowledged(tmp_path: Path) -> None:
    file = database(tmp_path)
    result = run_python(LIMITED, file.path)
    *numbers, last = result.stdout.splitlines()
    assert last.startswith("refused:"), result.stderr
    executor = Executor(file)
    assert executor.read(size) == len(numbers) > 0
    assert executor.write(enter(-1), LOG) == len(numbers)
    executor.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from queue import SimpleQueue
from stemma.backends.database.execution.queued import Queued
from stemma.backends.database.executor import Executor
from stemma.backends.database.sqlite import SqliteFile
from stemma.conformance.database import LOG, enter
left = int(sys.argv[3])
def boundary(event):
    global left
    if event == sys.argv[2]:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
executor = Executor(SqliteFile(Path(sys.argv[1])), on_boundary=boundary)
for number in range(10):
    executor.write(enter(number), LOG)
    print(number, flush=True)
"""


@pytest.mark.parametrize("event", ["begin", "commit", "committed"])
def test_a_process_killed_at_a_boundary_leaves_a_whole_state(tmp_path: Path, event: str) -> None:
    file = database(tmp_path)
    result = run_python(KILLED, file.path, event, 4)
    assert result.returncode == -signal.SIGKILL
    acknowledged = len(result.stdout.splitlines())
    assert acknowledged == 3
    executor = Executor(file)
    assert executor.read(size) == (4 if event == "committed" else 3)
    assert [executor.read(has(number)) for number in range(3)] == [True] * 3
    assert executor.read(has(3)) is (event == "committed")
    executor.close()


def test_a_damaged_file_is_corrupt_and_left_as_it_is(tmp_path: Path) -> None:
    file = database(tmp_path)
    executor = Executor(file)
    for number in range(50):
        executor.write(enter(number), LOG)
    executor.close()
    page = 4096
    data = bytearray(file.path.read_bytes())
    data[page:] = os.urandom(len(data) - page)
    file.path.write_bytes(data)
    executor = Executor(file)
    for ask in (executor.write, executor.read):
        with pytest.raises(CorruptError) as caught:
            ask(size)
        assert caught.value.place == str(file.path)
    executor.close()
    assert file.path.read_bytes() == data
    file.path.write_bytes(b"no database at all" * 300)
    executor = Executor(file)
    with pytest.raises(CorruptError):
        executor.write(enter(99), LOG)
    executor.close()


def test_readers_are_used_again(tmp_path: Path) -> None:
    file = database(tmp_path)
    executor = Executor(file)
    serials = {executor.read(lambda tx: tx.connection.serial) for _ in range(20)}
    assert len(serials) == 1
    with pytest.raises(ZeroDivisionError):
        executor.read(lambda _tx: 1 // 0)
    assert executor.read(lambda tx: tx.connection.serial) in serials
    executor.close()


def test_answers_of_a_group_come_in_one_call_after_the_commit(tmp_path: Path) -> None:
    events: list[object] = []
    executor = Executor(database(tmp_path), on_boundary=events.append)
    done = threading.Event()

    def deliver(answered: list[Queued[int]]) -> None:
        events.append([(queued.waiter, queued.error is None and queued.answer()) for queued in answered])
        done.set()

    def hold(tx: Transaction) -> int:
        for number in range(1, 4):
            executor.submit(enter(number), LOG, deliver, number)
        return enter(0)(tx)

    executor.submit(hold, LOG, deliver, 0)
    assert done.wait(10)
    executor.close()
    assert events == ["begin", "commit", "committed", [(0, 0), (1, 1), (2, 2), (3, 3)]]


def test_a_refused_look_up_can_be_entered_without_waiting(tmp_path: Path) -> None:
    executor = Executor(database(tmp_path), on_refusal=enter_refusal)

    def refuse(_tx: Transaction) -> None:
        raise RefusedError("no", attempt=ATTEMPT)

    with pytest.raises(RefusedError) as caught:
        executor.read(refuse, enter_refusals=False)
    assert executor.read(size) == 0
    answered: SimpleQueue[list[Queued[None]]] = SimpleQueue()
    assert executor.submit_refusal(caught.value, answered.put, "mine")
    assert [queued.waiter for queued in answered.get(timeout=10)] == ["mine"]
    assert executor.read(size) == 1
    assert not executor.submit_refusal(ConflictError("no attempt"), answered.put)
    executor.close()
    with pytest.raises(UnavailableError, match="closed"):
        executor.submit(size, frozenset(), answered.put)
