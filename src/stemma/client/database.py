"""The database of a repository in a folder: checks, migration, rebuilding."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemma.app import Finding, Migrated, Rebuilt, RepositoryFolder


class Database:
    """Upkeep that only the owner of a folder can ask for."""

    def __init__(self, folder: "RepositoryFolder") -> None:
        self._folder = folder

    def check(self) -> "tuple[Finding, ...]":
        """Return what is wrong with the database, nothing where all is well; only reads."""
        return self._folder.check()

    def migrate(self) -> "Migrated":
        """Bring the database to the level of this release, after a backup."""
        return self._folder.migrate()

    def rebuild(self, repair: bool = False) -> "Rebuilt":  # noqa: FBT001, FBT002  # reads well at the call
        """Make names, numbers and edges again from the log and compare; with `repair` replace what differs."""
        return self._folder.rebuild(repair=repair)
