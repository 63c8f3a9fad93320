"""Calls to a repository in a folder, as its owner."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from stemma.access import Caller
from stemma.client.calls import Logs
from stemma.client.local.logs import LocalLogs
from stemma.client.local.transfer import LocalTransfer
from stemma.client.local.upkeep import Upkeep
from stemma.operations import Operation
from stemma.operations.requests import Request
from stemma.operations.views import View

if TYPE_CHECKING:
    from stemma.app import RepositoryFolder

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)


@dataclass(slots=True)
class LocalCalls:
    """Runs operations in this process; `user` is the name under which changes are recorded."""

    folder: "RepositoryFolder"
    user: str
    place: str = field(init=False)
    files: LocalTransfer = field(init=False)
    _wrote: bool = False
    _caller: Caller | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.place = str(self.folder.root)
        self.files = LocalTransfer(self.folder, self.caller)

    def caller(self) -> Caller:
        """Return who asks; found out when it first matters."""
        if self._caller is None:
            self._caller = self.folder.owner(self.user)
        return self._caller

    def prepare(self) -> None:
        """Make sure, before anything is changed, that the change can be signed when the repository is closed."""
        if not self._wrote:
            self.folder.system.signers()
            self._wrote = True

    def run(self, operation: Operation[Asked, Answered], request: Asked) -> Answered:
        """Run one operation; a change is durable when this returns."""
        if operation.writes:
            self.prepare()
        return self.folder.system.run(operation, self.caller(), request)

    def logs(self) -> Logs:
        """Return the logs."""
        return LocalLogs(self.folder.system)

    def upkeep(self, wish: str, instead: str = "") -> Upkeep:
        """Return what the owner of a folder can do."""
        del wish, instead
        return Upkeep(self.folder)

    def close(self) -> None:
        """Sign what was written since the last checkpoint, and let go; idempotent."""
        try:
            if self._wrote:
                self._wrote = False
                self.folder.system.sign()
        finally:
            self.folder.close()
