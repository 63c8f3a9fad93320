"""Models, their immutable versions, and the names by which people find them."""

from stemma.registry.annotations import EvidenceLog, Findings, Labels, Measured, Subject
from stemma.registry.gate import AliasMove, Gate, GateDecision, ProtectedNames
from stemma.registry.numbering import MAIN, Numbering
from stemma.registry.pointers import ANYTHING, Aliases, Branches, Expected, Line, Moved, Pointed
from stemma.registry.records.evidence import Evidence, Measurement
from stemma.registry.records.message import Message
from stemma.registry.records.parameters import Parameter
from stemma.registry.records.version import DatasetRole, DatasetUse, External, Parent, ParentKind, Version
from stemma.registry.registry import Registry
from stemma.registry.store import (
    Alias,
    Branch,
    EvidenceEntry,
    Label,
    Model,
    Move,
    Namespace,
    Registration,
    RegistryStore,
    RegistryTransaction,
)
from stemma.registry.versions import Account, Registered, Submission, Versions

__all__ = [
    "ANYTHING",
    "MAIN",
    "Account",
    "Alias",
    "AliasMove",
    "Aliases",
    "Branch",
    "Branches",
    "DatasetRole",
    "DatasetUse",
    "Evidence",
    "EvidenceEntry",
    "EvidenceLog",
    "Expected",
    "External",
    "Findings",
    "Gate",
    "GateDecision",
    "Label",
    "Labels",
    "Line",
    "Measured",
    "Measurement",
    "Message",
    "Model",
    "Move",
    "Moved",
    "Namespace",
    "Numbering",
    "Parameter",
    "Parent",
    "ParentKind",
    "Pointed",
    "ProtectedNames",
    "Registered",
    "Registration",
    "Registry",
    "RegistryStore",
    "RegistryTransaction",
    "Subject",
    "Submission",
    "Version",
    "Versions",
]
