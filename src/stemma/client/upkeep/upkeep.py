"""Upkeep, as the SDK offers it: jobs of the clock, and how a repository fares."""

from collections.abc import Sequence
from pathlib import Path

from stemma.client.answers import BackedUp, JobDone, JobsDone
from stemma.client.calls import Calls
from stemma.client.progress import SILENCE, Progress
from stemma.client.upkeep.backups import state_of
from stemma.operations.requests import Nothing
from stemma.operations.upkeep.health import HEALTH, Health


class Upkeep:
    """What keeps a repository well. Jobs are for a folder that no server serves: a server does its own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def health(self) -> Health:
        """Return how the repository fares; on a server this is for admins."""
        return self._calls.run(HEALTH, Nothing())

    def back_up(
        self, target: str | Path, *, keys: bool = False, link: bool = False, progress: Progress = SILENCE
    ) -> BackedUp:
        """Bring the backup in the folder `target` up to this repository, while it is used; a folder's owner may.

        Keys are taken if they are encrypted, or with `keys`. With `link` packs get a second name instead of a copy,
        where `target` lies on the same file system.
        """
        made = self._calls.upkeep("making a backup").back_up(
            Path(target).absolute(), keys=keys, link=link, progress=progress
        )
        return BackedUp(backup=state_of(made.listing, Path(target)), copied=made.copied, copied_bytes=made.copied_bytes)

    def run_jobs(self, names: Sequence[str] = ()) -> JobsDone:
        """Do the jobs called `names`, or all, once; what another process does right now is left to it."""
        reports = self._calls.upkeep("doing jobs by hand").run_jobs(names)
        return JobsDone(
            jobs=tuple(JobDone(name=each.name, failure=each.failure or None, detail=each.detail) for each in reports)
        )
