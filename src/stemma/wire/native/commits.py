"""Commits: uploads that are being checked and published, in threads of their own, whether or not anybody waits.

At most `AT_ONCE` run in one process; the others wait. What a commit answered is remembered for a while, and for as long
as its session in the session itself.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import Upload
from stemma.artifacts.uploads.intake import Addition
from stemma.errors import ConflictError, UnavailableError
from stemma.http.running import Runner
from stemma.operations.files.uploads import conclude
from stemma.records import Digest

AT_ONCE = 2
_REMEMBERED = 256
_NO_LOG: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Commit:
    """One commit: `request` tells whether another asks for the same, `checked` how many bytes are checked."""

    runner: Runner
    token: str | None
    session: Upload
    scopes: frozenset[str] | None
    packs: Sequence[PackId]
    manifest: Manifest
    request: bytes
    checked: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    answer: "Future[Digest]" = field(default_factory=Future)

    def run(self) -> Digest:
        """Check, publish and enter everything, for who holds the token at the end too; return the manifest's digest."""
        system, session = self.runner.system, self.session
        arrivals, executor = system.subjects.artifacts.arrivals, system.executor
        executor.write(lambda tx: arrivals.renew(tx, session.id, owner=session.owner), _NO_LOG)
        addition = arrivals.accept(session, self.packs, executor.read, scopes=self.scopes, progress=self._progress)
        digest = self._enter(addition)
        arrivals.discard(session)
        return digest

    def _enter(self, addition: Addition) -> Digest:
        identify, system, token = self.runner.identify, self.runner.system, self.token
        return system.executor.write(
            lambda tx: conclude(system.subjects, tx, identify(tx, token), addition, self.manifest), _NO_LOG
        )

    def _progress(self, size: int) -> None:
        self.checked += size
        if self.stopped.is_set():
            raise UnavailableError("the server is ending", hint="Try again.")


class Commits:
    """The commits of one process. Used by the loop alone."""

    def __init__(self) -> None:
        self._running: OrderedDict[str, Commit] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def find(self, upload: str, request: bytes | None) -> Commit | None:
        """Return the commit of an upload that is under way, or that a request has not been told of yet.

        ConflictError where one is under way that was asked for otherwise.
        """
        running = self._running.get(upload)
        if running is None:
            return None
        if running.answer.done():
            del self._running[upload]  # it is told once; who asks again begins anew
            return running if request is None else None
        if request is not None and running.request != request:
            raise ConflictError("another commit of this upload is under way", hint="Wait for it.")
        return running

    def begin(self, commit: Commit) -> None:
        """Begin it as soon as there is a thread for it."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE, "stemma-commit")
        commit.answer = self._pool.submit(commit.run)
        self._running[commit.session.id] = commit
        ended = [id_ for id_, each in self._running.items() if each.answer.done()]
        for id_ in ended[: max(0, len(ended) - _REMEMBERED)]:
            del self._running[id_]

    def stop(self) -> None:
        """End those under way, soon, and begin no other."""
        for commit in self._running.values():
            commit.stopped.set()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
