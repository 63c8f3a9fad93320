"""Who is told of the progress of long work: a terminal, or nobody."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stemma import cli
from stemma.cli.session import Session
from stemma.client.progress import SILENCE, Progress


@contextmanager
def watch(session: Session) -> Iterator[Progress]:
    """Yield what shows progress: on standard error if that is a terminal and nobody asked for quiet."""
    if session.quiet or not sys.stderr.isatty():
        yield SILENCE
        return
    with cli.drawing.TerminalProgress(colored=session.colored(sys.stderr)) as progress:
        yield progress
