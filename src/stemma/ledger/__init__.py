"""The ledger: append-only Merkle logs of every change, one per namespace and one named `_system`.

Re-exported here is what every subject needs to write and read entries. Signing, exports and their verification
are imported from their own modules, since they load cryptography.
"""

from stemma.ledger.entry import MAX_ENTRY, SCHEMA, Actor, ActorKind, Draft, Entry, Outcome, Thing
from stemma.ledger.fields import Fact, check_namespace, format_time, parse_time
from stemma.ledger.log import append, append_many
from stemma.ledger.ports import (
    EMPTY,
    EVERYTHING,
    Head,
    Ids,
    LedgerStore,
    LedgerTransaction,
    LogFilter,
    LogTransaction,
    RecordStore,
    Row,
    StoredCheckpoint,
    TextStore,
    TextTransaction,
    Tile,
)
from stemma.ledger.text import commit_text, commitment_of

__all__ = [
    "EMPTY",
    "EVERYTHING",
    "MAX_ENTRY",
    "SCHEMA",
    "Actor",
    "ActorKind",
    "Draft",
    "Entry",
    "Fact",
    "Head",
    "Ids",
    "LedgerStore",
    "LedgerTransaction",
    "LogFilter",
    "LogTransaction",
    "Outcome",
    "RecordStore",
    "Row",
    "StoredCheckpoint",
    "TextStore",
    "TextTransaction",
    "Thing",
    "Tile",
    "append",
    "append_many",
    "check_namespace",
    "commit_text",
    "commitment_of",
    "format_time",
    "parse_time",
]
