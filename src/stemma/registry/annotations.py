"""What is said of versions and models after they were made: labels, and evidence with its measured metrics."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stemma.access import Caller, Permission, require
from stemma.errors import AlreadyExistsError, ConflictError, InvalidError
from stemma.ledger import Draft, Fact, Thing, append, commit_text
from stemma.names import ModelName, Selector
from stemma.paging import check_limit, split_page
from stemma.records import Digest
from stemma.registry.pointers import FIRST_PAGE
from stemma.registry.projection import project
from stemma.registry.records.evidence import Evidence, Measurement
from stemma.registry.records.message import clean_text
from stemma.registry.resolve import find_model, find_version
from stemma.registry.store import EvidenceEntry, Label, Registration, RegistryTransaction

MAX_LABELS = 200
MAX_VALUE = 8192
"""Bytes of a label's value."""
MAX_SHOWN = 1000
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/ -]{0,249}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a label is on: a model, or the version of it that `selector` means."""

    model: ModelName
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement, the evidence it stands in, and when (microseconds) and on which dataset that was made."""

    measurement: Measurement
    evidence: Digest
    time: int
    dataset: Digest | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What evidence says of a version: measurements, newest first, and statements of impact, oldest first."""

    measured: tuple[Measured, ...]
    impacts: tuple[str | None, ...]


class Labels:
    """Labels of models and versions."""

    def set(self, tx: RegistryTransaction, caller: Caller, subject: Subject, key: str, value: str) -> bool:
        """Set a label; return whether that changed anything. At most 200 labels on one thing."""
        require(tx, caller, Permission.DESCRIBE, subject.model.namespace)
        sequence, digest = _place(tx, subject)
        clean = clean_text(value, "label's value", limit=MAX_VALUE)
        labels = {label.key: label.value for label in tx.registry.labels.of(subject.model, sequence)}
        check_key(key)
        if labels.get(key) == clean:
            return False
        if key not in labels and len(labels) >= MAX_LABELS:
            raise InvalidError(f"{subject.model} has {MAX_LABELS} labels already", hint="Delete one first.")
        facts: dict[str, Fact] = {
            "key": key,
            "value": str(commit_text(tx, clean)),
            "sequence": sequence,
            "model": subject.model.name,
        }
        self._enter(tx, caller, "label.set", subject=subject, digest=digest, facts=facts)
        return True

    def delete(self, tx: RegistryTransaction, caller: Caller, subject: Subject, key: str) -> bool:
        """Delete a label; return whether there was one."""
        require(tx, caller, Permission.DESCRIBE, subject.model.namespace)
        sequence, digest = _place(tx, subject)
        if check_key(key) not in {label.key for label in tx.registry.labels.of(subject.model, sequence)}:
            return False
        facts: dict[str, Fact] = {"key": key, "sequence": sequence, "model": subject.model.name}
        self._enter(tx, caller, "label.delete", subject=subject, digest=digest, facts=facts)
        return True

    def of(self, tx: RegistryTransaction, caller: Caller, subject: Subject) -> tuple[Label, ...]:
        """Return all labels of one thing, by key."""
        require(tx, caller, Permission.READ, subject.model.namespace)
        sequence, _ = _place(tx, subject)
        return tuple(tx.registry.labels.of(subject.model, sequence))

    def models(
        self, tx: RegistryTransaction, caller: Caller, namespace: str, key: str, value: str | None = None, *,
        after: str = "", limit: int | None = None,
    ) -> tuple[tuple[str, ...], bool]:  # fmt: skip
        """Return names of models behind `after` that carry a label, by name, and whether more follow."""
        require(tx, caller, Permission.READ, namespace)
        size = check_limit(limit)
        return split_page(tx.registry.labels.models(namespace, check_key(key), value, after, size + 1), size)

    def versions(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, key: str, value: str | None = None, *,
        before: int | None = None, limit: int | None = None,
    ) -> tuple[tuple[Registration, ...], bool]:  # fmt: skip
        """Return versions before the sequence number `before` that carry a label, newest first, and whether more do."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        size = check_limit(limit)
        start = FIRST_PAGE if before is None else before
        return split_page(tx.registry.labels.versions(model, check_key(key), value, start, size + 1), size)

    def _enter(
        self, tx: RegistryTransaction, caller: Caller, action: str, *,
        subject: Subject, digest: Digest | None, facts: dict[str, Fact],
    ) -> None:  # fmt: skip
        thing = Thing("model" if digest is None else "version", str(subject.model), digest)
        project(tx, append(tx, Draft(subject.model.namespace, caller.actor, action, thing, facts=facts)))


