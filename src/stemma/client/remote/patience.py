"""Patience: how often and how long a call is tried again, and how long is waited in between.

Exponential back-off with full jitter (so that clients which failed together do not return together), between a floor
that the server may raise by `Retry-After` and a ceiling; bounded by a time after which no further try begins.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from stemma.errors import UnavailableError

Result = TypeVar("Result")
FIRST = 0.2
LONGEST = 5.0
_DOUBLINGS = 16


class AgainError(UnavailableError):
    """It failed in a way that may pass; `wait` is how many seconds the server asks to wait."""

    def __init__(self, message: str, *, hint: str = "", place: str = "", wait: float = 0.0) -> None:
        super().__init__(message, hint=hint, place=place)
        self.wait = wait

    def __reduce__(self) -> tuple[object, ...]:
        return (_unavailable, (self.message, self.hint, self.place))


def _unavailable(message: str, hint: str, place: str) -> UnavailableError:
    return UnavailableError(message, hint=hint, place=place)


class Waiting(Protocol):
    """A clock and a way to wait, in seconds."""

    def now(self) -> float:
        """Return a time that only grows."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


@dataclass(frozen=True, slots=True)
class RealTime:
    """The clock of this machine."""

    def now(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Patience:
    """`limit` is for how many seconds new tries are begun."""

    limit: float
    waiting: Waiting = field(default_factory=RealTime)
    jitter: Callable[[], float] = random.random

    def call(self, step: Callable[[], Result]) -> Result:
        """Return what `step` returns, tried again while it raises AgainError; then an UnavailableError."""
        begun = self.waiting.now()
        tries = 0
        while True:
            try:
                return step()
            except AgainError as error:
                tries += 1
                pause = self._pause(tries, error.wait)
                if self.waiting.now() - begun + pause > self.limit:
                    raise _give_up(error, tries) from error
                self.waiting.wait(pause)

    def _pause(self, tries: int, asked: float) -> float:
        ceiling = min(LONGEST, FIRST * 2.0 ** min(tries - 1, _DOUBLINGS))
        return max(asked, ceiling * self.jitter())


def _give_up(error: AgainError, tries: int) -> UnavailableError:
    often = f" ({tries} tries)" if tries > 1 else ""
    asked = f" It asks to wait {error.wait:.0f} s." if error.wait > LONGEST else ""
    return UnavailableError(f"{error.message}{often}", hint=f"{error.hint}{asked}".strip(), place=error.place)
