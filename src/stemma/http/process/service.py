"""The service: one process that serves a system at an address, from its first request to its orderly end."""

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stemma.errors import ForbiddenError, InvalidError, StemmaError, UnavailableError
from stemma.http.application import Application
from stemma.http.origins import Origins, is_loopback
from stemma.http.process.clockwork import Chore, Clockwork
from stemma.http.process.server import Server, listen
from stemma.http.routes import Door
from stemma.http.running import Runner
from stemma.http.watching.figures import Figures
from stemma.http.watching.health import open_health
from stemma.http.watching.requestlog import Lines, take_in_libraries

SIGN_SECONDS = 1.0
_MEASURE_SECONDS = 5.0
_STOP_SECONDS = 5.0
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and under which origins others know it. Port 0 takes one that is free."""

    host: str = "127.0.0.1"
    port: int = 0
    origins: Sequence[str] = ()

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return is_loopback(self.host)

    def check(self, *, is_open: bool) -> None:
        """Raise ForbiddenError where strangers could reach a repository that asks for no token."""
        if is_open and not self.is_local:
            raise ForbiddenError(
                f"nobody has a role in this repository, so on {self.host!r} everybody would be its owner",
                hint="Add an admin first: 'stemma user add NAME --role admin'; or listen on 127.0.0.1.",
            )

    def listen(self) -> socket.socket:
        """Return the listening socket; what is in the way is an InvalidError or an UnavailableError."""
        if not 0 <= self.port <= _LAST_PORT:
            raise InvalidError(f"there is no port {self.port}", hint=f"Ports are 0 to {_LAST_PORT}.")
        try:
            return listen(self.host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise InvalidError(f"{self.host!r} is no address of this machine", hint="Try 127.0.0.1.") from error
        except OSError as error:
            raise self._in_the_way(error) from error

    def _in_the_way(self, error: OSError) -> StemmaError:
        where = f"{self.host}:{self.port}"
        if error.errno == errno.EADDRINUSE:
            return UnavailableError(
                f"something else listens on {where}", hint="Give another --port; --port 0 takes one that is free."
            )
        if error.errno == errno.EACCES:
            return UnavailableError(f"this account may not listen on {where}", hint="Give a --port above 1023.")
        if error.errno == errno.EADDRNOTAVAIL:
            return InvalidError(f"{self.host!r} is no address of this machine", hint="Try 127.0.0.1 or 0.0.0.0.")
        return UnavailableError(f"cannot listen on {where}: {error.strerror}")

    def url(self, listener: socket.socket) -> str:
        """Return what to type into a client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  # it is not bound here
        return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


@dataclass(frozen=True, slots=True)
class Service:
    """What one process serves. `close` lets go of the system at the very end.

    `start_jobs` begins what the clock calls, and returns what stops it.

    `is_open` says that nobody has a role, so that whoever reaches it is the owner. `folder` is where several processes
    of one server count together.
    """

    runner: Runner
    doors: Sequence[Door]
    lines: Lines
    close: Callable[[], None]
    address: Address
    is_open: bool
    start_jobs: Callable[[], Callable[[], None]] | None = None
    folder: str | None = None
    figures: Figures = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", Figures(self.lines, self.folder))

    def application(self) -> Application:
        """Return the ASGI application; TypeError where a route lacks its permission."""
        address = self.address
        any_host = not address.origins and not address.is_local and not self.is_open
        origins = Origins.of(address.origins, any_host=any_host)
        doors = (*self.doors, open_health(self.figures.text))
        return Application(self.runner, doors, origins, self.figures)

    def server(self, listener: socket.socket, started: Callable[[], None]) -> Server:
        """Return what serves at `listener` until it is told to end; then it signs what was entered, and closes."""
        runner = self.runner
        take_in_libraries(self.lines)
        runner.on_batch.append(self.figures.batch)
        chores = (
            Chore("sign", SIGN_SECONDS, runner.sign),
            Chore("measure", _MEASURE_SECONDS, self.figures.measure),
        )
        clockwork = Clockwork(chores, self.lines)
        stops: list[Callable[[], None]] = []

        def begin() -> None:
            clockwork.start()
            if self.start_jobs is not None:
                stops.append(self.start_jobs())
            started()

        def end() -> None:
            for stop in (*stops, *(door.stop for door in self.doors)):
                stop()
            clockwork.stop(_STOP_SECONDS)
            runner.close()
            try:
                runner.system.sign()
            finally:
                self.close()

        return Server(self.application(), [listener], runner.limits, begin, end)
