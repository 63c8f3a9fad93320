"""A program that synchronises two folders in small parts and, if told to, ends itself at the n-th boundary.

    python -m tests.sync.killed SOURCE TARGET BOUNDARY

A boundary is an fsync, a rename or a commit of the target. It prints how many there were.
"""

import sys
from pathlib import Path

from stemma.app import open_folder
from stemma.client.local.calls import LocalCalls
from stemma.client.syncing import sending
from stemma.client.syncing.synchronise import synchronise
from tests.crash.pushing import Countdown
from tests.sync.support import CONFIRMED

PART = 4
"""Entries at once, so that there are many parts."""


def main() -> None:
    """Synchronise."""
    source, target, boundary = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    countdown = Countdown(boundary)
    sending.MOST_ENTRIES = PART
    from_ = LocalCalls(open_folder(source), "somebody")
    to = LocalCalls(open_folder(target, on_boundary=countdown), "somebody")
    synchronise(from_, to, trust=CONFIRMED)
    to.close()
    from_.close()
    sys.stdout.write(f"{boundary - countdown.left}\n")


if __name__ == "__main__":
    main()
