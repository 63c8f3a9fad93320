"""A server in tests: the real one, over a real socket, in a thread of this process."""

import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from stemma.app import open_folder
from stemma.http.process.service import Service
from stemma.http.routes import Door
from stemma.http.running import Limits
from stemma.server import Serving, open_service

PATIENCE = 30.0
QUIET = Serving(host="127.0.0.1", port=0, origins=(), owner="tester", log_level="error", log_requests=False)

_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a port that a server can have again after it ended: none that the system gives to others meanwhile."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with suppress(OSError), closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def serving(
    root: Path, *, port: int = 0, doors: Sequence[Door] = (), owner: str = "tester", limits: Limits | None = None
) -> Iterator[str]:
    """Serve the repository in `root` and give the URL; what was entered is signed at the end."""
    service = open_service(open_folder(root), replace(QUIET, port=port, owner=owner))
    limits = limits or Limits(shutdown=2)
    service = replace(service, doors=(*service.doors, *doors), runner=replace(service.runner, limits=limits))
    with running(service) as url:
        yield url


@contextmanager
def running(service: Service) -> Iterator[str]:
    """Run a service in a thread and give its URL."""
    started = threading.Event()
    listener = service.address.listen()
    server = service.server(listener, started.set)
    thread = threading.Thread(target=server.serve_until_told, name="stemma-served")
    thread.start()
    try:
        assert started.wait(PATIENCE), "the server did not start"
        yield service.address.url(listener)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
        service.close()
        assert not thread.is_alive(), "the server did not end"
