"""The registry's rows on a database: models, versions, numbers, names, labels, evidence. All are projected."""

from stemma.backends.database.dialect import Connection
from stemma.backends.database.registry.annotations import DatabaseEvidence, DatabaseLabels, DatabaseRedactions
from stemma.backends.database.registry.messages import DatabaseMessages
from stemma.backends.database.registry.models import DatabaseModels, DatabaseNamespaces
from stemma.backends.database.registry.pointers import DatabaseAliases, DatabaseBranches, DatabaseMoves
from stemma.backends.database.registry.versions import DatabaseNumbers, DatabaseTaints, DatabaseVersions
from stemma.registry import RegistryStore


def registry_store(connection: Connection) -> RegistryStore:
    """Return the registry's stores, bound to the transaction that is open on `connection`."""
    return RegistryStore(
        namespaces=DatabaseNamespaces(connection),
        models=DatabaseModels(connection),
        versions=DatabaseVersions(connection),
        taints=DatabaseTaints(connection),
        numbers=DatabaseNumbers(connection),
        branches=DatabaseBranches(connection),
        aliases=DatabaseAliases(connection),
        moves=DatabaseMoves(connection),
        labels=DatabaseLabels(connection),
        evidence=DatabaseEvidence(connection),
        messages=DatabaseMessages(connection),
        redactions=DatabaseRedactions(connection),
    )
