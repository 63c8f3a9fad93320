"""Upkeep: which process does a job now, and what became of it the last time; the jobs themselves are in `stemma.jobs`.

A lease is a row: whoever holds it does the work, and whoever was killed holds it no longer than it lasts. Clocks of
several machines may differ by less than a lease lasts; where two still do the same work, it is work that may be done
twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """That `holder` (machine, process and chance) does the work called `name` until `expires` (µs)."""

    name: str
    holder: str
    expires: int


@dataclass(frozen=True, slots=True)
class Report:
    """How a job ended last: `failure` is empty where it did well; `failures` counts how often in a row it did not."""

    name: str
    ended: int
    failure: str = ""
    failures: int = 0
    detail: str = ""


class UpkeepStore(Protocol):
    """Leases and reports, in the caller's transaction."""

    def database(self) -> tuple[str, str]:
        """Return the name and release of the database, and the level that its tables stand at."""

    def claim(self, name: str, holder: str, now: int, expires: int) -> bool:
        """Take or renew a lease; False where somebody else holds it."""

    def release(self, name: str, holder: str) -> None:
        """Give a lease back; changes nothing where another holds it."""

    def lease(self, name: str) -> Lease | None:
        """Return who holds a lease, or held it last."""

    def leases(self) -> Sequence[Lease]:
        """Return all leases, by name."""

    def put(self, report: Report) -> None:
        """Replace the report of a job."""

    def report(self, name: str) -> Report | None:
        """Return the last report of a job."""

    def reports(self) -> Sequence[Report]:
        """Return the last report of every job, by name."""


class UpkeepTransaction(Protocol):
    """What upkeep uses of a transaction."""

    @property
    def now(self) -> int:
        """The time of the transaction, in microseconds since the epoch."""

    @property
    def upkeep(self) -> UpkeepStore:
        """Leases and reports."""
