"""The runner: a thread for each job, which looks, takes the lease, works, and reports.

Nothing is written where nothing is to do. A lease is kept from one turn to the next, so that a busy job writes it
seldom; it is given back when the runner stops, and runs out when the process is killed. A job that fails is
reported and tried again later and later, at most a minute apart.
"""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from stemma.errors import StemmaError
from stemma.jobs.job import Job
from stemma.system import System, Transaction
from stemma.upkeep import Report

LEASE_SECONDS = 60.0
REPORT_SECONDS = 60.0
LONGEST_PAUSE = 60.0
_SECOND = 1_000_000
_MAX_TEXT = 500
_MOST_ROUNDS = 10_000
_NO_LOG: frozenset[str] = frozenset()
_LOGGER = logging.getLogger("stemma.jobs")


@dataclass(slots=True)
class _Turn:
    """A job's lease as this process holds it: `until` in µs, 0 where it does not."""

    name: str
    holder: str
    seconds: float
    stopping: threading.Event
    until: int = 0

    def renew(self, tx: Transaction) -> bool:
        """Take the lease, or hold it for longer."""
        until = tx.now + int(self.seconds * _SECOND)
        taken = tx.upkeep.claim(self.name, self.holder, tx.now, until)
        self.until = until if taken else 0
        return taken


@dataclass(slots=True)
class Runner:
    """Does jobs in threads, or once."""

    system: System
    jobs: Sequence[Job]
    lease_seconds: float = LEASE_SECONDS
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        for job in self.jobs:
            thread = threading.Thread(target=self._repeat, args=(job,), name=f"stemma-job-{job.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let each job finish its step, give the leases back, and return; idempotent."""
        self._stopping.set()
        while self._threads:
            self._threads.pop().join()

    def run_once(self) -> tuple[Report, ...]:
        """Do each job now, one after the other, whether or not it is due, until nothing is left to do."""
        reports = []
        for job in self.jobs:
            turn = self._turn(job)
            if self.system.executor.write(turn.renew, _NO_LOG):
                try:
                    reports.append(self._work_off(job, turn))
                finally:
                    self._release(turn)
        return tuple(reports)

    def _work_off(self, job: Job, turn: _Turn) -> Report:
        """Do a job until nothing is due, or it fails; return how it ended."""
        for _ in range(_MOST_ROUNDS):
            report = self._work(job, turn, 0)
            if report.failure or not self.system.executor.read(job.due):
                break
        return report

    def _turn(self, job: Job) -> _Turn:
        return _Turn(f"job {job.name}", self.holder, self.lease_seconds, self._stopping)

    def _repeat(self, job: Job) -> None:
        turn = self._turn(job)
        failures = 0
        while not self._stopping.wait(min(job.seconds * 2 ** min(failures, 10), max(LONGEST_PAUSE, job.seconds))):
            try:
                is_due, lasts = self.system.executor.read(lambda tx: self._look(tx, job, turn))
                if is_due and (lasts or self.system.executor.write(turn.renew, _NO_LOG)):
                    failures = self._work(job, turn, failures).failures
                elif not is_due and not lasts:
                    self._release(turn)  # who waits for work is not to be taken for one that was killed
            except StemmaError as error:  # the database itself: there is nowhere to report to
                failures += 1
                _LOGGER.warning("job %s could not be looked at: %s", job.name, error)
        self._release(turn)

    def _look(self, tx: Transaction, job: Job, turn: _Turn) -> tuple[bool, bool]:
        """Return whether there is something to do here, and whether the lease lasts long enough for it."""
        lease = tx.upkeep.lease(turn.name)
        if lease is not None and lease.holder != turn.holder and lease.expires > tx.now:
            return False, False
        return job.due(tx), turn.until - tx.now >= self.lease_seconds * _SECOND / 2

    def _work(self, job: Job, turn: _Turn, failures: int) -> Report:
        detail = failure = ""
        try:
            detail = job.work(turn)
        except Exception as error:  # whatever it is: it is logged and reported, and others go on
            failure = str(error) if isinstance(error, StemmaError) else repr(error)
            _LOGGER.warning("job %s failed: %s", job.name, failure, exc_info=not isinstance(error, StemmaError))
        report = Report(job.name, 0, failure[:_MAX_TEXT], failures + 1 if failure else 0, detail[:_MAX_TEXT])
        return self.system.executor.write(lambda tx: _note(tx, report), _NO_LOG)

    def _release(self, turn: _Turn) -> None:
        if turn.until:
            turn.until = 0
            try:
                self.system.executor.write(lambda tx: tx.upkeep.release(turn.name, turn.holder), _NO_LOG)
            except StemmaError as error:
                _LOGGER.warning("the lease of %s was not given back and will run out: %s", turn.name, error)


def _note(tx: Transaction, report: Report) -> Report:
    """Store a report, unless one that says the same is less than a minute old."""
    ended = Report(report.name, tx.now, report.failure, report.failures, report.detail)
    before = tx.upkeep.report(report.name)
    if (
        before is None
        or (before.failure, before.failures) != (ended.failure, ended.failures)
        or ended.ended - before.ended >= REPORT_SECONDS * _SECOND
    ):
        tx.upkeep.put(ended)
    return ended
