"""Operations on the server itself: what it is."""

from functools import lru_cache
from importlib.metadata import version

from stemma.access import Caller
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.operations.requests import Nothing
from stemma.operations.views import View


class ServerView(View, frozen=True, kw_only=True):
    """A server: `repository` is the id of what it serves, `release` that of Stemma."""

    repository: str
    release: str


def _show(subjects: Subjects, tx: Transaction, caller: Caller, asked: Nothing) -> ServerView:
    """Tell which repository this is, and which release answers."""
    del tx, caller, asked
    return ServerView(repository=subjects.ledger.repository, release=release())


@lru_cache(maxsize=1)
def release() -> str:
    """Return the release of Stemma that runs."""
    return version("stemma-ml")


SERVER = Operation("server.show", Nothing, ServerView, None, "GET", "/server", _show, unasked="the same for everybody")
