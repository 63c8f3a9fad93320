"""Progress of long work: told by the SDK, shown by whoever wants to."""

from typing import Literal, Protocol

Unit = Literal["B", "files", "entries"]


class Progress(Protocol):
    """Is told what goes on; called from one thread at a time, and must not raise."""

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        """Begin a piece of work of `total` units, or of unknown length."""

    def advance(self, amount: int) -> None:
        """Note that `amount` more units are done."""

    def finish(self) -> None:
        """End the piece of work that was begun last."""


class Silence:
    """Shows nothing."""

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


SILENCE: Progress = Silence()
