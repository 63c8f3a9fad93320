"""The logs of a repository in a folder, read from its database: every row, hash and checkpoint beside them too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import CorruptError, UnavailableError
from stemma.ledger.audit import LogReport
from stemma.ledger.evidence.export import export
from stemma.ledger.evidence.note import PublicKey
from stemma.ledger.evidence.pins import Pin
from stemma.operations import Transaction
from stemma.system import System


@dataclass(frozen=True, slots=True)
class LocalLogs:
    """Reads the logs of one folder."""

    system: System
    absence: str = "It was removed: restore a backup."

    @property
    def name(self) -> str:
        """What the origins of all logs begin with."""
        return self.system.subjects.ledger.name

    def keys(self) -> tuple[PublicKey, ...]:
        """Return the keys that sign the logs."""
        return tuple(signer.public_key for signer in self.system.signers())

    def namespaces(self) -> Sequence[str]:
        """Return the names of all logs."""
        return self.system.executor.read(lambda tx: tx.ledger.namespaces())

    def verify(self, namespace: str, keys: Sequence[PublicKey], pin: Pin | None) -> LogReport:
        """Recompute one log, which must continue what was pinned."""
        ledger = self.system.subjects.ledger

        def step(tx: Transaction) -> LogReport:
            report = ledger.verify(tx, namespace, keys)
            if pin is None or pin.size == 0:
                return report
            if pin.size > report.size:
                message = f"the log has {report.size} entries where {pin.size} were seen before"
                raise CorruptError(message, place=report.origin, hint="Entries are missing: restore a backup.")
            if ledger.root(tx, namespace, pin.size).root != pin.root:
                message = f"the log does not continue what was seen before at size {pin.size}"
                raise CorruptError(message, place=report.origin, hint="It was rewritten: restore a backup.")
            return report

        return self.system.executor.read(step)

    def export(self, folder: Path) -> None:
        """Sign the ends of all logs, and write them with what their entries mention."""
        self.system.sign()
        signers, identity = self.system.signers(), self.system.subjects.ledger.repository
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = self.system.executor.read(lambda tx: list(export(tx, identity, signers)))
            for name, data in files:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        except OSError as error:
            raise UnavailableError(
                f"cannot be written: {error.strerror}", place=str(error.filename or folder)
            ) from error
