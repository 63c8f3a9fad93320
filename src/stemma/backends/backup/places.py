"""The databases that a backup can come back on."""

from dataclasses import dataclass
from pathlib import Path

from stemma.backends.database.dialect import Connection
from stemma.backends.database.sqlite import SqliteFile


@dataclass(frozen=True, slots=True)
class NewFile:
    """A SQLite file beside the rest of the repository; whoever drops the folder drops it."""

    path: Path

    def create(self, identity: str) -> None:
        """Make every table."""
        SqliteFile(self.path).create(identity)

    def open_writer(self) -> Connection:
        """Return a connection that may write."""
        return SqliteFile(self.path).open_writer()

    def begin(self, connection: Connection, logs: frozenset[str]) -> None:
        """Begin a transaction."""
        SqliteFile(self.path).begin(connection, logs)

    def settle(self, connection: Connection) -> None:
        """Do nothing: numbers go on from the greatest."""

    def drop(self) -> None:
        """Do nothing: the folder is deleted whole."""
