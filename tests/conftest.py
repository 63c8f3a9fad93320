"""What every test stands on: a home of its own, no network beyond this machine, hypothesis without a clock."""

import os
import sys
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import settings

from tests.databases import KINDS, SHARED, turn
from tests.postgresql import Databases, prepare_template, running

settings.register_profile("stemma", parent=settings.default, deadline=None)  # a busy machine is no failure
settings.load_profile("stemma")

_open_network = False


def _is_local(host: str) -> bool:
    """Whether `host` is this machine; a name that would have to be looked up elsewhere is not."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"", "localhost"}


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _open_network or event not in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
        return
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    host = address[0] if isinstance(address, tuple) else address
    if event != "socket.getaddrinfo" and not isinstance(address, tuple):
        return  # a Unix socket
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if isinstance(host, str) and not _is_local(host):
        message = f"a test reached for {host!r}: only tests marked 'client' may"
        raise RuntimeError(message)


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Open the network for tests marked `client`, and for them only."""
    global _open_network  # noqa: PLW0603  # audit hooks cannot be removed, so the hook asks here
    _open_network = request.node.get_closest_marker("client") is not None
    yield
    _open_network = False


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's own configuration, keys and settings from the tests and from what they start."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in list(os.environ):  # noqa: TID251  # hidden here so that nobody else needs to look
            if name.startswith(("STEMMA_", "XDG_")):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Databases]:
    """Run a PostgreSQL server for all tests of this process."""
    with running() as server:
        yield prepare_template(server)


@pytest.fixture(scope="session")
def shared_postgresql(postgresql: Databases) -> list[str]:
    """Return the URLs of databases in which no test commits."""
    return [postgresql.new() for _ in range(SHARED)]


@pytest.fixture(params=KINDS)
def each_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test once on each kind of database."""

    def databases() -> Databases:
        found: Databases = request.getfixturevalue("postgresql")
        return found

    def shared() -> list[str]:
        found: list[str] = request.getfixturevalue("shared_postgresql")
        return found

    with turn(request.param, databases, shared):
        yield
