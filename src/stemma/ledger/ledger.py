"""The ledger's front: reading logs, proving what is in them, signing their roots, and checking all of it.

Appending is in `log`, exports are in `evidence`. Everything here reads and writes through the transaction it is given.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from stemma.errors import CorruptError, NotFoundError, UnsupportedError
from stemma.ledger.audit import Follower, LogReport, compare_tile
from stemma.ledger.entry import Entry
from stemma.ledger.evidence.checkpoint import (
    Checkpoint,
    Policy,
    Signer,
    policy_for,
    repository_name,
    sign_checkpoint,
    verify_checkpoint,
)
from stemma.ledger.evidence.note import PublicKey, SignedNote
from stemma.ledger.fields import check_namespace
from stemma.ledger.ports import EVERYTHING, Head, LedgerStore, LogFilter, LogTransaction, Row, StoredCheckpoint
from stemma.ledger.proof import prove_consistency, prove_inclusion
from stemma.ledger.tree import Tree, hash_leaf
from stemma.paging import check_limit
from stemma.records import MAX_SAFE_INTEGER

CHECKPOINT_INTERVAL = 1_000_000
"""Microseconds between two checkpoints of a log, unless one is wanted at once."""

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries in the order asked for; `more` says whether others follow behind the last."""

    entries: tuple[Entry, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that `entry` stands in the log `origin` whose root at `size` is `root`."""

    origin: str
    entry: Entry
    size: int
    root: bytes
    path: tuple[bytes, ...]


def _no_keys() -> tuple[PublicKey, ...]:
    raise UnsupportedError("the keys of this log are not known here")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The logs of one repository; `repository` is its id, `keys` loads the public keys that sign them."""

    repository: str
    keys: Callable[[], tuple[PublicKey, ...]] = _no_keys

    @property
    def name(self) -> str:
        """What the origins of all logs begin with."""
        return repository_name(self.repository)

    def origin(self, namespace: str) -> str:
        """Return the origin of a namespace's log: `stemma/<repository>/<namespace>`."""
        return f"{self.name}/{check_namespace(namespace)}"

    def head(self, tx: LogTransaction, namespace: str) -> Head:
        """Return the end of a log; size 0 where there is none."""
        return tx.ledger.head(check_namespace(namespace))

    def read(self, tx: LogTransaction, namespace: str, sequence: int) -> Entry:
        """Return one entry; NotFoundError where the log is shorter."""
        return _decode(_row(tx.ledger, check_namespace(namespace), sequence), namespace)

    def log(
        self,
        tx: LogTransaction,
        namespace: str,
        chosen: LogFilter = EVERYTHING,
        *,
        after: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> LogPage:
        """Return a page of the entries that `chosen` admits, strictly behind sequence number `after`."""
        limit = check_limit(limit)
        store = tx.ledger
        size = store.head(check_namespace(namespace)).size
        first = 0 if chosen.since is None else _first_at(store, namespace, size, chosen.since)
        end = size if chosen.until is None else _first_at(store, namespace, size, chosen.until)
        if after is not None and newest_first:
            end = min(end, after)
        elif after is not None:
            first = max(first, after + 1)
        found = store.search(namespace, chosen, first=first, end=end, newest_first=newest_first, limit=limit + 1)
        place = f"log of {namespace}"
        return LogPage(tuple(Entry.decode(data, place=place) for data in found[:limit]), more=len(found) > limit)

    def root(self, tx: LogTransaction, namespace: str, size: int | None = None) -> Checkpoint:
        """Return the unsigned root of a log over its first `size` entries, over all if none is given."""
        tree = _tree(tx.ledger, check_namespace(namespace))
        return Checkpoint(self.origin(namespace), tree.size if size is None else size, tree.root(size))

    def prove_inclusion(self, tx: LogTransaction, namespace: str, sequence: int, size: int | None = None) -> Inclusion:
        """Return an entry with the proof that it is in the log at `size`, or at the log's end."""
        entry = self.read(tx, namespace, sequence)
        tree = _tree(tx.ledger, namespace)
        size = tree.size if size is None else size
        path = tuple(prove_inclusion(tree, sequence, size))
        return Inclusion(self.origin(namespace), entry, size, tree.root(size), path)

    def prove_consistency(self, tx: LogTransaction, namespace: str, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the log at size `new`, or at its end, continues what it was at size `old`."""
        tree = _tree(tx.ledger, check_namespace(namespace))
        return prove_consistency(tree, old, tree.size if new is None else new)

    def newest_checkpoint(self, tx: LogTransaction, namespace: str) -> StoredCheckpoint | None:
        """Return the newest signed checkpoint of a log, or None before the first."""
        found = tx.ledger.checkpoints(check_namespace(namespace), below=None, limit=1)
        return found[0] if found else None

    def unsigned_tail(self, tx: LogTransaction, namespace: str) -> int:
        """Return how many entries at the end of a log no checkpoint signs yet."""
        newest = self.newest_checkpoint(tx, namespace)
        return tx.ledger.head(namespace).size - (newest.size if newest else 0)

    def checkpoint(
        self, tx: LogTransaction, namespace: str, signers: Sequence[Signer], *, at_once: bool = False
    ) -> StoredCheckpoint | None:
        """Sign a log's root and store it; return the newest checkpoint, or None where the log is empty.

        Nothing is signed where nothing was appended, nor, unless wanted `at_once` (on export, on exit), within a second
        of the last. A log that no longer continues what it signed before is a CorruptError.
        """
        tree = _tree(tx.ledger, check_namespace(namespace))
        newest = self.newest_checkpoint(tx, namespace)
        if newest is not None:
            self._check_continues(newest, tree, namespace)
            if newest.size == tree.size or (not at_once and tx.now - newest.time < CHECKPOINT_INTERVAL):
                return newest
        elif tree.size == 0:
            return None
        signed = Checkpoint(self.origin(namespace), tree.size, tree.root())
        time = max(tx.now, newest.time if newest else 0)
        stored = StoredCheckpoint(tree.size, time, sign_checkpoint(signed, signers, time))
        tx.ledger.add_checkpoint(namespace, stored)
        return stored

    def verify(self, tx: LogTransaction, namespace: str, keys: Sequence[PublicKey]) -> LogReport:
        """Recompute a live log: every entry, hash, tile and checkpoint; a CorruptError names what does not follow."""
        store = tx.ledger
        origin = self.origin(namespace)
        policy = policy_for(origin, keys)
        size = store.head(namespace).size
        checkpoints = {stored.size: stored for stored in _checkpoints(store, namespace)}
        roots = {at: self._verify_note(stored, policy, namespace) for at, stored in checkpoints.items()}
        signed = max(roots, default=0)
        if signed > size:
            message = f"the log has {size} entries where {signed} were signed"
            raise CorruptError(message, place=f"log of {namespace}", hint="Restore it from a backup.")
        follower = Follower(namespace, {at: (f"the checkpoint at {at}", root) for at, root in roots.items()})
        for row in _rows(store, namespace, size):
            _follow_row(follower, row, store)
        if follower.size != size:
            raise CorruptError(f"the log ends at {follower.size}, not at {size}", place=f"log of {namespace}")
        for tile in follower.partial_tiles():
            place = _tile_place(namespace, tile.level, tile.number)
            compare_tile(tile, store.tile(namespace, tile.level, tile.number), place=place)
        return LogReport(origin, size, follower.root(), follower.time, signed, len(roots))

    def _check_continues(self, newest: StoredCheckpoint, tree: Tree, namespace: str) -> None:
        place = f"log of {namespace}"
        before = Checkpoint.parse(SignedNote.decode(newest.note, place=place).text)
        if before.size > tree.size or tree.root(before.size) != before.root:
            message = f"the log of {tree.size} entries does not continue what was signed at size {before.size}"
            raise CorruptError(message, place=place, hint="Run 'stemma audit verify' to see what was changed.")

    def _verify_note(self, stored: StoredCheckpoint, policy: Policy, namespace: str) -> bytes:
        place = f"checkpoint {stored.size} of {namespace}"
        verified = verify_checkpoint(stored.note, policy, place=place)
        seconds = stored.time // 1_000_000 * 1_000_000
        if verified.checkpoint.origin != policy.keys[0].name or verified.checkpoint.size != stored.size:
            raise CorruptError("the note is of another log or size", place=place)
        if verified.time != seconds:
            raise CorruptError("the note was signed at another time than is stored", place=place)
        return verified.checkpoint.root


def _tree(store: LedgerStore, namespace: str) -> Tree:
    return Tree(store.head(namespace).size, partial(store.tile, namespace))


def _row(store: LedgerStore, namespace: str, sequence: int) -> Row:
    found = store.rows(namespace, sequence, 1) if 0 <= sequence <= MAX_SAFE_INTEGER else []
    if not found:
        raise NotFoundError(f"the log of {namespace} has no entry {sequence}")
    return found[0]


def _rows(store: LedgerStore, namespace: str, size: int) -> Iterator[Row]:
    for first in range(0, size, _PAGE):
        yield from store.rows(namespace, first, min(_PAGE, size - first))


def _checkpoints(store: LedgerStore, namespace: str) -> Iterator[StoredCheckpoint]:
    below: int | None = None
    while found := store.checkpoints(namespace, below=below, limit=_PAGE):
        yield from found
        below = found[-1].size


def _decode(row: Row, namespace: str) -> Entry:
    return Entry.decode(row.data, place=_entry_place(namespace, row.sequence))


def _first_at(store: LedgerStore, namespace: str, size: int, time: int) -> int:
    """Return the sequence number of the first entry at `time` or later; times never run backwards."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if _row(store, namespace, middle).time < time:
            low = middle + 1
        else:
            high = middle
    return low


def _follow_row(follower: Follower, row: Row, store: LedgerStore) -> None:
    namespace = follower.namespace
    place = _entry_place(namespace, follower.size)
    entry, tiles = follower.follow(row.data, place=place)
    if hash_leaf(row.data) != row.leaf_hash:
        raise CorruptError("the entry's bytes are not what its leaf hash was taken of", place=place)
    columns = Row(entry.sequence, entry.time, entry.action, entry.actor.id, entry.concerns, row.leaf_hash, row.data)
    if columns != row:
        raise CorruptError("the columns beside the entry do not say what it says", place=place)
    for tile in tiles:
        found = store.tile(namespace, tile.level, tile.number)
        compare_tile(tile, found, place=_tile_place(namespace, tile.level, tile.number))


def _entry_place(namespace: str, sequence: int) -> str:
    return f"entry {sequence} of {namespace}"


def _tile_place(namespace: str, level: int, number: int) -> str:
    return f"tile {level}/{number} of {namespace}"
