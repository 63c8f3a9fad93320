"""Entries that another repository wrote and signed, taken into a log as they are, byte for byte.

What arrives is checked as `audit` would: canonical form, place, time, and the root that it leads to, which a proof must
lead on to a checkpoint whose signatures were verified. So each part of a log that arrives proves itself, and what is
here at any moment is a true beginning of the log that was signed.
"""

from collections.abc import Sequence
from functools import partial

from stemma.errors import ConflictError, CorruptError
from stemma.ledger.entry import Entry
from stemma.ledger.evidence.checkpoint import Checkpoint
from stemma.ledger.ports import LogTransaction, Row
from stemma.ledger.proof import verify_consistency
from stemma.ledger.tree import Tree, grow, hash_leaf

MAX_AHEAD = 24 * 3600 * 1_000_000
"""Microseconds that an entry's time may be ahead of this clock: what follows it could be no earlier."""


def arrive(
    tx: LogTransaction, namespace: str, data: Sequence[bytes], signed: Checkpoint, path: Sequence[bytes]
) -> tuple[Entry, ...]:
    """Continue a log with the entries in `data`; `path` proves that `signed` continues what it then is.

    CorruptError for anything that does not follow, ConflictError for a time that has not come here yet.
    """
    store = tx.ledger
    head = store.head(namespace)
    end = head.size + len(data)
    if end > signed.size:
        raise CorruptError(f"{end} entries arrive of a log of {signed.size}", place=f"log of {namespace}")
    entries: list[Entry] = []
    rows: list[Row] = []
    time = head.time
    for sequence, each in enumerate(data, head.size):
        entry = _follow(each, namespace, sequence, time)
        if entry.time > tx.now + MAX_AHEAD:
            hint = "Set the clocks of both machines, or wait."
            raise ConflictError(
                "an entry's time lies more than a day ahead", place=_place(namespace, sequence), hint=hint
            )
        time = entry.time
        entries.append(entry)
        rows.append(Row(sequence, time, entry.action, entry.actor.id, entry.concerns, hash_leaf(each), each))
    tiles = grow(head.size, [row.leaf_hash for row in rows], partial(store.tile, namespace))
    store.add(namespace, rows, tiles)
    root = Tree(end, partial(store.tile, namespace)).root()
    try:
        verify_consistency(old=end, old_root=root, new=signed.size, new_root=signed.root, path=path)
    except CorruptError as error:
        message = f"its first {end} entries are not those of the log that was signed: {error.message}"
        raise CorruptError(message, place=f"log of {namespace}") from error
    return tuple(entries)


def _follow(data: bytes, namespace: str, sequence: int, time: int) -> Entry:
    """Return the entry, which follows one at `time`."""
    place = _place(namespace, sequence)
    entry = Entry.decode(data, place=place)
    if entry.namespace != namespace:
        raise CorruptError(f"an entry of {entry.namespace!r} is in the log of {namespace!r}", place=place)
    if entry.sequence != sequence:
        raise CorruptError(f"number {sequence} follows, not {entry.sequence}", place=place)
    if entry.time < time or (entry.skewed and entry.time != time):
        raise CorruptError("its time does not follow the previous entry's", place=place)
    return entry


def _place(namespace: str, sequence: int) -> str:
    return f"entry {sequence} of {namespace}"
