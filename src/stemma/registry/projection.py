"""From ledger entries to the registry's rows: what an entry means, used when it is written and when rows are rebuilt.

`project` uses the entry, records, detached texts and what earlier entries projected, and nothing else. Replaying every
log from its start, in any order of the logs, gives the same rows.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from stemma.errors import CorruptError
from stemma.ledger import Entry
from stemma.lineage import Edge, EdgeKind, link, walk
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry.records.evidence import Evidence
from stemma.registry.records.message import fold, title_key
from stemma.registry.records.version import DatasetRole, Version
from stemma.registry.store import (
    Alias,
    Branch,
    EvidenceEntry,
    Label,
    Model,
    Move,
    Namespace,
    Registration,
    RegistryTransaction,
)
from stemma.semver import SemanticVersion

_AT_ONCE = 500
_SEARCHED = ("what", "why")
_ROLES = {
    DatasetRole.TRAIN: EdgeKind.TRAINED_ON,
    DatasetRole.VALIDATION: EdgeKind.VALIDATED_ON,
    DatasetRole.TEST: EdgeKind.TESTED_ON,
    DatasetRole.CALIBRATION: EdgeKind.CALIBRATED_ON,
}


Made: TypeAlias = Mapping[Digest, Version | Evidence]
"""Records that a transaction has encoded itself, by digest: they need not be read back."""


def project(tx: RegistryTransaction, entry: Entry, made: Made = MappingProxyType({})) -> None:
    """Bring the registry's rows up to `entry`; refusals and entries of other subjects change nothing."""
    if entry.outcome != "done":
        return
    if projection := _PROJECTIONS.get(entry.action):
        projection(tx, entry)
    elif from_record := _FROM_RECORDS.get(entry.action):
        from_record(tx, entry, made)


def _namespace_create(tx: RegistryTransaction, entry: Entry) -> None:
    tx.registry.namespaces.add(Namespace(entry.thing.id, entry.time))


def _model_create(tx: RegistryTransaction, entry: Entry) -> None:
    tx.registry.models.add(Model(_model(entry), entry.time, entry.actor.id))


def _model_entitle(tx: RegistryTransaction, entry: Entry) -> None:
    text = _optional_digest(entry, "title")
    title = _text(tx, text)
    tx.registry.models.entitle(_model(entry), title, title_key(title) if title else None, text)


def _model_describe(tx: RegistryTransaction, entry: Entry) -> None:
    tx.registry.models.describe(_model(entry), _optional_digest(entry, "description"))


def _version_register(tx: RegistryTransaction, entry: Entry, made: Made) -> None:
    model, sequence, branch = _model(entry), _sequence(entry), _string(entry, "branch")
    digest = _after(entry)
    version = made.get(digest)
    if not isinstance(version, Version):
        version = Version.decode(_record(tx, entry, digest), place=str(digest))
    actor = entry.on_behalf_of or entry.actor
    tx.registry.versions.add(
        Registration(model, sequence, digest, version.manifest, branch, entry.time, actor.id, entry.sequence)
    )
    if not tx.registry.branches.advance(model, branch, sequence):
        tx.registry.branches.add(Branch(model, branch, sequence))
    written = [version.commitments[part] for part in _SEARCHED if part in version.commitments]
    texts = {commitment: _text(tx, commitment) for commitment in written}
    tx.registry.messages.add(
        model, sequence, {commitment: None if text is None else fold(text) for commitment, text in texts.items()}
    )
    link(tx, digest, _edges(version))
    origins = [parent.origin for parent in version.parents if isinstance(parent.origin, Digest)]
    if tx.registry.taints.reach(origins):
        tx.registry.taints.mark([digest])
        _taint(tx, digest)


def _version_number(tx: RegistryTransaction, entry: Entry) -> None:
    number = SemanticVersion.parse(_string(entry, "number"))
    tx.registry.numbers.bind(_model(entry), number, _sequence(entry))


def _version_withdraw(tx: RegistryTransaction, entry: Entry) -> None:
    reason = None if entry.reason is None else Digest(entry.reason)
    tx.registry.versions.withdraw(_model(entry), _sequence(entry), entry.time, reason)
    _taint(tx, _after(entry))


def _branch_create(tx: RegistryTransaction, entry: Entry) -> None:
    sequence = _sequence(entry)
    tx.registry.branches.add(Branch(_model(entry), _string(entry, "branch"), head=sequence, start=sequence))


def _alias_set(tx: RegistryTransaction, entry: Entry) -> None:
    model, name = _model(entry), _string(entry, "alias")
    current = tx.registry.aliases.find(model, name)
    after = Alias(model, name, _sequence(entry), _after(entry), entry.sequence)
    tx.registry.aliases.put(after, entry.before)
    _add_move(tx, entry, current, after, below=None if current is None else current.top)


def _alias_back(tx: RegistryTransaction, entry: Entry) -> None:
    model, name = _model(entry), _string(entry, "alias")
    current = tx.registry.aliases.find(model, name)
    origin = tx.registry.moves.find(model, name, _integer(entry, "position"))
    if origin is None:
        raise CorruptError("goes back to a move that is not there", place=_place(entry))
    after = Alias(model, name, _sequence(entry), _after(entry), origin.position)
    tx.registry.aliases.put(after, entry.before)
    _add_move(tx, entry, current, after, below=origin.below)


def _alias_delete(tx: RegistryTransaction, entry: Entry) -> None:
    model, name = _model(entry), _string(entry, "alias")
    current = tx.registry.aliases.find(model, name)
    if entry.before is None:
        raise CorruptError("deletes an alias that held nothing", place=_place(entry))
    tx.registry.aliases.remove(model, name, entry.before)
    _add_move(tx, entry, current, None, below=None)


