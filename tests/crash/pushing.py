"""A program that pushes versions and, if told to, ends itself by SIGKILL at the n-th boundary.

    python -m tests.crash.pushing ROOT SOURCE PUSHES [BOUNDARY]

It prints `begin`, then `end REFERENCE` when a push was acknowledged, each flushed.
"""

import os
import signal
import sys
from pathlib import Path

from stemma.app import open_folder
from stemma.client import Repository
from stemma.client.local.calls import LocalCalls
from stemma.settings import load_settings


class Countdown:
    """Ends the process just before the n-th boundary; 0 never does."""

    def __init__(self, boundary: int) -> None:
        self.left = boundary

    def __call__(self, event: str, /) -> None:
        self.left -= 1
        if self.left == 0:
            sys.stdout.write(f"killed before {event}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Push `PUSHES` versions, each with one file that differs."""
    root, source, pushes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    countdown = Countdown(int(sys.argv[4]) if len(sys.argv) > 4 else 0)
    folder = open_folder(root, on_boundary=countdown)
    with Repository(LocalCalls(folder, "somebody"), load_settings(repository=root)) as repository:
        for number in range(pushes):
            (source / "changing.bin").write_bytes(os.urandom(70_000))
            (source / "number.txt").write_text(str(number))
            sys.stdout.write("begin\n")
            sys.stdout.flush()
            done = repository.push("bank/loans", source, message=f"push {number}", metrics={"auc": 0.5})
            repository.aliases.set("bank/loans", "production", done.version.digest)
            sys.stdout.write(f"end {done.version.digest}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
