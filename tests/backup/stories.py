"""Repositories with a history to be backed up, and what must hold of one that came back."""

import random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stemma.app import RepositoryFolder, open_folder
from stemma.backends.backup.making import Made, Making, back_up
from stemma.backends.blobs.disk import Disk
from stemma.client import Repository
from stemma.errors import RefusedError
from stemma.settings import REPOSITORY_FOLDER

NOW = 1_790_000_000_000_000


def tell(root: Path, files: Path, *, pushes: int = 3, size: int = 60_000) -> None:
    """Make a repository with versions, moves, labels, a refusal, a webhook, and texts."""
    files.mkdir(exist_ok=True)
    generator = random.Random(17)
    with Repository.init(root) as repository:
        for number in range(pushes):
            (files / "weights.bin").write_bytes(generator.randbytes(size))
            repository.push("bank/loans", files, message=f"Version {number}", metrics={"auc": 0.7 + number / 100})
            repository.aliases.set("bank/loans", "production", "latest", reason=f"Turn {number}")
        repository.push("lab/other", files, message="Elsewhere")
        repository.set_labels("bank/loans", {"team": "risk"})
        repository.aliases.protect("bank/loans", "production", reason="Customers depend on it")
        with suppress(RefusedError):
            repository.aliases.set("bank/loans", "production", "1.0.0")
        repository.webhooks.add("https://hooks.example.com/in", ["alias.*"], namespace="bank")


@dataclass(frozen=True)
class Log:
    """Every entry of a repository, by log."""

    entries: dict[str, tuple[bytes, ...]]

    def continues(self, other: "Log") -> bool:
        return all(self.entries[name][: len(found)] == found for name, found in other.entries.items())


def log_of(root: Path) -> Log:
    folder = open_folder(root)
    try:
        return folder.system.executor.read(
            lambda tx: Log(
                {name: tuple(row.data for row in tx.ledger.rows(name, 0, 1_000_000)) for name in tx.ledger.namespaces()}
            )
        )
    finally:
        folder.close()


def make(folder: RepositoryFolder, target: Path, disk: Disk | None = None, *, keys: bool = True) -> Made:
    """Make a backup by the backend itself."""
    making = Making(folder.root / REPOSITORY_FOLDER, target, keys=keys, disk=disk or Disk())
    return back_up(making, folder.system.executor, folder.system.subjects.ledger.repository, "test", NOW)


def check(root: Path) -> None:
    """Assert that a repository is whole in every respect."""
    with Repository.open(root) as repository:
        assert repository.database.check() == ()
        assert repository.database.rebuild().differences == ()
        assert repository.verify(deep=True).sound
        repository.audit.verify()
