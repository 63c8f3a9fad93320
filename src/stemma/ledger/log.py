"""Appending to a log: the one path by which an entry gets its place.

Sequence numbers have no gaps, time never runs backwards, and the tiles that an append completes are stored with it.
"""

from collections.abc import Sequence
from functools import partial

from stemma.errors import InvalidError
from stemma.ledger.entry import Draft, Entry
from stemma.ledger.ports import LogTransaction, Row
from stemma.ledger.tree import grow, hash_leaf


def append(tx: LogTransaction, draft: Draft) -> Entry:
    """Enter `draft` at the end of its namespace's log, at the transaction's time or the last entry's if later."""
    return append_many(tx, (draft,))[0]


def append_many(tx: LogTransaction, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
    """Enter drafts of one namespace in order, as `append` would one by one."""
    if not drafts:
        return ()
    namespace = drafts[0].namespace
    store = tx.ledger
    head = store.head(namespace)
    time = max(tx.now, head.time)
    skewed = tx.now < head.time
    entries: list[Entry] = []
    rows: list[Row] = []
    leaves: list[bytes] = []
    for sequence, draft in enumerate(drafts, head.size):
        if draft.namespace != namespace:
            raise InvalidError(f"one append writes to one log, not to {namespace!r} and {draft.namespace!r}")
        entry = Entry.at(draft, sequence=sequence, time=time, skewed=skewed)
        data = entry.encode()
        leaf = hash_leaf(data)
        entries.append(entry)
        leaves.append(leaf)
        rows.append(Row(sequence, time, entry.action, entry.actor.id, entry.concerns, leaf, data))
    store.add(namespace, rows, grow(head.size, leaves, partial(store.tile, namespace)))
    return tuple(entries)
