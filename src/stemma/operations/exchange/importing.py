"""Operations that take single versions out of a log from which this repository's own has parted."""

from stemma.access import Caller, Permission, require
from stemma.errors import ConflictError, InvalidError
from stemma.names import SYSTEM_NAMESPACE, ModelName, check_name
from stemma.operations.exchange.receiving import introduce, read_brought, read_hash, store_files
from stemma.operations.exchange.values import BindNumber, Imported, ImportEvidence, ImportVersion
from stemma.operations.operation import Operation, Subjects, Transaction, of_model
from stemma.operations.views import Done
from stemma.records import Digest
from stemma.registry.exchange.brought import manifests
from stemma.registry.exchange.importing import Proven, bind_number, import_evidence, import_version
from stemma.registry.exchange.origin import Origin, is_trusted
from stemma.registry.records.evidence import Evidence
from stemma.semver import SemanticVersion


def _import(subjects: Subjects, tx: Transaction, caller: Caller, asked: ImportVersion) -> Imported:
    """Take over a version from a log that has parted from the one here."""
    name = check_name(asked.namespace, "namespace")
    require(tx, caller, Permission.REGISTER, name)
    origin = Origin.verify(name, asked.note, asked.keys)
    if origin.repository == subjects.ledger.name:
        raise InvalidError("it comes from the repository that it is in", hint="Name two different repositories.")
    path = [read_hash(each) for each in asked.path]
    proven = Proven.verify(origin, asked.entry.encode("utf-8", "replace"), path)
    brought = read_brought(asked.records, asked.texts)
    named = [digest for _, digest in manifests([proven.entry], brought)]
    store_files(subjects, tx, caller, name, given=asked.manifests, named=named)
    version, created = import_version(tx, caller, proven, brought, asked.branch)
    if created and is_trusted(tx, origin):
        introduce(tx, caller, asked.people, [asked.entry], origin)
    return Imported(reference=version.reference, digest=version.digest, changed=created)


def _bind(subjects: Subjects, tx: Transaction, caller: Caller, asked: BindNumber) -> Done:
    """Bind a number to a version, as another repository did."""
    del subjects
    model, digest = ModelName.parse(asked.model), Digest.parse(asked.version)
    number = SemanticVersion.parse(asked.number)
    return Done(changed=bind_number(tx, caller, model, digest, number))


def _evidence(subjects: Subjects, tx: Transaction, caller: Caller, asked: ImportEvidence) -> Done:
    """Add evidence about a version, as another repository has it."""
    del subjects
    model = ModelName.parse(asked.model)
    require(tx, caller, Permission.DESCRIBE, model.namespace)
    brought = read_brought([asked.record], asked.texts)
    evidence = Evidence.decode(asked.record.encode("utf-8", "replace"), place="evidence record")
    if evidence.version != Digest.parse(asked.version):
        raise ConflictError("this evidence is about another version", place=asked.version)
    return Done(changed=import_evidence(tx, caller, model, evidence, brought))


class _Importing(Operation[ImportVersion, Imported]):
    """Appends to the namespace's log, and to `_system` where it introduces people."""

    def logs(self, asked: ImportVersion) -> frozenset[str]:
        """Return both."""
        return frozenset({asked.namespace, SYSTEM_NAMESPACE})


IMPORT = _Importing(
    "exchange.import", ImportVersion, Imported, Permission.REGISTER, "POST", "/exchange/versions", _import,
    lambda asked: asked.namespace, receives=True,
)  # fmt: skip
BIND = Operation(
    "exchange.number",
    BindNumber,
    Done,
    Permission.REGISTER,
    "POST",
    "/exchange/numbers",
    _bind,
    of_model,
    receives=True,
)
EVIDENCE = Operation(
    "exchange.evidence",
    ImportEvidence,
    Done,
    Permission.DESCRIBE,
    "POST",
    "/exchange/evidence",
    _evidence,
    of_model,
    receives=True,
)
