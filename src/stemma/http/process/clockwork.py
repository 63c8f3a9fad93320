"""Clockwork: what a server does by the clock, in one thread of its own, one job after the other.

A job that fails is told of and done again after its period; it ends no server.
"""

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stemma.http.watching.requestlog import Lines


class Job(Protocol):
    """Something to do again and again."""

    @property
    def name(self) -> str:
        """What it is called in logs."""
        ...

    @property
    def period(self) -> float:
        """Seconds from the end of one run to the beginning of the next."""
        ...

    def run(self) -> None:
        """Do it once. It may be ended at any point, together with the process."""
        ...


@dataclass(frozen=True, slots=True)
class Chore:
    """A job that is one function."""

    name: str
    period: float
    act: Callable[[], object]

    def run(self) -> None:
        """Do it once."""
        self.act()


class Clockwork:
    """Runs jobs until it is stopped."""

    def __init__(self, jobs: Sequence[Job], lines: Lines) -> None:
        self._jobs = jobs
        self._lines = lines
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="stemma-jobs", daemon=True)

    def start(self) -> None:
        """Begin; each job waits for its period first."""
        if self._jobs:
            self._thread.start()

    def stop(self, seconds: float) -> None:
        """Begin no job any more, and wait for the one that runs, but not for ever."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        due = [(time.monotonic() + job.period, index) for index, job in enumerate(self._jobs)]
        heapq.heapify(due)
        while True:
            when, index = heapq.heappop(due)
            if self._stopped.wait(max(0.0, when - time.monotonic())):
                return
            job = self._jobs[index]
            try:
                job.run()
            except Exception as error:  # noqa: BLE001  # a job ends no server
                self._lines.tell("job", level="warning", job=job.name, error=f"{type(error).__name__}: {error}"[:2000])
            heapq.heappush(due, (time.monotonic() + job.period, index))
