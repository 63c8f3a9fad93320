"""What a repository is made of while it is restored: enough to project every entry, and to check what comes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from stemma.access import Access
from stemma.artifacts.artifacts import Artifacts
from stemma.backends.blobs.local import LocalPackStore
from stemma.backends.database.maintenance.rebuild import Projector
from stemma.backends.database.transaction import Transaction
from stemma.backends.signers.keyfile import load_keys
from stemma.errors import CorruptError
from stemma.ledger import Entry
from stemma.ledger.evidence.note import PublicKey
from stemma.ledger.ledger import Ledger
from stemma.registry import ProtectedNames, Registry
from stemma.webhooks.webhooks import project

_PURPOSE = "log"


def _project_webhooks(tx: Transaction, entry: Entry) -> None:
    project(tx.webhooks, entry)


@dataclass(frozen=True, slots=True)
class FolderContents:
    """The repository in `folder`, which is not in its place yet; `keys` sign its logs."""

    ledger: Ledger
    artifacts: Artifacts
    keys: tuple[PublicKey, ...]
    projectors: Sequence[Projector] = field(
        default_factory=lambda: (Access().project, Registry(ProtectedNames()).project, _project_webhooks)
    )

    @classmethod
    def open(cls, folder: Path, identity: str, passphrase: str | None) -> Self:
        """Read the keys in `folder`; UnauthenticatedError where they are encrypted and the passphrase is not theirs."""
        keys = tuple(
            signer.public_key
            for signer in load_keys(folder / "keys", _PURPOSE, passphrase.encode() if passphrase else None)
        )
        return cls(Ledger(identity, lambda: keys), Artifacts(LocalPackStore(folder)), keys)

    def fill(self, tx: Transaction, /) -> None:
        """Enter every pack in the index."""
        damages = self.artifacts.adopt(tx)
        if damages:
            raise CorruptError(damages[0].what, place=damages[0].place)

    def check(self, tx: Transaction, /) -> None:
        """Recompute every log, its checkpoints under the keys, and look at every pack's frame."""
        for namespace in tx.ledger.namespaces():
            self.ledger.verify(tx, namespace, self.keys)
        report = self.artifacts.verify(tx, deep=False)
        if report.damages:
            raise CorruptError(report.damages[0].what, place=report.damages[0].place)
