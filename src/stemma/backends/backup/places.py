"""The databases that a backup can come back on."""

from dataclasses import dataclass
from pathlib import Path

from stemma.backends.database.dialect import Connection
from stemma.backends.database.sqlite import SqliteFile


@dataclass(frozen=True, slots=True)
class NewFile:
    """A SQLite file beside the rest of the repository; whoever drops the folder drops it."""

    path: Path

    def begin(self, identity: str) -> Connection:
        """Make the file with every table, and begin a transaction."""
        file = SqliteFile(self.path)
        file.create(identity)
        connection = file.open_writer()
        file.begin(connection)
        return connection

    def settle(self, connection: Connection) -> None:
        """Do nothing: numbers go on from the greatest."""

    def drop(self) -> None:
        """Do nothing: the folder is deleted whole."""
