"""Operations that offer a log to another repository: they only read, and prove all that they answer."""

from collections.abc import Iterable

from stemma.access import Caller, Permission, require
from stemma.errors import InvalidError, NotFoundError
from stemma.ledger import Entry
from stemma.ledger.evidence.checkpoint import policy_for
from stemma.names import SYSTEM_NAMESPACE, check_name
from stemma.operations.exchange.values import (
    EntryProof,
    LogOffer,
    LogRoot,
    PartSent,
    PersonSent,
    ProveEntry,
    ReadPart,
    ReadRoot,
    TextSent,
)
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.operations.requests import OfNamespace
from stemma.registry.exchange.brought import collect

MAX_ENTRIES = 1000
MAX_BYTES = 1 << 20
"""Bytes of entries, records and texts in one answer, unless one entry alone brings more."""


def _offer(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfNamespace) -> LogOffer:
    """Tell how a log stands, for another repository that would follow it."""
    name = _readable(tx, caller, asked.namespace)
    ledger = subjects.ledger
    unsigned = ledger.root(tx, name)
    newest = ledger.newest_checkpoint(tx, name)
    return LogOffer(
        repository=ledger.name,
        namespace=name,
        exists=tx.registry.namespaces.find(name) is not None,
        size=unsigned.size,
        root=unsigned.root.hex(),
        signed=0 if newest is None else newest.size,
        note=None if newest is None else newest.note.decode(),
        keys=tuple(str(key) for key in policy_for(ledger.name, ledger.keys()).keys),
    )


def _root(subjects: Subjects, tx: Transaction, caller: Caller, asked: ReadRoot) -> LogRoot:
    """Tell the root of a log at a size, and prove that it was continued from there."""
    name = _readable(tx, caller, asked.namespace)
    root = subjects.ledger.root(tx, name, asked.size)
    path = subjects.ledger.prove_consistency(tx, name, asked.size, asked.until)
    return LogRoot(size=asked.size, root=root.root.hex(), path=tuple(each.hex() for each in path))


def _prove(subjects: Subjects, tx: Transaction, caller: Caller, asked: ProveEntry) -> EntryProof:
    """Give an entry and prove that the log holds it."""
    name = _readable(tx, caller, asked.namespace)
    proof = subjects.ledger.prove_inclusion(tx, name, asked.index, asked.size)
    return EntryProof(
        entry=proof.entry.encode().decode(),
        index=asked.index,
        size=proof.size,
        path=tuple(each.hex() for each in proof.path),
    )


def _entries(subjects: Subjects, tx: Transaction, caller: Caller, asked: ReadPart) -> PartSent:
    """Give entries of a log with what they bring, and prove that they continue it."""
    name = _readable(tx, caller, asked.namespace)
    size = tx.ledger.head(name).size
    if not 0 <= asked.first <= asked.until <= size or not 1 <= asked.limit <= MAX_ENTRIES:
        raise InvalidError(f"there are no entries {asked.first} to {asked.until} of {size}, {asked.limit} at a time")
    entries: list[Entry] = []
    records: dict[str, str] = {}
    texts: dict[str, TextSent] = {}
    taken = 0
    for row in tx.ledger.rows(name, asked.first, min(asked.limit, asked.until - asked.first)):
        entry = Entry.decode(row.data, place=f"entry {row.sequence} of {name}")
        brought = collect(tx, entry)
        taken += len(row.data) + sum(map(len, brought.records.values()))
        taken += sum(len((text.text or "").encode()) for text in brought.texts)
        if entries and taken > MAX_BYTES:
            break
        entries.append(entry)
        records |= {str(digest): data.decode() for digest, data in brought.records.items()}
        for text in brought.texts:
            texts[text.commitment] = TextSent(commitment=text.commitment, salt=text.salt.hex(), text=text.text)
    path = subjects.ledger.prove_consistency(tx, name, asked.first + len(entries), asked.until)
    return PartSent(
        first=asked.first,
        entries=tuple(entry.encode().decode() for entry in entries),
        records=tuple(records.values()),
        texts=tuple(texts.values()),
        people=_people(subjects, tx, entries),
        path=tuple(each.hex() for each in path),
    )


def _people(subjects: Subjects, tx: Transaction, entries: Iterable[Entry]) -> tuple[PersonSent, ...]:
    """Return the names of those who act in entries, as far as they are known and were not redacted."""
    actors = (actor for entry in entries for actor in (entry.actor, entry.on_behalf_of) if actor is not None)
    names = {pseudonym: subjects.access.name_of(tx, pseudonym) for pseudonym in {actor.id for actor in actors}}
    return tuple(
        PersonSent(pseudonym=pseudonym, name=name) for pseudonym, name in sorted(names.items()) if name is not None
    )


def _readable(tx: Transaction, caller: Caller, namespace: str) -> str:
    """Return a namespace whose log and content the caller may read; the log of people and settings is nobody else's."""
    if namespace == SYSTEM_NAMESPACE:
        raise InvalidError("the log of people and settings belongs to one repository", hint="Name a namespace.")
    name = check_name(namespace, "namespace")
    require(tx, caller, Permission.AUDIT, name)
    require(tx, caller, Permission.READ, name)
    if tx.ledger.head(name).size == 0 and tx.registry.namespaces.find(name) is None:
        raise NotFoundError(f"there is no namespace {name!r}", hint="Or you may not see it: ask its admin.")
    return name


OFFER = Operation("exchange.offer", OfNamespace, LogOffer, Permission.AUDIT, "GET", "/exchange/log", _offer)
ROOT = Operation("exchange.root", ReadRoot, LogRoot, Permission.AUDIT, "GET", "/exchange/root", _root)
PROOF = Operation("exchange.prove", ProveEntry, EntryProof, Permission.AUDIT, "GET", "/exchange/proof", _prove)
ENTRIES = Operation("exchange.entries", ReadPart, PartSent, Permission.AUDIT, "GET", "/exchange/entries", _entries)
