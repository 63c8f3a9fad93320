"""`stemma jobs`: what the clock calls, for folders that no server serves."""

import click

from stemma import cli
from stemma.cli.grouping import family
from stemma.cli.opening import open_repository
from stemma.cli.session import Session, pass_session
from stemma.cli.text import plural
from stemma.client.answers import JobsDone
from stemma.errors import UnavailableError


@family("jobs", "stemma jobs run", "stemma jobs run webhooks")
def jobs() -> None:
    """Do by hand what a server does by the clock."""


@jobs.command("run", examples=("stemma jobs run", "stemma jobs run webhooks"), prints=JobsDone)
@click.argument("names", metavar="[JOB]...", nargs=-1)
@pass_session
def run(session: Session, names: tuple[str, ...]) -> None:
    """Deliver webhooks, enter counted refusals, sign logs, and sweep what has expired, once.

    JOB is one of webhooks, refusals, checkpoints, uploads and answers; without it all are done. What another process
    does right now is left to it. Exits with 8 where a job failed.
    """
    with open_repository(session) as repository:
        done = repository.upkeep.run_jobs(names)
    session.answer(done, lambda: cli.drawing.reports.jobs(done.jobs))
    failed = [job for job in done.jobs if job.failure]
    if failed:
        raise UnavailableError(f"{plural(len(failed), 'job')} failed: {failed[0].failure}")
