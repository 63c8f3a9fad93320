"""The service: one process that serves a system at an address, from its first request to its orderly end."""

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stemma.errors import ForbiddenError, InvalidError, StemmaError, UnavailableError
from stemma.http.application import Application
from stemma.http.clockwork import Chore, Clockwork, Job
from stemma.http.health import HealthDoor
from stemma.http.origins import Origins, is_loopback
from stemma.http.requestlog import Lines
from stemma.http.routes import Door
from stemma.http.running import Limits, Runner
from stemma.http.server import listen, run_server

_SIGN_SECONDS = 1.0
_STOP_SECONDS = 5.0
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and under which origins others know it. Port 0 takes one that is free."""

    host: str = "127.0.0.1"
    port: int = 8470
    origins: Sequence[str] = ()

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return is_loopback(self.host)

    def check(self, *, is_open: bool) -> None:
        """Raise ForbiddenError where strangers could reach a repository that asks for no token."""
        if is_open and not self.is_local:
            raise ForbiddenError(
                f"nobody has a role in this repository, so {self.host} would let everybody in",
                hint="Add an admin first: 'stemma user add NAME --role admin'; or listen on 127.0.0.1.",
            )

    def listen(self) -> socket.socket:
        """Return the listening socket; what is in the way is an InvalidError or an UnavailableError."""
        if not 0 <= self.port <= _LAST_PORT:
            raise InvalidError(f"there is no port {self.port}", hint=f"Ports are 0 to {_LAST_PORT}.")
        try:
            return listen(self.host, self.port)
        except socket.gaierror as error:
            raise InvalidError(f"{self.host!r} is no address of this machine: {error.strerror}") from error
        except OSError as error:
            raise self._in_the_way(error) from error

    def _in_the_way(self, error: OSError) -> StemmaError:
        where = f"{self.host}:{self.port}"
        match error.errno:
            case errno.EADDRINUSE:
                return UnavailableError(
                    f"something else listens on {where}", hint="Give another --port; --port 0 takes one that is free."
                )
            case errno.EACCES:
                return UnavailableError(f"this account may not listen on {where}", hint="Give a --port above 1023.")
            case errno.EADDRNOTAVAIL:
                return InvalidError(f"{self.host!r} is no address of this machine", hint="Try 127.0.0.1 or 0.0.0.0.")
            case _:
                return UnavailableError(f"cannot listen on {where}: {error.strerror}")

    def url(self, port: int) -> str:
        """Return what to type into a client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104  # it is not bound here
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{port}"


@dataclass(frozen=True, slots=True)
class Service:
    """What one process serves. `jobs` are done by the clock; `close` lets go of the system at the very end."""

    runner: Runner
    doors: Sequence[Door]
    lines: Lines
    close: Callable[[], None]
    jobs: Sequence[Job] = ()
    limits: Limits = field(default_factory=Limits)

    def application(self, address: Address, *, is_open: bool) -> Application:
        """Return the ASGI application; TypeError where a route lacks its permission."""
        any_host = not address.origins and not address.is_local and not is_open
        origins = Origins.of(address.origins, any_host=any_host)
        return Application(self.runner, (*self.doors, HealthDoor()), origins, self.lines)

    def run(self, listener: socket.socket, address: Address, started: Callable[[], None], *, is_open: bool) -> None:
        """Serve until a signal says to end; then sign what was entered, and close."""
        application = self.application(address, is_open=is_open)
        sign = Chore("sign", _SIGN_SECONDS, self.runner.sign)
        clockwork = Clockwork((sign, *self.jobs), self.lines)

        def closing() -> None:
            clockwork.stop(_STOP_SECONDS)
            self.runner.close()
            try:
                self.runner.system.sign()
            finally:
                self.close()

        def begin() -> None:
            clockwork.start()
            started()

        run_server(application, [listener], self.limits, started=begin, closing=closing)
