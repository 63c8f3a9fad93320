"""What the registry keeps and what it asks of its store.

Rows follow from ledger entries and records. Every `find` returns None for what does not exist; every page is read by
key, in its docstring's order, with at most `limit` rows. Stores check only what would lose an update.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from stemma.access import AccessTransaction
from stemma.artifacts.ports import ArtifactTransaction
from stemma.ledger import LedgerTransaction
from stemma.lineage import LineageTransaction
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry.records.evidence import Measurement
from stemma.semver import SemanticVersion

MoveKind: TypeAlias = Literal["set", "back", "delete"]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A set of models with one ledger; `time` is when it was created."""

    name: str
    time: int


@dataclass(frozen=True, slots=True)
class Model:
    """A named line of versions; `last` is the highest sequence number given, 0 where there is none.

    One that is arriving stands in a log that is on its way here from another repository.
    """

    name: ModelName
    time: int
    actor: str
    last: int = 0
    title: str | None = None
    title_text: Digest | None = None
    description: Digest | None = None
    is_arriving: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """A version under a model: what its record does not say, and its manifest, which nearly everybody asks for.

    `time`, `actor` and `position` are those of its entry; `withdrawn` is when it was withdrawn, `reason` the
    commitment to why; `tainted` says that an ancestor of it was withdrawn.
    """

    model: ModelName
    sequence: int
    digest: Digest
    manifest: Digest
    branch: str
    time: int
    actor: str
    position: int
    release: SemanticVersion | None = None
    prerelease: SemanticVersion | None = None
    withdrawn: int | None = None
    reason: Digest | None = None
    tainted: bool = False

    @property
    def number(self) -> SemanticVersion | None:
        """The number to print: the release, else the pre-release, else none yet."""
        return self.release or self.prerelease

    @property
    def reference(self) -> str:
        """What names this version for ever, as short as it goes."""
        return f"{self.model}@{self.number or f'v{self.sequence}'}"

    def __str__(self) -> str:
        return f"{self.number} (v{self.sequence})" if self.number else f"v{self.sequence}"


@dataclass(frozen=True, slots=True)
class Branch:
    """A line: `start` is the sequence it was made from (None for the first line), `head` its newest version."""

    model: ModelName
    name: str
    head: int
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that people move; `top` is the position of the entry whose version it holds now."""

    model: ModelName
    name: str
    sequence: int
    digest: Digest
    top: int


@dataclass(frozen=True, slots=True)
class Move:
    """One move of an alias, for ever.

    `before` and `after` are sequence numbers, None for nothing. `below` is the position of the move to whose version
    `back` would go from here; following it yields a stack.
    """

    model: ModelName
    alias: str
    position: int
    time: int
    actor: str
    kind: MoveKind
    before: int | None
    after: int | None
    below: int | None
    reason: Digest | None = None
    override: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """`key=value` on a version, or on the model where `sequence` is 0; a redacted value is None."""

    model: ModelName
    sequence: int
    key: str
    value: str | None
    text: Digest


@dataclass(frozen=True, slots=True)
class EvidenceEntry:
    """A record that says something about a version, and where the ledger has it."""

    model: ModelName
    sequence: int
    digest: Digest
    kind: str
    time: int
    actor: str
    position: int
    dataset: Digest | None = None
    statement: Digest | None = None


class NamespaceStore(Protocol):
    """Namespaces, by name."""

    def add(self, namespace: Namespace) -> None:
        """Add a namespace; an AlreadyExistsError if there is one of that name."""

    def find(self, name: str) -> Namespace | None:
        """Return a namespace."""

    def extent(self, name: str) -> tuple[int, int]:
        """Return how many versions a namespace has, and how many bytes they hold."""

    def page(self, after: str, limit: int) -> Sequence[Namespace]:
        """Return namespaces whose names follow `after`, by name."""


class ModelStore(Protocol):
    """Models, by name."""

    def add(self, model: Model) -> None:
        """Add a model; an AlreadyExistsError if there is one of that name."""

    def find(self, name: ModelName) -> Model | None:
        """Return a model."""

    def titled(self, namespace: str, key: bytes) -> ModelName | None:
        """Return the model whose title has this key."""

    def entitle(self, name: ModelName, title: str | None, key: bytes | None, text: Digest | None) -> None:
        """Give the model another title, or none."""

    def describe(self, name: ModelName, text: Digest | None) -> None:
        """Give the model another description, or none."""

    def page(self, namespace: str, after: str, limit: int) -> Sequence[Model]:
        """Return models whose names follow `after`, by name."""


class VersionStore(Protocol):
    """The versions under each model, by sequence number and by digest."""

    def add(self, version: Registration) -> None:
        """Add a version and make it the model's last; an AlreadyExistsError if its sequence or digest is there."""

    def find(self, model: ModelName, sequence: int) -> Registration | None:
        """Return the version with this sequence number."""

    def between(self, model: ModelName, low: Digest, high: Digest, limit: int) -> Sequence[Registration]:
        """Return versions whose digests lie from `low` to `high`, both included, by digest."""

    def page(self, model: ModelName, before: int, limit: int, branch: str | None = None) -> Sequence[Registration]:
        """Return versions with sequence numbers under `before`, newest first; on one branch if given."""

    def pointed(self, model: ModelName, alias: str) -> Registration | None:
        """Return the version that an alias holds; None also where the namespace has not arrived yet."""

    def newest(self, model: ModelName, branch: str) -> Registration | None:
        """Return the newest version of a branch that is not withdrawn."""

    def withdraw(self, model: ModelName, sequence: int, time: int, reason: Digest | None) -> None:
        """Mark a version as withdrawn."""

    def holders(self, digest: Digest) -> Sequence[ModelName]:
        """Return the models, at most a hundred, under which a version is registered."""


