"""A job: what is looked at now and then, and done by whoever holds its lease."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from stemma.system import Transaction


class Turn(Protocol):
    """The right to do a job now."""

    @property
    def stopping(self) -> Event:
        """Set when the process wants to end: finish the step at hand, begin none."""

    def renew(self, tx: Transaction) -> bool:
        """Hold the lease for longer, in a transaction that writes anyway; False where it was lost."""


@dataclass(frozen=True, slots=True)
class Job:
    """`due` says, by reading, whether there is work; `work` does it and says what it did, in a few words or none.

    `seconds` lie between two looks.
    """

    name: str
    seconds: float
    due: Callable[[Transaction], bool]
    work: Callable[[Turn], str]
