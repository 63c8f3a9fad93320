"""What the clock calls: delivering webhooks, entering counted refusals, signing logs, sweeping what has expired.

`start` does it in threads of a server; `run` once, for a folder that no server serves. Of several processes on one
repository one does each job, whichever holds its lease.
"""

from collections.abc import Callable, Sequence

from stemma.errors import NotFoundError
from stemma.jobs.delivery import Sender, delivery
from stemma.jobs.job import Job
from stemma.jobs.runner import Runner
from stemma.jobs.sending import PinnedSender
from stemma.jobs.sweeping import answers, checkpoints, refusals, uploads
from stemma.system import System
from stemma.upkeep import Report

__all__ = ["Job", "PinnedSender", "Runner", "Sender", "jobs_of", "run", "start"]


def jobs_of(system: System, sender: Sender | None = None) -> tuple[Job, ...]:
    """Return every job; `sender` carries deliveries, by default to checked addresses only."""
    sender = sender or PinnedSender(system.subjects.webhooks.rules)
    return (delivery(system, sender), refusals(system), checkpoints(system), uploads(system), answers(system))


def start(system: System, *, sender: Sender | None = None) -> Callable[[], None]:
    """Do all jobs in threads from now on; call what is returned to stop, before the system is closed."""
    runner = Runner(system, jobs_of(system, sender))
    runner.start()
    return runner.stop


def run(system: System, names: Sequence[str] = (), *, sender: Sender | None = None) -> tuple[Report, ...]:
    """Do the jobs called `names`, or all, once and now; return how they ended, and nothing for what others do now."""
    jobs = {job.name: job for job in jobs_of(system, sender)}
    for name in names:
        if name not in jobs:
            raise NotFoundError(f"there is no job {name[:80]!r}", hint=f"Jobs are {', '.join(jobs)}.")
    runner = Runner(system, [job for name, job in jobs.items() if not names or name in names])
    return runner.run_once()
