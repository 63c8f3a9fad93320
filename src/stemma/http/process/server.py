"""The server: uvicorn on uvloop, with time and size limits on connections, and an orderly end.

The first SIGTERM or SIGINT ends it in order: no more connections, requests in flight are answered within
`Limits.shutdown`, then `closing` is called. The second ends it at once.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from stemma.http.process.connection import Bounded, Config
from stemma.http.running import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """Uvicorn's server at `listeners`, told when it answers and what to do at the end."""

    def __init__(
        self,
        application: "ASGIApp",
        listeners: Sequence[socket.socket],
        limits: Limits,
        started: Callable[[], None],
        closing: Callable[[], None],
    ) -> None:
        config = Config(
            limits,
            application,
            loop="uvloop",
            http=Bounded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(limits.idle),
            timeout_graceful_shutdown=int(limits.shutdown),
        )
        super().__init__(config)
        self._listeners = list(listeners)
        self._started = started
        self._closing = closing

    def serve_until_told(self) -> None:
        """Serve until a signal, or `should_exit`, says to end."""
        self.run(self._listeners)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order."""
        await super().shutdown(sockets)
        await asyncio.to_thread(self._closing)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals while it serves, but for those that were ignored before: these are for somebody else."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        taken = [number for number in HANDLED_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self.handle_exit) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order at the first signal, at once at the second: what was acknowledged is durable already."""
        del frame
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; OSError where it is taken or is none of ours."""
    family, kind, protocol, _, address = _resolve(host, port)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


def _resolve(host: str, port: int) -> tuple[Any, ...]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    found.sort(key=lambda each: each[0] != socket.AF_INET)  # `localhost` is 127.0.0.1 first
    return found[0]
