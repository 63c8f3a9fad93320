"""Versions taken from another repository's log that this one's has parted from, each with the proof of its origin.

The record and so the digest stay, the sequence number is new. `version.import` names a record (`stemma/origin/1`)
that holds the entry by which the other log registered it, its index and the inclusion proof, and names the checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from stemma.access import Caller, Permission, require
from stemma.errors import CorruptError, NotFoundError, UnsupportedError
from stemma.ledger import Draft, Entry, Fact, Thing, append_many
from stemma.ledger.proof import verify_inclusion
from stemma.ledger.tree import hash_leaf
from stemma.names import ModelName, check_pointer
from stemma.records import Digest, canonical
from stemma.registry.exchange.brought import IMPORTS, ORIGIN, REGISTERS, Brought, store
from stemma.registry.exchange.origin import Origin, is_trusted
from stemma.registry.numbering import MAIN
from stemma.registry.pointers import check_not_alias
from stemma.registry.projection import project
from stemma.registry.records.evidence import Evidence
from stemma.registry.records.version import ParentKind, Version
from stemma.registry.resolve import find_model, find_version, registered
from stemma.registry.store import Registration, RegistryTransaction
from stemma.semver import SemanticVersion


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry by which another log registers a version, and the proof that it stands in that log."""

    origin: Origin
    entry: Entry
    data: bytes
    path: tuple[bytes, ...]

    @classmethod
    def verify(cls, origin: Origin, data: bytes, path: Sequence[bytes]) -> Self:
        """Check that `data` is such an entry and stands in the log that `origin` signs; else a CorruptError."""
        place = f"entry of {origin.checkpoint.origin}"
        entry = Entry.decode(data, place=place)
        is_one = entry.action in (REGISTERS, IMPORTS) and entry.outcome == "done" and entry.after is not None
        if not is_one or entry.namespace != origin.namespace:
            raise CorruptError("it does not register a version in this namespace", place=place)
        signed = origin.checkpoint
        leaf = hash_leaf(data)
        verify_inclusion(leaf_hash=leaf, index=entry.sequence, size=signed.size, root=signed.root, path=path)
        return cls(origin, entry, data, tuple(path))

    @property
    def digest(self) -> Digest:
        """The version's."""
        if self.entry.after is None:
            raise CorruptError("it registers no version")
        return self.entry.after

    @property
    def model(self) -> ModelName:
        """The model that it was registered under, and is taken into; a CorruptError where it names none."""
        name = self.entry.facts.get("model")
        if not isinstance(name, str):
            raise CorruptError("it names no model", place=f"entry of {self.origin.checkpoint.origin}")
        return ModelName.parse(f"{self.entry.namespace}/{name}")

    def record(self) -> bytes:
        """Return the proof as a record."""
        return canonical(
            {
                "schema": ORIGIN,
                "checkpoint": str(Digest.of(self.origin.record())),
                "entry": self.data.decode(),
                "index": self.entry.sequence,
                "path": [each.hex() for each in self.path],
                "size": self.origin.checkpoint.size,
            }
        )


def import_version(
    tx: RegistryTransaction, caller: Caller, proven: Proven, brought: Brought, branch: str
) -> tuple[Registration, bool]:
    """Register a version that is not here yet on `branch`, which is made where it is missing; whether it was new.

    Its author is named where the keys of its origin are trusted here; otherwise it is only known who took it in.
    """
    model, digest = proven.model, proven.digest
    require(tx, caller, Permission.REGISTER, model.namespace)
    if tx.registry.namespaces.find(model.namespace) is None:
        raise NotFoundError(f"there is no namespace {model.namespace!r}", hint="Make it before the first version.")
    if present := tx.registry.versions.between(model, digest, digest, 1):
        return present[0], False
    check_pointer(branch, "branch")
    known = tx.registry.models.find(model)
    line = tx.registry.branches.find(model, branch)
    if line is None and branch != MAIN:
        check_not_alias(tx, model, branch)
    store(tx, [proven.entry], brought)
    _check(Version.decode(brought.records[digest], place=f"record {digest}"))
    for record in (proven.origin.record(), proven.record()):
        tx.records.put(Digest.of(record), record)
    author = proven.entry.on_behalf_of or proven.entry.actor
    sequence = 1 if known is None else known.last + 1
    draft = Draft(
        model.namespace,
        caller.actor,
        IMPORTS,
        Thing("version", str(model), digest),
        before=None if line is None else registered(tx, model, line.head).digest,
        after=digest,
        facts=_facts(model, sequence, branch, proven),
        on_behalf_of=author if is_trusted(tx, proven.origin) else None,
    )
    thing = Thing("model", str(model))
    create = Draft(model.namespace, caller.actor, "model.create", thing, facts={"model": model.name})
    _enter(tx, [draft] if known is not None else [create, draft])
    return registered(tx, model, sequence), True


def bind_number(
    tx: RegistryTransaction, caller: Caller, model: ModelName, digest: Digest, number: SemanticVersion
) -> bool:
    """Bind a number to a version where both are free, or were given to each other; return whether it has it now."""
    require(tx, caller, Permission.REGISTER, model.namespace)
    version = find_version(tx, model, digest)
    holder = tx.registry.numbers.find(model, number)
    if holder is not None:
        return holder.sequence == version.sequence
    if (version.prerelease if number.prerelease else version.release) is not None:
        return False
    facts: dict[str, Fact] = {
        "model": model.name,
        "sequence": version.sequence,
        "number": str(number),
        "chosen": True,
    }
    thing = Thing("version", str(model), digest)
    _enter(tx, [Draft(model.namespace, caller.actor, "version.number", thing, after=digest, facts=facts)])
    return True


def import_evidence(
    tx: RegistryTransaction, caller: Caller, model: ModelName, evidence: Evidence, brought: Brought
) -> bool:
    """Add evidence about a version as another log has it; return whether that was new."""
    require(tx, caller, Permission.DESCRIBE, model.namespace)
    find_model(tx, model)
    version = find_version(tx, model, evidence.version)
    if tx.registry.evidence.has(model, version.sequence, evidence.digest):
        return False
    facts: dict[str, Fact] = {"model": model.name, "sequence": version.sequence, "kind": evidence.kind}
    thing = Thing("version", str(model), version.digest)
    draft = Draft(model.namespace, caller.actor, "evidence.add", thing, after=evidence.digest, facts=facts)
    store(tx, [Entry.at(draft, sequence=0, time=tx.now, skewed=False)], brought)
    _enter(tx, [draft])
    return True


def _facts(model: ModelName, sequence: int, branch: str, proven: Proven) -> dict[str, Fact]:
    origin = str(Digest.of(proven.record()))
    return {"model": model.name, "sequence": sequence, "branch": branch, "origin": origin}


def _check(version: Version) -> None:
    if any(parent.kind is ParentKind.BUILD_OF for parent in version.parents):
        raise UnsupportedError("this release does not register builds", hint="Upgrade stemma.")
    if "what" not in version.commitments:
        raise CorruptError("the record does not say what changed", place=f"record {version.digest}")


def _enter(tx: RegistryTransaction, drafts: Sequence[Draft]) -> None:
    for entry in append_many(tx, drafts):
        project(tx, entry)
