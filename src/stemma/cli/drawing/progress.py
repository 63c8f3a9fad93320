"""Progress of long work on standard error, redrawn in place and gone when the work is done."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from stemma.cli.text import safe
from stemma.client.progress import Unit


class TerminalProgress:
    """Draws the pieces of work it is told of, one at a time; leaving the context clears what is drawn."""

    def __init__(self, *, colored: bool) -> None:
        self._console = Console(
            file=sys.stderr, no_color=not colored, markup=False, emoji=False, highlight=False, legacy_windows=False
        )
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        """Draw a new piece of work; one that was not finished is."""
        self.finish()
        done = DownloadColumn() if unit == "B" else MofNCompleteColumn()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            done,
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(safe(label), total=total)
        self._progress.start()

    def advance(self, amount: int) -> None:
        """Draw that `amount` more units are done."""
        if self._progress is not None:
            self._progress.advance(self._task, amount)

    def finish(self) -> None:
        """Clear what is drawn."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
