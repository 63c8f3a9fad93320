"""A program that makes backups and, if told to, ends itself by SIGKILL at the n-th boundary.

    python -m tests.backup.killed ROOT TARGET BACKUPS [BOUNDARY]

It prints `begin`, then `end STATE` when a backup is complete.
"""

import os
import signal
import sys
from pathlib import Path

from stemma.app import open_folder
from stemma.backends.blobs.disk import Disk
from tests.backup.stories import make


def main() -> None:
    """Make backups one after the other."""
    root, target, backups = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    left = int(sys.argv[4]) if len(sys.argv) > 4 else 0

    def boundary(event: str, /) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            sys.stdout.write(f"killed before {event}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    folder = open_folder(root)
    for _ in range(backups):
        sys.stdout.write("begin\n")
        sys.stdout.flush()
        made = make(folder, target, Disk(boundary))
        sys.stdout.write(f"end {made.listing.state}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
