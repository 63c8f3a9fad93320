"""Workers: several processes that serve one address together, and the one that looks after them.

They share one listening socket. Whichever ends without being told to is started again; when the parent ends, also by
force, they end in order. The first SIGTERM or SIGINT ends all in order, the second at once.
"""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Protocol

from prometheus_client.multiprocess import mark_process_dead

from stemma.errors import UnavailableError
from stemma.http.watching.requestlog import Lines

_AGAIN_SECONDS = 1.0
_READY = b"ready"


class Work(Protocol):
    """What a worker does: serve at `listener` until a signal says to end; can be sent to another process."""

    def __call__(self, listener: socket.socket, started: Callable[[], None], /) -> None:
        """Serve; `started` is called once it answers."""


@dataclass(slots=True)
class Workers:
    """`count` processes that do the same work at one socket, and count in one `folder`."""

    count: int
    listener: socket.socket
    lines: Lines
    folder: str = field(default_factory=lambda: tempfile.mkdtemp(prefix="stemma-figures-"))
    _processes: list[BaseProcess] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(self, work: Work, started: Callable[[], None]) -> None:
        """Do `work` until a signal says to end; UnavailableError where a worker cannot even begin."""
        before = {number: signal.signal(number, self._tell) for number in (signal.SIGTERM, signal.SIGINT)}
        living, life = Pipe(duplex=False)
        try:
            ready = [self._begin(work, living) for _ in range(self.count)]
            for process, answer in zip(self._processes, ready, strict=True):
                self._await(process, answer)
            if not self._ending.is_set():
                started()
            self._look_after(work, living)
        finally:
            if not self._ending.is_set():
                self._ending.set()
                self._forward()
            for process in self._processes:
                process.join()
            life.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _begin(self, work: Work, living: Connection) -> Connection:
        answer, ready = Pipe(duplex=False)
        process = get_context("spawn").Process(
            target=_serve, args=(work, self.listener, ready, living), name="stemma-worker"
        )
        process.start()
        ready.close()
        self._processes.append(process)
        return answer

    def _await(self, process: BaseProcess, answer: Connection) -> None:
        try:
            answer.recv_bytes()
        except EOFError:
            process.join()
            if not self._ending.is_set():
                raise UnavailableError(
                    f"a process of the server ended at its start, with code {process.exitcode}",
                    hint="The log above says why; '--workers 1' needs no other processes.",
                ) from None
        finally:
            answer.close()

    def _look_after(self, work: Work, living: Connection) -> None:
        while not self._ending.is_set():
            wait([process.sentinel for process in self._processes], timeout=1.0)
            for process in [each for each in self._processes if each.exitcode is not None]:
                self._processes.remove(process)
                if process.pid is not None:
                    mark_process_dead(process.pid, self.folder)  # type: ignore[no-untyped-call]  # the library's
                if self._ending.is_set():
                    continue
                self.lines.tell("worker ended", level="warning", process=process.pid, code=process.exitcode)
                time.sleep(_AGAIN_SECONDS)
                if not self._ending.is_set():
                    self._begin(work, living).close()

    def _tell(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._ending.set()
        self._forward()

    def _forward(self) -> None:
        for process in self._processes:
            if process.pid is not None and process.exitcode is None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)


def _serve(work: Work, listener: socket.socket, ready: Connection, living: Connection) -> None:
    """Do the work in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all processes; the parent forwards it
    threading.Thread(target=_end_with_parent, args=(living,), daemon=True).start()

    def started() -> None:
        with suppress(OSError):  # nobody waits for one that replaces another
            ready.send_bytes(_READY)
        ready.close()

    work(listener, started)


def _end_with_parent(living: Connection) -> None:
    """Wait until the parent's end of the pipe is closed, and then end in order."""
    with suppress(EOFError, OSError):
        living.recv_bytes()
    os.kill(os.getpid(), signal.SIGTERM)
