"""Commits: uploads that are being checked and published, in threads of their own, whether or not anybody waits.

At most `AT_ONCE` run in one process; the others wait. What a commit answered is remembered for a while, and for as long
as its session in the session itself. Of several processes that are asked to commit one upload, the one that holds its
lease does it, and the others wait for that.
"""

import secrets
import threading
import time
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
from stemma.operations import Transaction
from stemma.operations.files.uploads import conclude, lease_of
from stemma.records import Digest

AT_ONCE = 2
LEASE_SECONDS = 30.0
"""How long the commit of a process that was killed keeps others from it."""

_PAUSE = 0.2
_SECOND = 1_000_000
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
    _holder: str = field(default_factory=lambda: secrets.token_hex(8))
    _renew_at: float = 0.0

    def run(self) -> Digest:
        """Check, publish and enter everything, for who holds the token at the end too; return the manifest's digest."""
        executor = self.runner.system.executor
        while (begun := executor.write(self._begin, _NO_LOG)) is False:
            while not executor.read(self._is_free):
                if self.stopped.wait(_PAUSE):
                    raise _ending()
        if isinstance(begun, Digest):
            return begun
        try:
            return self._carry_out()
        finally:
            executor.write(lambda tx: tx.upkeep.release(lease_of(self.session.id), self._holder), _NO_LOG)

    def _carry_out(self) -> Digest:
        system, session = self.runner.system, self.session
        arrivals = system.subjects.artifacts.arrivals
        addition = arrivals.accept(
            session, self.packs, system.executor.read, scopes=self.scopes, progress=self._progress
        )
        digest = self._enter(addition)
        arrivals.discard(session)
        return digest

    def _begin(self, tx: Transaction) -> Digest | bool:
        """Return the manifest where all is done, else whether nobody else is at it; then nobody will be."""
        arrivals, session = self.runner.system.subjects.artifacts.arrivals, self.session
        there = arrivals.session(tx, session.id, owner=session.owner)
        if there.manifest is not None:
            return there.manifest
        arrivals.renew(tx, session.id, owner=session.owner)
        return self._claim(tx)

    def _claim(self, tx: Transaction) -> bool:
        self._renew_at = time.monotonic() + LEASE_SECONDS / 3
        until = tx.now + int(LEASE_SECONDS * _SECOND)
        return tx.upkeep.claim(lease_of(self.session.id), self._holder, tx.now, until)

    def _is_free(self, tx: Transaction) -> bool:
        lease = tx.upkeep.lease(lease_of(self.session.id))
        return lease is None or lease.expires <= tx.now

    def _enter(self, addition: Addition) -> Digest:
        identify, system, token = self.runner.identify, self.runner.system, self.token
        return system.executor.write(
            lambda tx: conclude(system.subjects, tx, identify(tx, token), addition, self.manifest), _NO_LOG
        )

    def _progress(self, size: int) -> None:
        self.checked += size
        if self.stopped.is_set():
            raise _ending()
        if time.monotonic() > self._renew_at and not self.runner.system.executor.write(self._claim, _NO_LOG):
            raise UnavailableError("another process has taken this upload over", hint="Try again.")


def _ending() -> UnavailableError:
    return UnavailableError("the server is ending", hint="Try again.")


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
