"""The database of a repository in a folder: checks, migration, rebuilding."""

from typing import TYPE_CHECKING

from stemma.client.calls import Calls

if TYPE_CHECKING:
    from stemma.app import Finding, Migrated, Rebuilt


class Database:
    """Upkeep that only the owner of a folder can ask for; a server's is a matter for who runs it: UnsupportedError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def check(self) -> "tuple[Finding, ...]":
        """Return what is wrong with the database, nothing where all is well; only reads."""
        return self._calls.upkeep("checking the database").check()

    def migrate(self) -> "Migrated":
        """Bring the database to the level of this release, after a backup."""
        return self._calls.upkeep("migrating the database").migrate()

    def rebuild(self, repair: bool = False) -> "Rebuilt":  # noqa: FBT001, FBT002  # reads well at the call
        """Make names, numbers and edges again from the log and compare; with `repair` replace what differs."""
        return self._calls.upkeep("rebuilding the database").rebuild(repair=repair)
