"""Where two repositories meet whose logs have parted: what the target has, what it is to get, and what conflicts."""

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import structs

from stemma.client.calls import Calls
from stemma.client.syncing.answers import Conflict
from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RefusedError,
)
from stemma.operations import versions
from stemma.operations.requests import ListVersions, Resolve
from stemma.operations.views import Resolved, VersionView

LEFT_ALONE = (AlreadyExistsError, ConflictError, ForbiddenError, InvalidError, NotFoundError, RefusedError)
"""How a target says that it keeps things as they are; any other error ends the synchronisation."""


@dataclass(slots=True)
class Meeting:
    """Both repositories; with `plan` nothing is changed, and what would be is only remembered."""

    source: Calls
    target: Calls
    plan: bool
    conflicts: list[Conflict] = field(default_factory=list)
    _promised: set[tuple[str, str]] = field(default_factory=set)

    def promise(self, model: str, digest: str) -> bool:
        """Note that the target gets a version now; return False where it was promised before."""
        is_new = (model, digest) not in self._promised
        self._promised.add((model, digest))
        return is_new

    def attempt(self, conflict: Conflict, change: Callable[[], object]) -> None:
        """Make a change, unless this is a plan; where the target will not have it, list that with what it says."""
        if self.plan:
            return
        try:
            change()
        except LEFT_ALONE as error:
            self.leave(structs.replace(conflict, why=error.message))

    def leave(self, conflict: Conflict) -> None:
        """List a conflict."""
        self.conflicts.append(conflict)


def find(calls: Calls, model: str, selector: str) -> Resolved | None:
    """Return the version that a selector means in a repository, None where there is none."""
    try:
        return calls.run(versions.RESOLVE, Resolve(reference=f"{model}@{selector}"))
    except NotFoundError:
        return None


def show(calls: Calls, model: str, digest: str) -> VersionView | None:
    """Return all that is known of a version, None where there is none."""
    try:
        return calls.run(versions.SHOW, Resolve(reference=f"{model}@{digest}"))
    except NotFoundError:
        return None


def newest_on(calls: Calls, model: str, branch: str) -> VersionView | None:
    """Return the newest version that was registered on a branch, withdrawn or not."""
    try:
        page = calls.run(versions.VERSIONS, ListVersions(model=model, branch=branch, limit=1))
    except NotFoundError:
        return None
    return page.versions[0] if page.versions else None