class EvidenceLog:
    """Evidence about versions, in the order of the ledger."""

    def add(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, selector: Selector | None, evidence: Evidence
    ) -> EvidenceEntry:
        """Add a record about the version that it names; ConflictError if `selector` means another one."""
        require(tx, caller, Permission.DESCRIBE, model.namespace)
        version = find_version(tx, model, selector)
        if evidence.version != version.digest:
            raise ConflictError(f"this evidence is about {evidence.version.short}, not about {version} of {model}")
        if tx.registry.evidence.has(model, version.sequence, evidence.digest):
            raise AlreadyExistsError(f"{version} of {model} has this very evidence already")
        tx.records.put(evidence.digest, evidence.encode())
        entry = append(
            tx,
            Draft(
                model.namespace,
                caller.actor,
                "evidence.add",
                Thing("version", str(model), version.digest),
                after=evidence.digest,
                facts={"model": model.name, "sequence": version.sequence, "kind": evidence.kind},
            ),
        )
        project(tx, entry)
        return EvidenceEntry(
            model,
            version.sequence,
            evidence.digest,
            evidence.kind,
            entry.time,
            caller.id,
            entry.sequence,
            evidence.dataset,
            evidence.statement,
        )

    def measure(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, selector: Selector | None,
        measurements: Sequence[Measurement], *, dataset: Digest | None = None,
    ) -> EvidenceEntry:  # fmt: skip
        """Add measurements made now; an empty sequence is an InvalidError."""
        require(tx, caller, Permission.DESCRIBE, model.namespace)
        version = find_version(tx, model, selector)
        evidence = Evidence("metrics", version.digest, tx.now, tuple(measurements), dataset)
        return self.add(tx, caller, model, version.digest, evidence)

    def page(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, selector: Selector | None, *,
        after: int | None = None, limit: int | None = None,
    ) -> tuple[tuple[EvidenceEntry, ...], bool]:  # fmt: skip
        """Return evidence behind the position `after`, oldest first, and whether more follows."""
        require(tx, caller, Permission.READ, model.namespace)
        version = find_version(tx, model, selector)
        size = check_limit(limit)
        start = -1 if after is None else after
        return split_page(tx.registry.evidence.page(model, version.sequence, start, size + 1), size)

    def findings(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, selector: Selector | None
    ) -> Findings:
        """Return what evidence says of a version: at most a thousand measurements and a hundred statements."""
        require(tx, caller, Permission.READ, model.namespace)
        version = find_version(tx, model, selector)
        measured = tx.registry.evidence.measurements(model, version.sequence, MAX_SHOWN)
        statements = tx.registry.evidence.statements(model, version.sequence, 100)
        texts = (tx.texts.read(statement) for statement in statements)
        return Findings(
            tuple(Measured(measurement, entry.digest, entry.time, entry.dataset) for entry, measurement in measured),
            tuple(None if text is None else text[1] for text in texts),
        )


def check_key(key: str) -> str:
    """Return `key` if a label can have it: 1 to 250 letters, digits and any of `_.:/ -`, a word character first."""
    if not _KEY.fullmatch(key) or key != key.rstrip():
        raise InvalidError(
            f"{key[:80]!r} is not a key for a label",
            hint="Use at most 250 ASCII letters, digits and any of '_.:/ -', a letter or digit first.",
        )
    return key


def _place(tx: RegistryTransaction, subject: Subject) -> tuple[int, Digest | None]:
    """Return the sequence number that a label stands under and the version's digest; 0 and None for a model."""
    if subject.selector is None:
        find_model(tx, subject.model)
        return 0, None
    version = find_version(tx, subject.model, subject.selector)
    return version.sequence, version.digest
