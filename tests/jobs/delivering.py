"""A program that delivers webhooks until it is killed: `python -m tests.jobs.delivering ROOT`."""

import sys
import time
from pathlib import Path

from stemma.app import open_folder
from stemma.jobs import PinnedSender, Runner, jobs_of
from stemma.jobs.job import Job
from stemma.webhooks import Rules

RULES = Rules.parse("127.0.0.1", "127.0.0.1")
LEASE = 1.5


def main() -> None:
    """Deliver, with a short lease and short pauses."""
    folder = open_folder(Path(sys.argv[1]), webhook_rules=RULES)
    jobs = [
        Job(job.name, 0.05, job.due, job.work)
        for job in jobs_of(folder.system, PinnedSender(RULES))
        if job.name == "webhooks"
    ]
    Runner(folder.system, jobs, lease_seconds=LEASE).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main()
