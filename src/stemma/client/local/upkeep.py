"""Upkeep of a repository in a folder: what only its owner can ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemma.artifacts.verification import Report
from stemma.client.files.transfer import told
from stemma.client.progress import Progress
from stemma.upkeep import Report as JobReport

if TYPE_CHECKING:
    from stemma.app import Finding, Made, Migrated, Rebuilt, RepositoryFolder


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The folder of a repository."""

    folder: "RepositoryFolder"

    @property
    def root(self) -> Path:
        """The folder that holds `.stemma`."""
        return self.folder.root

    def check(self) -> "tuple[Finding, ...]":
        """Return what is wrong with the database, nothing where all is well; only reads."""
        return self.folder.check()

    def migrate(self) -> "Migrated":
        """Bring the database to the level of this release, after a backup."""
        return self.folder.migrate()

    def rebuild(self, *, repair: bool) -> "Rebuilt":
        """Make names, numbers and edges again from the log and compare; with `repair` replace what differs."""
        return self.folder.rebuild(repair=repair)

    def verify(self, *, deep: bool, progress: Progress) -> Report:
        """Check the whole store; `deep` reads every byte."""
        artifacts = self.folder.system.subjects.artifacts
        with told(progress, "Verifying", None):
            return self.folder.system.executor.read(
                lambda tx: artifacts.verify(tx, deep=deep, progress=progress.advance)
            )

    def back_up(self, target: Path, *, keys: bool, link: bool, progress: Progress) -> "Made":
        """Bring the backup in `target` up to this repository."""
        with told(progress, "Backing up", None):
            return self.folder.back_up(target, keys=keys, link=link, progress=progress.advance)

    def run_jobs(self, names: Sequence[str]) -> Sequence[JobReport]:
        """Do jobs of the clock once, all where none is named."""
        from stemma.jobs import run

        return run(self.folder.system, names)
