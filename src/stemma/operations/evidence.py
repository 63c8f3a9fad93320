"""Operations on what proves a log to somebody who does not trust its owner: entries as they are, and signed roots.

Bytes are base64, since a hash covers each of them.
"""

import base64

from stemma.access import Caller, Permission, require
from stemma.errors import InvalidError, NotFoundError
from stemma.ledger.evidence.checkpoint import policy_for, repository_name
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.operations.requests import Nothing, Request
from stemma.operations.views import View
from stemma.paging import check_limit

MAX_PAGE_BYTES = 8 << 20
"""Bytes of entries in one answer, but for a single one that has more."""


class OfLog(Request, frozen=True, kw_only=True):
    """The log of one namespace."""

    namespace: str


class ReadEntries(OfLog, frozen=True, kw_only=True):
    """Entries from sequence number `first` on, at most `limit`."""

    first: int = 0
    limit: int | None = None


class KeysView(View, frozen=True, kw_only=True):
    """The keys that sign the logs, as verifier keys (C2SP signed-note); the origins of all logs begin with `name`."""

    name: str
    keys: tuple[str, ...]


class CheckpointView(View, frozen=True, kw_only=True):
    """The end of a log: its `size` in entries, and the newest signed note, which covers the first `signed` of them.

    `note` is base64, null before the first.
    """

    origin: str
    size: int
    signed: int
    note: str | None


class EntryBytes(View, frozen=True, kw_only=True):
    """Canonical bytes of entries in base64, from sequence number `first` on; none behind the end of the log."""

    first: int
    entries: tuple[str, ...]


def _keys(subjects: Subjects, tx: Transaction, caller: Caller, asked: Nothing) -> KeysView:
    """Tell the public keys that sign the logs."""
    del tx, caller, asked
    name = repository_name(subjects.ledger.repository)
    return KeysView(name=name, keys=tuple(str(key) for key in policy_for(name, subjects.ledger.keys()).keys))


def _checkpoint(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfLog) -> CheckpointView:
    """Tell how long a log is, and its newest signed note."""
    require(tx, caller, Permission.AUDIT, asked.namespace)
    head = subjects.ledger.head(tx, asked.namespace)
    if head.size == 0:
        raise NotFoundError(f"there is no log of {asked.namespace[:80]!r}")
    newest = subjects.ledger.newest_checkpoint(tx, asked.namespace)
    return CheckpointView(
        origin=subjects.ledger.origin(asked.namespace),
        size=head.size,
        signed=0 if newest is None else newest.size,
        note=None if newest is None else base64.b64encode(newest.note).decode(),
    )


def _entries(subjects: Subjects, tx: Transaction, caller: Caller, asked: ReadEntries) -> EntryBytes:
    """Give the canonical bytes of entries, to be verified by who reads them."""
    require(tx, caller, Permission.AUDIT, asked.namespace)
    if asked.first < 0:
        raise InvalidError(f"{asked.first} is no sequence number", place="first")
    subjects.ledger.head(tx, asked.namespace)
    found: list[str] = []
    size = 0
    for row in tx.ledger.rows(asked.namespace, asked.first, check_limit(asked.limit)):
        size += len(row.data)
        if found and size > MAX_PAGE_BYTES:
            break
        found.append(base64.b64encode(row.data).decode())
    return EntryBytes(first=asked.first, entries=tuple(found))


KEYS = Operation("log.keys", Nothing, KeysView, None, "GET", "/log/keys", _keys, unasked="public keys")
CHECKPOINT = Operation("log.checkpoint", OfLog, CheckpointView, Permission.AUDIT, "GET", "/log/checkpoint", _checkpoint)
ENTRIES = Operation("log.entries", ReadEntries, EntryBytes, Permission.AUDIT, "GET", "/log/entries", _entries)
