"""The operation that receives a log from another repository, part by part.

Each part proves itself, so what is here is a true beginning of what was signed, whenever the sender stops. A new
namespace appears with the last part; until then nobody reads from it or writes to it.
"""

from collections.abc import Iterable

from stemma.access import Caller, Permission, may, readable, unseen
from stemma.access.carried import Carried, carry
from stemma.artifacts.manifest import Manifest
from stemma.errors import Attempt, ConflictError, CorruptError, ForbiddenError, InvalidError, NotFoundError
from stemma.ledger import Entry
from stemma.ledger.arrival import arrive
from stemma.ledger.tree import HASH, hash_leaf
from stemma.names import SYSTEM_NAMESPACE, check_name
from stemma.operations.exchange.offering import MAX_ENTRIES
from stemma.operations.exchange.values import PersonGiven, Received, ReceiveEntries, TextGiven
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.records import Digest
from stemma.registry.exchange.brought import Brought, CarriedText, manifests, store
from stemma.registry.exchange.origin import Origin, note_arrival, trust
from stemma.registry.exchange.rules import enter


def _receive(subjects: Subjects, tx: Transaction, caller: Caller, asked: ReceiveEntries) -> Received:
    """Continue a log with entries of another repository's."""
    name = check_name(asked.namespace, "namespace")
    exists = _check_permission(tx, caller, name)
    origin = Origin.verify(name, asked.note, asked.keys)
    if origin.repository == subjects.ledger.name:
        raise InvalidError("a log arrives from the repository that it is in", hint="Name two different repositories.")
    if len(asked.entries) > MAX_ENTRIES:
        raise InvalidError(f"at most {MAX_ENTRIES} entries at once, not {len(asked.entries)}")
    trust(tx, caller, origin, asked.trusted)
    head = tx.ledger.head(name).size
    data = _behind(tx, name, asked, head)
    path = tuple(read_hash(each) for each in asked.path)
    if data:
        note_arrival(tx, caller, origin, head)
        _take(subjects, tx, caller, asked, arrive(tx, name, data, origin.checkpoint, path))
        introduce(tx, caller, asked.people, asked.entries, origin)
    size = head + len(data)
    complete = size >= origin.checkpoint.size
    if complete and subjects.ledger.root(tx, name, origin.checkpoint.size).root != origin.checkpoint.root:
        raise ConflictError(f"the log of {name} is another one here", hint="The two have parted; synchronise again.")
    if complete and not exists:
        subjects.registry.create_namespace(tx, caller, name, has_arrived=True)
        subjects.access.found(tx, caller, name)
    return Received(size=size, complete=complete)


def _check_permission(tx: Transaction, caller: Caller, name: str) -> bool:
    """Return whether the namespace exists; what it takes to make one, or to enter what others did in one.

    A refusal stands in `_system`: in the log itself it would part it from the one that it is to follow.
    """
    if tx.registry.namespaces.find(name) is None:
        if not may(tx, caller, Permission.MAINTAIN, SYSTEM_NAMESPACE):
            raise unseen(name)
        return False
    if not may(tx, caller, Permission.RECEIVE, name):
        if not may(tx, caller, Permission.READ, name):
            raise unseen(name)
        actor = caller.actor
        raise ForbiddenError(
            f"{actor.id} may not receive what others did in {name!r}",
            hint="Ask an admin of the namespace to synchronise.",
            attempt=Attempt(SYSTEM_NAMESPACE, actor.kind, actor.id, "access.receive", "namespace", name),
        )
    return True


def _behind(tx: Transaction, name: str, asked: ReceiveEntries, head: int) -> list[bytes]:
    """Return the entries that are not here yet; those that are must be the same, as when two send at once."""
    if not 0 <= asked.first <= head:
        raise ConflictError(f"the log of {name} has {head} entries here, and {asked.first} should follow")
    data = [entry.encode("utf-8", "replace") for entry in asked.entries]
    known = tx.ledger.rows(name, asked.first, min(len(data), head - asked.first))
    for row, each in zip(known, data, strict=False):
        if row.leaf_hash != hash_leaf(each):
            raise ConflictError(f"the log of {name} has another entry {row.sequence} here")
    return data[len(known) :]


