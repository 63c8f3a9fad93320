"""Checks of what the database says against what it cannot know: packs, records by their digests, logs by their keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from stemma.access import local_owner
from stemma.backends.database.maintenance.check import Finding
from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, StemmaError
from stemma.operations import Transaction as AnyTransaction
from stemma.records import Digest
from stemma.registry import Registration
from stemma.system import System

_PAGE = 500
_NOBODY = "x_" + "0" * 32


@dataclass(frozen=True, slots=True)
class ContentChecks:
    """The checks of one repository; each yields what is wrong."""

    system: System

    def packs(self, tx: Transaction) -> Iterator[Finding]:
        """Check that each pack is there, whole in its frame, and listed as its footer says."""
        report = self.system.subjects.artifacts.verify(tx, deep=False)
        for damage in report.damages:
            yield Finding("packs", damage.place, damage.what, "Run 'stemma verify --all' to see what it costs.")

    def records(self, tx: AnyTransaction) -> Iterator[Finding]:
        """Check that each version still has its record, the manifest and bytes that it names, and its evidence."""
        artifacts, registry = self.system.subjects.artifacts, self.system.subjects.registry
        caller = local_owner(_NOBODY)
        for version in _every_version(tx):
            try:
                account = registry.versions.show(tx, caller, version.model, version.digest)
                artifacts.locate(tx, artifacts.manifest(tx, account.version.manifest).digests())
                for digest in _evidence_of(tx, version):
                    data = tx.records.read(digest)
                    if data is None or Digest.of(data) != digest:
                        raise CorruptError(
                            "evidence is missing or is not what its digest says", place=f"record {digest}"
                        )
            except StemmaError as error:
                yield Finding("records", error.place or version.reference, error.message, error.hint)

    def logs(self, tx: Transaction) -> Iterator[Finding]:
        """Recompute each log, and its checkpoints under the keys."""
        keys = [signer.public_key for signer in self.system.signers()]
        for namespace in tx.ledger.namespaces():
            try:
                self.system.subjects.ledger.verify(tx, namespace, keys)
            except CorruptError as error:
                yield Finding("log", error.place, error.message, error.hint or "Run 'stemma audit verify'.")


def _every_version(tx: AnyTransaction) -> Iterator[Registration]:
    """Yield every registered version, model by model."""
    namespace = ""
    while namespaces := tx.registry.namespaces.page(namespace, _PAGE):
        namespace = namespaces[-1].name
        for each in namespaces:
            name = ""
            while models := tx.registry.models.page(each.name, name, _PAGE):
                name = models[-1].name.name
                for model in models:
                    before = model.last + 1
                    while versions := tx.registry.versions.page(model.name, before, _PAGE):
                        before = versions[-1].sequence
                        yield from versions


def _evidence_of(tx: AnyTransaction, version: Registration) -> Iterator[Digest]:
    """Yield the digests of all evidence about a version."""
    after = -1
    while page := tx.registry.evidence.page(version.model, version.sequence, after, _PAGE):
        after = page[-1].position
        yield from (entry.digest for entry in page)
