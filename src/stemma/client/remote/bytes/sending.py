"""Sending: packs as they are closed, several at once, each portion at the offset where the server has ended.

What fails in a way that may pass is tried again; where the server has another number of bytes than was thought, it is
asked, and the sending goes on from there.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from stemma.artifacts.uploads.writing import WrittenPack
from stemma.client.calls import Run
from stemma.client.remote.bytes.sessions import Session
from stemma.client.remote.transport import Transport
from stemma.errors import ConflictError, CorruptError
from stemma.operations.files.uploads import SHOW, OfUpload

PORTION = 4 << 20
AT_ONCE = 4
_MISSES = 5
BINARY = "application/octet-stream"


@dataclass(slots=True)
class Sender:
    """Sends the packs of one session; `take` waits while too many are under way, so that the disk is not filled."""

    transport: Transport
    run: Run
    session: Session
    sent: int = 0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "stemma-send"))
    _room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE + 1))
    _stopped: threading.Event = field(default_factory=threading.Event)
    _futures: list["Future[None]"] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def take(self, pack: WrittenPack) -> None:
        """Send a pack in the background; raise what went wrong with one before."""
        self._room.acquire()
        self._raise()
        self._futures.append(self._pool.submit(self._send, pack))

    def finish(self) -> None:
        """Wait until all packs are there."""
        for future in self._futures:
            future.result()

    def _raise(self) -> None:
        for future in self._futures:
            if future.done():
                future.result()

    def _send(self, pack: WrittenPack) -> None:
        try:
            self._send_rest(pack)
        finally:
            pack.draft.close()
            self._room.release()

    def _send_rest(self, pack: WrittenPack) -> None:
        there = self.session.arrived.get(pack.id, 0)
        misses = 0
        while there < pack.size and not self._stopped.is_set():
            portion = pack.draft.read(there, min(PORTION, pack.size - there))
            try:
                self.transport.ask(
                    "PUT",
                    f"/uploads/{self.session.id}/packs/{pack.id}",
                    query=(("offset", str(there)),),
                    body=portion,
                    headers={"Content-Type": BINARY},
                )
            except ConflictError:
                misses += 1
                if misses > _MISSES:
                    raise
                there = self._ask(pack)
            else:
                there += len(portion)
                with self._lock:
                    self.sent += len(portion)
        if there > pack.size:
            raise CorruptError(f"the server has {there} bytes of a pack of {pack.size}", place=f"pack {pack.id}")

    def _ask(self, pack: WrittenPack) -> int:
        """Return how many bytes of a pack are there."""
        found = self.run(SHOW, OfUpload(upload=self.session.id))
        return next((each.size for each in found.packs if each.pack == pack.id), 0)