def _name_protect(tx: RegistryTransaction, entry: Entry) -> None:
    tx.registry.aliases.protect(_model(entry), _string(entry, "name"))


def _name_unprotect(tx: RegistryTransaction, entry: Entry) -> None:
    tx.registry.aliases.unprotect(_model(entry), _string(entry, "name"))


def _label_set(tx: RegistryTransaction, entry: Entry) -> None:
    text = _digest(entry, "value")
    label = Label(_model(entry), _integer(entry, "sequence"), _string(entry, "key"), _text(tx, text), text)
    tx.registry.labels.put(label)


def _label_delete(tx: RegistryTransaction, entry: Entry) -> None:
    tx.registry.labels.remove(_model(entry), _integer(entry, "sequence"), _string(entry, "key"))


def _evidence_add(tx: RegistryTransaction, entry: Entry, made: Made) -> None:
    digest = _after(entry)
    evidence = made.get(digest)
    if not isinstance(evidence, Evidence):
        evidence = Evidence.decode(_record(tx, entry, digest), place=str(digest))
    tx.registry.evidence.add(
        EvidenceEntry(
            _model(entry),
            _sequence(entry),
            digest,
            evidence.kind,
            entry.time,
            entry.actor.id,
            entry.sequence,
            evidence.dataset,
            evidence.statement,
        ),
        evidence.measurements,
    )
    link(tx, digest, [Edge(evidence.version, EdgeKind.EVALUATED_BY)])


def _text_redact(tx: RegistryTransaction, entry: Entry) -> None:
    if entry.thing.digest is not None:
        tx.registry.redactions.redact(entry.thing.digest)


_PROJECTIONS: Mapping[str, Callable[[RegistryTransaction, Entry], None]] = {
    "namespace.create": _namespace_create,
    "model.create": _model_create,
    "model.entitle": _model_entitle,
    "model.describe": _model_describe,
    "version.number": _version_number,
    "version.withdraw": _version_withdraw,
    "branch.create": _branch_create,
    "alias.set": _alias_set,
    "alias.back": _alias_back,
    "alias.delete": _alias_delete,
    "name.protect": _name_protect,
    "name.unprotect": _name_unprotect,
    "label.set": _label_set,
    "label.delete": _label_delete,
    "text.redact": _text_redact,
}
_FROM_RECORDS: Mapping[str, Callable[[RegistryTransaction, Entry, Made], None]] = {
    "version.register": _version_register,
    "version.import": _version_register,
    "evidence.add": _evidence_add,
}
ACTIONS = frozenset(_PROJECTIONS) | frozenset(_FROM_RECORDS)
"""The actions that this subject projects."""


def _add_move(
    tx: RegistryTransaction, entry: Entry, before: Alias | None, after: Alias | None, *, below: int | None
) -> None:
    kind = entry.action.removeprefix("alias.")
    tx.registry.moves.add(
        Move(
            model=_model(entry),
            alias=_string(entry, "alias"),
            position=entry.sequence,
            time=entry.time,
            actor=entry.actor.id,
            kind="set" if kind == "set" else ("back" if kind == "back" else "delete"),
            before=None if before is None else before.sequence,
            after=None if after is None else after.sequence,
            below=below,
            reason=None if entry.reason is None else Digest(entry.reason),
            override=entry.facts.get("override") is True,
        )
    )


def _edges(version: Version) -> list[Edge]:
    edges = [Edge(parent.origin, EdgeKind(parent.kind.value)) for parent in version.parents]
    edges += [Edge(use.dataset, _ROLES[use.role]) for use in version.datasets]
    if version.pipeline is not None:
        edges.append(Edge(version.pipeline, EdgeKind.FEATURES_FROM))
    if version.run is not None:
        edges.append(Edge(version.run, EdgeKind.PRODUCED_BY))
    return edges


def _taint(tx: RegistryTransaction, origin: Digest) -> None:
    """Mark every version that descends from `origin`, wherever it is registered; evidence descends from it, too."""
    waiting: list[Digest] = []
    for node in walk(tx, origin, "children"):
        if node.startswith("sha256:"):
            waiting.append(Digest(node))
        if len(waiting) == _AT_ONCE:
            tx.registry.taints.mark(waiting)
            waiting.clear()
    tx.registry.taints.mark(waiting)


def _model(entry: Entry) -> ModelName:
    return ModelName(entry.namespace, _string(entry, "model"))


def _sequence(entry: Entry) -> int:
    return _integer(entry, "sequence")


def _after(entry: Entry) -> Digest:
    if entry.after is None:
        raise CorruptError("names no digest after it", place=_place(entry))
    return entry.after


def _string(entry: Entry, name: str) -> str:
    value = entry.facts.get(name)
    if not isinstance(value, str):
        raise CorruptError(f"its fact {name!r} is not text", place=_place(entry))
    return value


def _integer(entry: Entry, name: str) -> int:
    value = entry.facts.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise CorruptError(f"its fact {name!r} is not an integer", place=_place(entry))
    return value


def _digest(entry: Entry, name: str) -> Digest:
    return Digest.parse(_string(entry, name))


def _optional_digest(entry: Entry, name: str) -> Digest | None:
    return None if entry.facts.get(name) is None else _digest(entry, name)


def _record(tx: RegistryTransaction, entry: Entry, digest: Digest) -> bytes:
    data = tx.records.read(digest)
    if data is None:
        raise CorruptError(f"the record {digest} is missing", place=_place(entry))
    return data


def _text(tx: RegistryTransaction, text: Digest | None) -> str | None:
    """Return a detached text, or None where it is redacted or was never here."""
    found = None if text is None else tx.texts.read(text)
    return None if found is None else found[1]


def _place(entry: Entry) -> str:
    return f"entry {entry.sequence} of {entry.namespace} ({entry.action})"
