"""Calls: how the SDK asks the system for something, as one caller, and follows pages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from stemma.access import Caller
from stemma.operations import Operation
from stemma.operations.requests import Request
from stemma.operations.views import View
from stemma.system import System

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)


class Paged(Protocol):
    """A page of a listing."""

    @property
    def next_token(self) -> str | None:
        """What asks for the next page."""
        ...


PageType = TypeVar("PageType", bound=Paged)


@dataclass(slots=True)
class Calls:
    """Runs operations; `identify` finds out who the caller is when it first matters."""

    root: Path
    system: System
    identify: Callable[[], Caller]
    wrote: bool = False
    _caller: Caller | None = field(default=None, repr=False)

    @property
    def caller(self) -> Caller:
        """Who asks."""
        if self._caller is None:
            self._caller = self.identify()
        return self._caller

    def prepare(self) -> None:
        """Make sure, before anything is changed, that the change can be signed when the repository is closed."""
        if not self.wrote:
            self.system.signers()
            self.wrote = True

    def run(self, operation: Operation[Asked, Answered], request: Asked) -> Answered:
        """Run one operation."""
        if operation.writes:
            self.prepare()
        return self.system.run(operation, self.caller, request)


def follow(ask: Callable[[str | None], PageType]) -> Iterator[PageType]:
    """Yield every page of a listing."""
    token: str | None = None
    while True:
        page = ask(token)
        yield page
        token = page.next_token
        if token is None:
            return
