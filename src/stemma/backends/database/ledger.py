"""The tables of the ledger and their stores: entries, tiles and checkpoints per namespace, records, detached texts.

All are primary: nothing else brings them back. Rows are only ever added, but for a tile that grows until it is
complete and a text that is redacted. An entry's `position` grows over all logs in the order of writing, by which they
can be replayed: what an entry follows from stands before it.
"""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Column, Identity, Index, bindparam, func, insert, select, update

from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore, upsert
from stemma.backends.database.schema import BYTES, TEXT, WHOLE, TableClass, digest_column, table
from stemma.errors import NotFoundError
from stemma.ledger import EMPTY, Head, LogFilter, Row, StoredCheckpoint, Tile
from stemma.ledger.tree import WIDTH
from stemma.records import Digest

entries = table(
    "entries",
    TableClass.PRIMARY,
    Column("position", WHOLE, Identity(), primary_key=True),
    Column("namespace", TEXT, nullable=False),
    Column("sequence", WHOLE, nullable=False),
    Column("time", WHOLE, nullable=False),
    Column("action", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("concerns", TEXT, nullable=False),
    digest_column("leaf_hash"),
    Column("data", BYTES, nullable=False),
    Index("ux_entries_sequence", "namespace", "sequence", unique=True),
    Index("ix_entries_concerns", "namespace", "concerns", "sequence"),
)
tiles = table(
    "tiles",
    TableClass.PRIMARY,
    Column("namespace", TEXT, primary_key=True),
    Column("level", WHOLE, primary_key=True, autoincrement=False),
    Column("number", WHOLE, primary_key=True, autoincrement=False),
    Column("hashes", BYTES, nullable=False),
)
checkpoints = table(
    "checkpoints",
    TableClass.PRIMARY,
    Column("namespace", TEXT, primary_key=True),
    Column("size", WHOLE, primary_key=True, autoincrement=False),
    Column("time", WHOLE, nullable=False),
    Column("note", BYTES, nullable=False),
)
records = table(
    "records",
    TableClass.PRIMARY,
    digest_column("digest", primary_key=True),
    Column("data", BYTES, nullable=False),
)
texts = table(
    "texts",
    TableClass.PRIMARY,
    digest_column("commitment", primary_key=True),
    Column("salt", BYTES, nullable=False),
    Column("text", TEXT),
)

_here = entries.c.namespace == bindparam("namespace")
_columns = (
    entries.c.sequence,
    entries.c.time,
    entries.c.action,
    entries.c.actor,
    entries.c.concerns,
    entries.c.leaf_hash,
    entries.c.data,
)
_NEXT_NAMESPACE = Statement(select(func.min(entries.c.namespace)).where(entries.c.namespace > bindparam("behind")))
_HEAD = Statement(select(entries.c.sequence, entries.c.time).where(_here).order_by(entries.c.sequence.desc()).limit(1))
_ADD = Statement(insert(entries), keys=("namespace", "sequence", *(column.name for column in _columns[1:])))
_ROWS = Statement(
    select(*_columns)
    .where(_here, entries.c.sequence >= bindparam("first"), entries.c.sequence < bindparam("end"))
    .order_by(entries.c.sequence)
)
_LEAVES = Statement(
    select(entries.c.leaf_hash)
    .where(_here, entries.c.sequence >= bindparam("first"), entries.c.sequence < bindparam("end"))
    .order_by(entries.c.sequence)
)
_TILE = Statement(
    select(tiles.c.hashes).where(
        tiles.c.namespace == bindparam("namespace"),
        tiles.c.level == bindparam("level"),
        tiles.c.number == bindparam("number"),
    )
)
_STORE_TILE = Statement(upsert(tiles, ["namespace", "level", "number"]))
_CHECKPOINTS = Statement(
    select(checkpoints.c.size, checkpoints.c.time, checkpoints.c.note)
    .where(checkpoints.c.namespace == bindparam("namespace"), checkpoints.c.size < bindparam("below"))
    .order_by(checkpoints.c.size.desc())
    .limit(bindparam("count"))
)
_ADD_CHECKPOINT = Statement(insert(checkpoints))
_PUT_RECORD = Statement(insert_or_ignore(records))
_READ_RECORD = Statement(select(records.c.data).where(records.c.digest == bindparam("digest")))
_HAS_RECORD = Statement(select(records.c.digest).where(records.c.digest == bindparam("digest")))
_PUT_TEXT = Statement(insert_or_ignore(texts))
_READ_TEXT = Statement(select(texts.c.salt, texts.c.text).where(texts.c.commitment == bindparam("commitment")))
_REDACT = Statement(
    update(texts).where(texts.c.commitment == bindparam("which")).values(salt=bindparam("salt"), text=bindparam("text"))
)
_NO_BOUND = 2**63 - 1


@cache
def _search(members: tuple[str, ...], newest_first: bool) -> Statement:  # noqa: FBT001  # a key of the cache
    """Return the statement for a filter that says something about `members`, so that each uses its index."""
    order = entries.c.sequence.desc() if newest_first else entries.c.sequence
    return Statement(
        select(entries.c.data)
        .where(_here, entries.c.sequence >= bindparam("first"), entries.c.sequence < bindparam("end"))
        .where(*(entries.c[name] == bindparam(name) for name in members))
        .order_by(order)
        .limit(bindparam("count"))
    )


class DatabaseLedger:
    """`LedgerStore` on a database; `logs` are those that are locked for this transaction, None where all are.

    What serialises appends is that lock, which the executor takes when the transaction begins.
    """

    __slots__ = ("_connection", "_logs")

    def __init__(self, connection: Connection, logs: frozenset[str] | None = None) -> None:
        self._connection = connection
        self._logs = logs

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all logs, sorted; one look-up in the index for each."""
        names: list[str] = []
        while (row := self._connection.one(_NEXT_NAMESPACE, behind=names[-1] if names else "")) and row[0] is not None:
            names.append(row[0])
        return tuple(names)

    def head(self, namespace: str) -> Head:
        """Return the end of a log."""
        row = self._connection.one(_HEAD, namespace=namespace)
        return EMPTY if row is None else Head(row[0] + 1, row[1])

    def add(self, namespace: str, rows: Sequence[Row], tiles: Sequence[Tile]) -> None:
        """Append rows and store the tiles that follow from them; RuntimeError where the log is not locked."""
        self._check_locked(namespace)
        added = [
            {
                "namespace": namespace,
                "sequence": row.sequence,
                "time": row.time,
                "action": row.action,
                "actor": row.actor,
                "concerns": row.concerns,
                "leaf_hash": row.leaf_hash,
                "data": row.data,
            }
            for row in rows
        ]
        if len(added) == 1:
            self._connection.send(_ADD, **added[0])
        else:
            self._connection.run_many(_ADD, added)
        if tiles:
            grown = [
                {"namespace": namespace, "level": tile.level, "number": tile.number, "hashes": tile.hashes}
                for tile in tiles
            ]
            self._connection.run_many(_STORE_TILE, grown)

    def rows(self, namespace: str, first: int, count: int) -> list[Row]:
        """Return up to `count` entries from sequence number `first` on, in order."""
        found = self._connection.all(_ROWS, namespace=namespace, first=first, end=first + count)
        return [Row(*row) for row in found]

    def search(
        self, namespace: str, chosen: LogFilter, *, first: int, end: int, newest_first: bool, limit: int
    ) -> list[bytes]:
        """Return up to `limit` entries' bytes with sequence numbers in [`first`, `end`)."""
        wanted = {"action": chosen.action, "actor": chosen.actor, "concerns": chosen.concerns}
        given = {name: value for name, value in wanted.items() if value is not None}
        statement = _search(tuple(given), newest_first)
        found = self._connection.all(statement, namespace=namespace, first=first, end=end, count=limit, **given)
        return [row[0] for row in found]

    def tile(self, namespace: str, level: int, number: int) -> bytes:
        """Return a tile's hashes; those of the last tile of level 0 come from its entries."""
        row = self._connection.one(_TILE, namespace=namespace, level=level, number=number)
        if row is not None:
            hashes: bytes = row[0]
            return hashes
        if level:
            return b""
        first = number * WIDTH
        return b"".join(
            leaf for (leaf,) in self._connection.all(_LEAVES, namespace=namespace, first=first, end=first + WIDTH)
        )

    def checkpoints(self, namespace: str, *, below: int | None, limit: int) -> list[StoredCheckpoint]:
        """Return up to `limit` checkpoints, newest first."""
        found = self._connection.all(
            _CHECKPOINTS, namespace=namespace, below=_NO_BOUND if below is None else below, count=limit
        )
        return [StoredCheckpoint(*row) for row in found]

    def add_checkpoint(self, namespace: str, checkpoint: StoredCheckpoint) -> None:
        """Store a checkpoint; AlreadyExistsError where there is one of its size, RuntimeError as for `add`."""
        self._check_locked(namespace)
        self._connection.send(
            _ADD_CHECKPOINT, namespace=namespace, size=checkpoint.size, time=checkpoint.time, note=checkpoint.note
        )

    def _check_locked(self, namespace: str) -> None:
        if self._logs is not None and namespace not in self._logs:
            raise RuntimeError(f"the log {namespace!r} is not among those that this write names: {sorted(self._logs)}")


class DatabaseRecords:
    """`RecordStore` on a database; what was put in this transaction is known without asking."""

    __slots__ = ("_connection", "_put")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._put: dict[Digest, bytes] = {}

    def put(self, digest: Digest, data: bytes) -> None:
        """Store `data`; storing it again changes nothing."""
        self._connection.send(_PUT_RECORD, digest=digest.raw, data=data)
        self._put[digest] = data

    def read(self, digest: Digest) -> bytes | None:
        """Return the bytes of a record."""
        if digest in self._put:
            return self._put[digest]
        row = self._connection.one(_READ_RECORD, digest=digest.raw)
        return None if row is None else row[0]

    def has(self, digest: Digest) -> bool:
        """Return whether the record is here."""
        return self._connection.one(_HAS_RECORD, digest=digest.raw) is not None


class DatabaseTexts:
    """`TextStore` on a database; what was put in this transaction is known without asking."""

    __slots__ = ("_connection", "_put")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._put: dict[str, tuple[bytes, str]] = {}

    def put(self, commitment: str, salt: bytes, text: str) -> None:
        """Store a text beside its commitment; storing it again changes nothing."""
        if self._connection.run(_PUT_TEXT, commitment=Digest.parse(commitment).raw, salt=salt, text=text):
            self._put[commitment] = (salt, text)

    def read(self, commitment: str) -> tuple[bytes, str | None] | None:
        """Return salt and text, `(b"", None)` where it was redacted, None where it was never here."""
        if commitment in self._put:
            return self._put[commitment]
        row = self._connection.one(_READ_TEXT, commitment=Digest.parse(commitment).raw)
        return None if row is None else (row[0], row[1])

    def redact(self, commitment: str) -> None:
        """Forget text and salt for good."""
        self._put.pop(commitment, None)
        if not self._connection.run(_REDACT, which=Digest.parse(commitment).raw, salt=b"", text=None):
            raise NotFoundError(f"no text has the commitment {commitment}")