class TaintStore(Protocol):
    """Which versions descend from a withdrawn one, by digest and wherever they are registered."""

    def mark(self, digests: Sequence[Digest]) -> None:
        """Mark those of these that are registered under any model; marking one again changes nothing."""

    def reach(self, digests: Sequence[Digest]) -> bool:
        """Return whether any of these is marked or is withdrawn under any model."""

    def withdrawn(self, digests: Sequence[Digest]) -> frozenset[Digest]:
        """Return which of these are withdrawn under any model."""


class NumberStore(Protocol):
    """Semantic numbers, each bound once under a model."""

    def bind(self, model: ModelName, number: SemanticVersion, sequence: int) -> None:
        """Bind a number; an AlreadyExistsError if it is bound, whatever its build metadata."""

    def find(self, model: ModelName, number: SemanticVersion) -> Registration | None:
        """Return the version that has this number, build metadata ignored."""

    def between(
        self, model: ModelName, low: bytes, high: bytes, limit: int, *, withdrawn: bool
    ) -> Sequence[tuple[SemanticVersion, int]]:
        """Return numbers and sequences with order keys from `low` up to and without `high`, greatest first.

        Those of withdrawn versions only with `withdrawn`.
        """

    def highest(self, model: ModelName, branch: str) -> SemanticVersion | None:
        """Return the highest release number on a branch, withdrawn or not."""


class BranchStore(Protocol):
    """Branches, by model and name."""

    def add(self, branch: Branch) -> None:
        """Add a branch; an AlreadyExistsError if there is one of that name."""

    def find(self, model: ModelName, name: str) -> Branch | None:
        """Return a branch."""

    def every(self, model: ModelName) -> Sequence[Branch]:
        """Return all branches of a model, by name."""

    def advance(self, model: ModelName, name: str, head: int) -> bool:
        """Move the head; return whether there is such a branch."""


class AliasStore(Protocol):
    """Aliases and which names are protected, by model and name."""

    def find(self, model: ModelName, name: str) -> Alias | None:
        """Return an alias."""

    def every(self, model: ModelName) -> Sequence[Alias]:
        """Return all aliases of a model, by name."""

    def holding(self, model: ModelName, sequence: int) -> Sequence[str]:
        """Return the aliases that point at a version."""

    def put(self, alias: Alias, before: Digest | None) -> None:
        """Move or (with `before` None) create an alias; a ConflictError if it did not hold `before`."""

    def remove(self, model: ModelName, name: str, before: Digest) -> None:
        """Delete an alias; a ConflictError if it did not hold `before`."""

    def protect(self, model: ModelName, name: str) -> None:
        """Protect a name, whether an alias has it or not."""

    def unprotect(self, model: ModelName, name: str) -> None:
        """Protect a name no longer."""

    def protected(self, model: ModelName) -> Sequence[str]:
        """Return the protected names of a model, in order."""


