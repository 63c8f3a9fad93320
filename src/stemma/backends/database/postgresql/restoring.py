"""PostgreSQL as a place that a backup comes back on."""

from dataclasses import dataclass

from stemma.backends.database.dialect import Connection
from stemma.backends.database.postgresql.server import PostgresqlServer


@dataclass(frozen=True, slots=True)
class NewServer:
    """A database of a server, with no repository in it."""

    server: PostgresqlServer

    def create(self, identity: str) -> None:
        """Make every table; AlreadyExistsError where there are some."""
        self.server.create(identity)

    def open_writer(self) -> Connection:
        """Return a connection whose statements take as long as they need."""
        return self.server.open_writer(patient=True)

    def begin(self, connection: Connection, logs: frozenset[str]) -> object:
        """Begin a transaction."""
        return self.server.begin(connection, logs)

    def settle(self, connection: Connection) -> None:
        """Let the positions of new entries follow those that were loaded."""
        connection.script(
            "SELECT setval(pg_get_serial_sequence('entries', 'position'), "
            "coalesce((SELECT max(position) FROM entries), 0) + 1, false)"
        )

    def drop(self) -> None:
        """Drop every table."""
        self.server.drop()
