"""The server's composition: a repository, the doors that it is served through, and the processes that do it.

What the server is made of is an extra that may be missing, and slow to import: it is imported when it is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from stemma.app import RepositoryFolder
from stemma.errors import UnsupportedError
from stemma.settings import share_with_processes

if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812  # a class

    from stemma.http.process.service import Service


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve: where, under which origins, under whose name while nobody has a role, and what to log.

    `figures` is the folder in which several processes of one server count.
    """

    host: str
    port: int
    origins: tuple[str, ...]
    owner: str
    log_level: str
    log_requests: bool
    workers: int = 1
    figures: str | None = None


def open_service(folder: RepositoryFolder, serving: Serving) -> "Service":
    """Return what serves a repository over HTTP; it closes the folder at its end.

    While nobody has a role, whoever reaches it is the folder's owner; so it must be loopback.
    """
    from stemma.http.process.service import Address, Service
    from stemma.http.running import LOOK_UPS, Runner
    from stemma.http.watching.requestlog import standard_lines
    from stemma.wire.native.door import open_native

    access, system = folder.access, folder.system
    address = Address(serving.host, serving.port, serving.origins)
    is_open = system.executor.read(access.is_open)
    address.check(is_open=is_open)
    owner = folder.owner(serving.owner) if is_open else None
    on_loop = LOOK_UPS if folder.is_near else frozenset()
    runner = Runner(system, lambda tx, token: access.authenticate(tx, token, owner=owner), on_loop)
    lines = standard_lines(serving.log_level, requests=serving.log_requests)
    native = open_native()

    def close() -> None:
        native.stop()
        folder.close()

    return Service(runner, (native,), lines, close, address, is_open=is_open, folder=serving.figures)


def serve(opening: Callable[[], RepositoryFolder], serving: Serving, announce: Callable[[str], None]) -> None:
    """Serve a repository over HTTP until a signal says to end; `announce` is told the URL once it answers.

    With several workers, `opening` is sent to other processes. UnsupportedError where what the server is made of is
    not installed.
    """
    try:
        from stemma.http.process.workers import Workers
    except ModuleNotFoundError as error:
        raise UnsupportedError(
            f"the server needs {error.name!r}, which is not installed", hint="pip install 'stemma-ml[server]'"
        ) from error

    folder = opening()
    try:
        service = open_service(folder, serving)
        listener = service.address.listen()
    except BaseException:
        folder.close()
        raise
    url = service.address.url(listener)
    if serving.workers == 1:
        _serve(service, listener, lambda: announce(url))
        return
    folder.close()
    workers = Workers(serving.workers, listener, service.lines)
    share_with_processes("PROMETHEUS_MULTIPROC_DIR", workers.folder)
    workers.run(partial(_work, opening, replace(serving, figures=workers.folder)), lambda: announce(url))


def _work(
    opening: Callable[[], RepositoryFolder], serving: Serving, listener: "Socket", started: Callable[[], None]
) -> None:
    """Serve in a process of several."""
    _serve(open_service(opening(), serving), listener, started)


def _serve(service: "Service", listener: "Socket", started: Callable[[], None]) -> None:
    from stemma.jobs import start

    service = replace(service, start_jobs=partial(start, service.runner.system))
    service.server(listener, started).serve_until_told()
