"""The runner: one process does each job, failures are told and tried later, nothing is written for nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stemma.access import Caller, Role, local_owner
from stemma.app import RepositoryFolder, create_folder, open_folder
from stemma.backends.database.transaction import SettableClock
from stemma.errors import ForbiddenError, NotFoundError, UnavailableError
from stemma.jobs import Job, Runner, run
from stemma.jobs.job import Turn
from stemma.ledger import Actor, Entry
from stemma.names import ModelName
from stemma.system import System, Transaction

OWNER = local_owner("u_" + "0" * 32)
NOW = 1_772_500_000_000_000
SECOND = 1_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RepositoryFolder]:
    create_folder(tmp_path)
    opened = open_folder(tmp_path)
    yield opened
    opened.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Counting:
    """A job that counts its turns, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.turns = 0
        self.failures = failures

    def work(self, turn: Turn) -> str:
        assert not turn.stopping.is_set()
        self.turns += 1
        if self.turns <= self.failures:
            raise UnavailableError(f"failure {self.turns}")
        return f"turn {self.turns}"

    def job(self, due: Callable[[Transaction], bool] = lambda _: True) -> Job:
        return Job("counting", 0.01, due, self.work)


def reported(system: System, name: str) -> tuple[str, int, str] | None:
    report = system.executor.read(lambda tx: tx.upkeep.report(name))
    return None if report is None else (report.failure, report.failures, report.detail)


def test_a_job_that_fails_is_reported_and_tried_again(folder: RepositoryFolder) -> None:
    counting = Counting(failures=2)
    runner = Runner(folder.system, [counting.job()])
    runner.start()
    until(lambda: reported(folder.system, "counting") == ("failure 2", 2, ""))
    until(lambda: reported(folder.system, "counting") == ("", 0, "turn 3"))
    runner.stop()
    assert folder.system.executor.read(lambda tx: tx.upkeep.leases()) == []
    runner.stop()


def test_nothing_is_written_where_nothing_is_due(folder: RepositoryFolder) -> None:
    looked = threading.Event()

    def never(tx: Transaction) -> bool:
        looked.set()
        assert tx.now
        return False

    before = folder.system.executor.read(lambda tx: tx.generation)
    runner = Runner(folder.system, [Counting().job(never)])
    runner.start()
    assert looked.wait(10)
    runner.stop()
    assert folder.system.executor.read(lambda tx: tx.generation) == before
    assert reported(folder.system, "counting") is None


def test_who_waits_for_work_gives_the_lease_back(folder: RepositoryFolder) -> None:
    """So that it is not taken for one that was killed."""
    counting = Counting()
    runner = Runner(folder.system, [counting.job(lambda _: counting.turns < 1)], lease_seconds=0.2)
    runner.start()
    until(lambda: reported(folder.system, "counting") is not None)
    until(lambda: folder.system.executor.read(lambda tx: tx.upkeep.leases()) == [])
    runner.stop()


def test_of_several_runners_one_works(folder: RepositoryFolder, tmp_path: Path) -> None:
    other = open_folder(tmp_path)
    mine, theirs = Counting(), Counting()
    first, second = Runner(folder.system, [mine.job()]), Runner(other.system, [theirs.job()])
    first.start()
    until(lambda: mine.turns > 0)
    second.start()
    until(lambda: mine.turns > 20)
    assert theirs.turns == 0
    first.stop()
    until(lambda: theirs.turns > 0)
    second.stop()
    other.close()


HOLDER = """
import sys, time
from pathlib import Path
from stemma.app import open_folder
from stemma.jobs import Job, Runner
folder = open_folder(Path(sys.argv[1]))
def work(turn):
    print("working", flush=True)
    return ""
Runner(folder.system, [Job("counting", 0.01, lambda tx: True, work)], lease_seconds=2).start()
time.sleep(60)
"""


@pytest.mark.slow
def test_a_killed_process_gives_way_when_its_lease_has_run_out(folder: RepositoryFolder, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "working\n"
        counting = Counting()
        runner = Runner(folder.system, [counting.job()])
        runner.start()
        for _ in range(20):
            assert holder.stdout.readline() == "working\n"
        assert counting.turns == 0
        os.kill(holder.pid, signal.SIGKILL)
        until(lambda: counting.turns > 0)
        runner.stop()


def test_the_jobs_of_a_folder(tmp_path: Path) -> None:
    """Refusals older than a minute are entered, logs are signed, uploads end, answers are forgotten."""
    create_folder(tmp_path)
    clock = SettableClock(NOW)
    folder = open_folder(tmp_path, clock=clock)
    system = folder.system
    registry, artifacts = system.subjects.registry, system.subjects.artifacts
    system.executor.write(lambda tx: registry.create_namespace(tx, OWNER, "bank"), frozenset({"_system"}))
    reader = Caller(Actor("user", "u_" + "2" * 32), frozenset({Role.READER}))
    upload = system.executor.write(lambda tx: artifacts.begin(tx, owner="u_1", namespace="bank"))
    for _ in range(3):
        with pytest.raises(ForbiddenError):
            system.executor.write(
                lambda tx: registry.entitle(tx, reader, ModelName("bank", "loans"), "No"), frozenset({"bank"})
            )
    assert [entry.facts["count"] for entry in refused(system)] == [1]
    run(system, ["refusals"])
    assert [entry.facts["count"] for entry in refused(system)] == [1]
    clock.advance(61 * SECOND)
    run(system, ["refusals"])
    assert [entry.facts["count"] for entry in refused(system)] == [1, 2]
    assert system.executor.read(lambda tx: system.subjects.ledger.unsigned_tail(tx, "_system"))
    clock.advance(25 * 3600 * SECOND)
    reports = run(system)
    assert [report.name for report in reports] == ["webhooks", "refusals", "checkpoints", "uploads", "answers"]
    assert all(report.failure == "" for report in reports)
    assert not system.executor.read(lambda tx: system.subjects.ledger.unsigned_tail(tx, "_system"))
    assert system.executor.read(lambda tx: tx.artifacts.uploads.find(upload.id)) is None
    with pytest.raises(NotFoundError, match="no job 'x'"):
        run(system, ["x"])
    folder.close()


def refused(system: System) -> list[Entry]:
    page = system.executor.read(lambda tx: system.subjects.ledger.log(tx, "_system"))
    return [entry for entry in page.entries if entry.outcome == "refused"]
