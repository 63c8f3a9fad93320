"""Turns: how many transfers go on at once in a process, and how many of them may be of one caller.

Who reads or sends as slowly as is allowed holds a turn for long; nobody holds them all.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stemma.access import Caller
from stemma.errors import UnavailableError

AT_ONCE = 64
OF_ONE = 32


@dataclass(slots=True)
class Turns:
    """Turns for `what`, in the plural. Used by the loop alone."""

    what: str
    taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def take(self, caller: Caller) -> Iterator[None]:
        """Hold a turn; UnavailableError where there is none for this caller."""
        if self.taken.total() >= AT_ONCE:
            raise UnavailableError(f"{AT_ONCE} {self.what} are under way already", hint="Try again.")
        if self.taken[caller.id] >= OF_ONE:
            raise UnavailableError(f"{OF_ONE} {self.what} of yours are under way already", hint="Let some of them end.")
        self.taken[caller.id] += 1
        try:
            yield
        finally:
            self.taken[caller.id] -= 1
            if not self.taken[caller.id]:
                del self.taken[caller.id]
