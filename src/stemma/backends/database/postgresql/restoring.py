"""PostgreSQL as a place that a backup comes back on."""

from dataclasses import dataclass

from stemma.backends.database.dialect import Connection
from stemma.backends.database.postgresql.server import PostgresqlServer


@dataclass(frozen=True, slots=True)
class NewServer:
    """A database of a server, with no repository in it."""

    server: PostgresqlServer

    def begin(self, identity: str) -> Connection:
        """Begin a transaction whose statements take as long as they need, and make every table in it."""
        return self.server.begin_new(identity)

    def settle(self, connection: Connection) -> None:
        """Let the positions of new entries follow those that were loaded."""
        connection.script(
            "SELECT setval(pg_get_serial_sequence('entries', 'position'), "
            "coalesce((SELECT max(position) FROM entries), 0) + 1, false)"
        )

    def drop(self) -> None:
        """Drop every table."""
        self.server.drop()
