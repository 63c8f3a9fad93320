"""A real PostgreSQL server for tests: one in each process that runs tests, with fresh databases for those that commit.

It runs from the programs that the system's packages install, in a temporary folder, reached through a socket in that
folder alone. Where there is no PostgreSQL, tests that need it fail: `tests/install_servers.sh` installs it.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from stemma.backends.database.postgresql.server import PostgresqlServer

USER = "stemma"
IDENTITY = "0123456789abcdef0123456789abcdef"
_PATIENCE = 30.0
_PAUSE = 0.01
_NUMBERS = itertools.count(1)
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def programs() -> Path:
    """Return the folder of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    assert on_path is not None, "PostgreSQL is not installed: run tests/install_servers.sh"
    return Path(on_path).resolve().parent


def _account() -> pwd.struct_passwd | None:
    """Return whom the server runs as where root runs the tests, which PostgreSQL refuses; else None."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("there is neither an account 'postgres' nor 'nobody' to run PostgreSQL as")


@dataclass
class Server:
    """A server in a folder of its own; one that is not `durable` is quick, and loses data when the machine fails."""

    folder: Path
    durable: bool = False
    process: subprocess.Popen[bytes] | None = None
    options: dict[str, str] = field(default_factory=dict)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(database), autocommit=True)

    def prepare(self) -> None:
        """Make the server's files."""
        account = _account()
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "100",
            "shared_buffers": "64MB",
            **({} if self.durable else _QUICK),
            **self.options,
        }
        arguments = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in options.items())
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*_as_account("INT"), str(programs() / "postgres"), "-D", str(self.folder / "data"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text()) from error
                time.sleep(_PAUSE)
            else:
                return

    def kill(self) -> None:
        """End every one of its processes at once, as a crash would."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)  # so that it starts no more
        children = self._children()
        for process in (*children, self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(_PATIENCE)
        self.process = None
        deadline = time.monotonic() + _PATIENCE
        while any(map(_lives, children)):  # they hold the shared memory until they are gone
            assert time.monotonic() < deadline
            time.sleep(_PAUSE)

    def _children(self) -> list[int]:
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in text.split()]

    def stop(self) -> None:
        """Stop it and end all connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(_PATIENCE)
            self.process = None

    def create(self, name: str, template: str = "template0") -> str:
        """Create a database and return its URL."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_account("KILL"), str(programs() / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _as_account(signal_at_end: str) -> list[str]:
    """Return what runs a command under the server's account, and ends it should the tests end without stopping it."""
    account = _account()
    command = ["setpriv", "--pdeathsig", signal_at_end]
    if account is not None:
        command += ["--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
    return command


@contextmanager
def running(*, durable: bool = False, **options: str) -> Iterator[Server]:
    """Run a server in a folder of its own, and remove both in the end."""
    folder = Path(tempfile.mkdtemp(prefix="stemma-pg-"))  # short: the path of a socket has at most 107 characters
    server = Server(folder, durable, options=options)
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        try:
            server.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Databases:
    """Makes databases that hold every table and belong to the repository IDENTITY."""

    server: Server
    template: str

    def new(self) -> str:
        """Return the URL of a new one."""
        return self.server.create(f"test_{next(_NUMBERS)}", self.template)

    def empty(self) -> str:
        """Return the URL of one without tables."""
        return self.server.create(f"empty_{next(_NUMBERS)}")


def prepare_template(server: Server) -> Databases:
    PostgresqlServer(server.create("template_stemma")).create(IDENTITY)
    return Databases(server, "template_stemma")
