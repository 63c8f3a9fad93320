"""Upkeep, as the SDK offers it: jobs of the clock, and how a repository fares."""

from collections.abc import Sequence

from stemma.client.answers import JobDone, JobsDone
from stemma.client.calls import Calls
from stemma.operations.requests import Nothing
from stemma.operations.upkeep.health import HEALTH, Health


class Upkeep:
    """What keeps a repository well. Jobs are for a folder that no server serves: a server does its own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def health(self) -> Health:
        """Return how the repository fares; on a server this is for admins."""
        return self._calls.run(HEALTH, Nothing())

    def run_jobs(self, names: Sequence[str] = ()) -> JobsDone:
        """Do the jobs called `names`, or all, once; what another process does right now is left to it."""
        reports = self._calls.upkeep("doing jobs by hand").run_jobs(names)
        return JobsDone(
            jobs=tuple(JobDone(name=each.name, failure=each.failure or None, detail=each.detail) for each in reports)
        )