class MoveStore(Protocol):
    """Every move of every alias."""

    def add(self, move: Move) -> None:
        """Append a move."""

    def find(self, model: ModelName, alias: str, position: int) -> Move | None:
        """Return the move that stands at a position of the ledger."""

    def at(self, model: ModelName, alias: str, time: int) -> Move | None:
        """Return the last move at or before `time`."""

    def page(self, model: ModelName, alias: str, before: int, limit: int) -> Sequence[Move]:
        """Return moves with positions under `before`, newest first."""


class LabelStore(Protocol):
    """Labels of models (sequence 0) and versions."""

    def put(self, label: Label) -> None:
        """Set a label."""

    def remove(self, model: ModelName, sequence: int, key: str) -> None:
        """Delete a label."""

    def of(self, model: ModelName, sequence: int) -> Sequence[Label]:
        """Return all labels of one thing, by key."""

    def models(self, namespace: str, key: str, value: str | None, after: str, limit: int) -> Sequence[str]:
        """Return names of models that follow `after` and carry a label, with this value if one is given, by name."""

    def versions(
        self, model: ModelName, key: str, value: str | None, before: int, limit: int
    ) -> Sequence[Registration]:
        """Return versions under `before` that carry a label, with this value if one is given, newest first."""


class EvidenceStore(Protocol):
    """Evidence about versions, and the measurements in it."""

    def add(self, entry: EvidenceEntry, measurements: Sequence[Measurement]) -> None:
        """Add evidence; an AlreadyExistsError if the version has this very record."""

    def has(self, model: ModelName, sequence: int, digest: Digest) -> bool:
        """Return whether the version has this record."""

    def page(self, model: ModelName, sequence: int, after: int, limit: int) -> Sequence[EvidenceEntry]:
        """Return evidence about a version with positions over `after`, oldest first."""

    def statements(self, model: ModelName, sequence: int, limit: int) -> Sequence[Digest]:
        """Return commitments to what evidence says in words about a version, oldest first."""

    def measurements(self, model: ModelName, sequence: int, limit: int) -> Sequence[tuple[EvidenceEntry, Measurement]]:
        """Return measurements and the evidence they stand in: newest evidence first, then by name and slice."""


class MessageStore(Protocol):
    """What was written about versions when they were registered, folded for searching."""

    def add(self, model: ModelName, sequence: int, texts: Mapping[Digest, str | None]) -> None:
        """Add folded texts by their commitments."""

    def versions(self, model: ModelName, words: Sequence[str], before: int, limit: int) -> Sequence[Registration]:
        """Return versions under `before` whose texts hold each of the folded `words`, newest first."""


class RedactionStore(Protocol):
    """Copies of detached texts that the projection holds."""

    def redact(self, text: Digest) -> None:
        """Forget every copy of this text."""


@dataclass(frozen=True, slots=True)
class RegistryStore:
    """The registry's stores, all bound to one transaction."""

    namespaces: NamespaceStore
    models: ModelStore
    versions: VersionStore
    taints: TaintStore
    numbers: NumberStore
    branches: BranchStore
    aliases: AliasStore
    moves: MoveStore
    labels: LabelStore
    evidence: EvidenceStore
    messages: MessageStore
    redactions: RedactionStore


class RegistryTransaction(AccessTransaction, LineageTransaction, LedgerTransaction, ArtifactTransaction, Protocol):
    """What the registry asks of a transaction.

    `generation` names the committed state that is read: equal ones that are not None mean that nothing was committed
    in between. It is None in a transaction that may write.
    """

    @property
    def registry(self) -> RegistryStore:
        """The stores of this transaction."""

    @property
    def generation(self) -> object | None:
        """The state that is read, or None where it may change."""