def _take(
    subjects: Subjects, tx: Transaction, caller: Caller, asked: ReceiveEntries, entries: tuple[Entry, ...]
) -> None:
    """Keep what arrived entries bring, once their files are here, and let them have their effect."""
    brought = read_brought(asked.records, asked.texts)
    named = [digest for _, digest in manifests(entries, brought)]
    store_files(subjects, tx, caller, asked.namespace, given=asked.manifests, named=named)
    store(tx, entries, brought)
    for entry in entries:
        enter(tx, entry)


def store_files(
    subjects: Subjects,
    tx: Transaction,
    caller: Caller,
    namespace: str,
    *,
    given: Iterable[str],
    named: Iterable[Digest],
) -> None:
    """Store the given manifests, which must be among those `named`; each of these must then be one that may be used.

    NotFoundError for one that is not here, or whose files are not, where the caller can read: who names files had them.
    """
    scopes = readable(tx, caller)
    within = None if scopes is None else scopes | {namespace}
    wanted = set(named)
    for text in given:
        manifest = Manifest.decode(text.encode("utf-8", "replace"))
        if manifest.digest not in wanted:
            raise CorruptError("no arriving version has this manifest", place=f"record {manifest.digest}")
        wanted.discard(subjects.artifacts.store_manifest(tx, manifest, namespace=namespace, scopes=within))
    for digest in wanted:
        if within is not None and within.isdisjoint(tx.artifacts.manifests.of(digest)):
            raise NotFoundError(f"there is no manifest {digest}", hint="It comes with the entries.")
        contents = subjects.artifacts.manifest(tx, digest).digests()
        if missing := contents - subjects.artifacts.recipes(tx, contents, scopes=within).keys():
            raise NotFoundError(f"the content {min(missing)} is not stored", hint="Upload it before the entries.")


def introduce(
    tx: Transaction, caller: Caller, people: Iterable[PersonGiven], entries: Iterable[str], origin: Origin
) -> None:
    """Introduce those of `people` that are not known here; each must act in one of `entries`."""
    acting = {
        actor.id
        for data in entries
        for entry in (Entry.decode(data.encode("utf-8", "replace")),)
        for actor in (entry.actor, entry.on_behalf_of)
        if actor is not None
    }
    carried = [Carried(person.pseudonym, person.name) for person in people]
    if strangers := {person.pseudonym for person in carried} - acting:
        raise CorruptError(f"{min(strangers)[:80]!r} acts in no arriving entry", place=origin.checkpoint.origin)
    carry(tx, caller, carried, origin.checkpoint.origin)


def read_brought(records: Iterable[str], texts: Iterable[TextGiven]) -> Brought:
    """Return what was sent along, records by the digests that they really have."""
    data = [record.encode("utf-8", "replace") for record in records]
    return Brought({Digest.of(each): each for each in data}, tuple(_text(text) for text in texts))


def read_hash(text: str) -> bytes:
    """Return the 32 bytes of a hash."""
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise CorruptError(f"{text[:80]!r} is not a hash") from error
    if len(data) != HASH:
        raise CorruptError(f"a hash has {HASH} bytes, not {len(data)}")
    return data


def _text(given: TextGiven) -> CarriedText:
    try:
        salt = bytes.fromhex(given.salt)
    except ValueError as error:
        raise CorruptError(f"{given.salt[:80]!r} is not a salt", place=f"text {given.commitment[:80]}") from error
    return CarriedText(Digest.parse(given.commitment), salt, given.text)


class _Receiving(Operation[ReceiveEntries, Received]):
    """Appends to the log that arrives and to `_system`, where it is noted."""

    def logs(self, asked: ReceiveEntries) -> frozenset[str]:
        """Return both."""
        return frozenset({asked.namespace, SYSTEM_NAMESPACE})


RECEIVE = _Receiving(
    "exchange.receive", ReceiveEntries, Received, Permission.RECEIVE, "POST", "/exchange/entries", _receive,
    lambda asked: asked.namespace, receives=True,
)  # fmt: skip
