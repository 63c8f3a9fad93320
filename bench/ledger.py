"""How fast a log takes a million entries, proves what is in it, and is checked: on SQLite, durable at each commit.

    python bench/ledger.py [ENTRIES]

`prepared` appends rows whose bytes and leaf hashes are at hand: what hashing of nodes, tiles and the database cost.
`drafts` is the path that operations take: values are checked, written canonically, hashed, stored.
"""

import importlib.metadata
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from stemma.backends.database.dialect import Connection
from stemma.backends.database.ledger import DatabaseLedger, DatabaseRecords, DatabaseTexts
from stemma.backends.database.sqlite import SqliteFile
from stemma.backends.database.transaction import Ids
from stemma.backends.signers.keyfile import create_keys
from stemma.ledger import Actor, Draft, Fact, Row, Thing, append, append_many
from stemma.ledger.evidence.export import export
from stemma.ledger.evidence.offline import verify_export
from stemma.ledger.ledger import Ledger
from stemma.ledger.proof import verify_consistency, verify_inclusion
from stemma.ledger.tree import grow, hash_leaf
from stemma.records import Digest

BATCH = 1000
SAMPLES = 1000
NOW = 1_790_000_000_000_000
LEDGER = Ledger("0123456789abcdef0123456789abcdef")
ACTOR = Actor("user", "u_3f9c0a11")
DIGEST = Digest.of(b"version")


class Tx:
    """A transaction on a connection, as long as the benchmark wants it."""

    def __init__(self, connection: Connection, now: int) -> None:
        self.now = now
        self.ids = Ids(now)
        self.ledger = DatabaseLedger(connection)
        self.records = DatabaseRecords(connection)
        self.texts = DatabaseTexts(connection)


class Folder:
    """An export in memory."""

    def __init__(self, files: Iterator[tuple[str, bytes]]) -> None:
        self.files = dict(files)

    def names(self) -> Sequence[str]:
        """Return the name of every file."""
        return list(self.files)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return self.files[name]


def draft(number: int) -> Draft:
    """Return what registering a version enters."""
    facts: dict[str, Fact] = {"model": "6f1d2b", "branch": "main", "sequence": number}
    return Draft("team", ACTOR, "version.register", Thing("version", f"{number:032x}", DIGEST), facts=facts)


def database(folder: Path, name: str) -> tuple[SqliteFile, Connection]:
    """Return a new database and a connection that writes to it."""
    file = SqliteFile(folder / name)
    file.create()
    return file, file.open_writer()


def append_prepared(file: SqliteFile, connection: Connection, count: int) -> float:
    """Append rows that are ready; return the seconds that it took."""
    store = DatabaseLedger(connection)
    data = draft(0)
    body = b'{"action":"version.register","object":{"id":"%032x"}}'
    seconds = 0.0
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        entries = [body % number for number in numbers]
        start = time.perf_counter()
        file.begin(connection)
        leaves = [hash_leaf(each) for each in entries]
        rows = [
            Row(number, NOW, data.action, ACTOR.id, data.concerns, leaf, each)
            for number, leaf, each in zip(numbers, leaves, entries, strict=True)
        ]
        store.add("team", rows, grow(first, leaves, partial(store.tile, "team")))
        connection.script("COMMIT")
        seconds += time.perf_counter() - start
    return seconds


def append_drafts(file: SqliteFile, connection: Connection, count: int) -> float:
    """Append drafts in batches, one durable commit each; return the seconds that it took."""
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        file.begin(connection)
        append_many(Tx(connection, NOW + first), [draft(number) for number in range(first, min(first + BATCH, count))])
        connection.script("COMMIT")
    return time.perf_counter() - start


def append_singly(file: SqliteFile, connection: Connection, count: int, *, together: bool) -> float:
    """Append one by one, in one transaction or each in its own; return the seconds for one."""
    tx = Tx(connection, NOW * 2)
    start = time.perf_counter()
    if together:
        file.begin(connection)
    for number in range(count):
        if not together:
            file.begin(connection)
        append(tx, draft(number))
        if not together:
            connection.script("COMMIT")
    if together:
        connection.script("COMMIT")
    return (time.perf_counter() - start) / count


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sampled(works: Sequence[Callable[[], object]]) -> str:
    """Return p50 and p99 over `works`."""
    times = sorted(timed(work) * 1000 for work in works)
    return f"p50 {times[len(times) // 2]:.2f} ms, p99 {times[len(times) * 99 // 100]:.2f} ms"


def prove(tx: Tx, size: int) -> Iterator[tuple[str, str]]:
    """Yield what proofs cost among `size` entries; some are verified."""
    generator = random.Random(1)
    indexes = [generator.randrange(size) for _ in range(SAMPLES)]
    root = LEDGER.root(tx, "team").root
    for index in indexes[:50]:
        proof = LEDGER.prove_inclusion(tx, "team", index)
        leaf = proof.entry.leaf_hash
        verify_inclusion(leaf_hash=leaf, index=index, size=size, root=proof.root, path=proof.path)
        path = LEDGER.prove_consistency(tx, "team", index)
        old = LEDGER.root(tx, "team", index).root
        verify_consistency(old=index, old_root=old, new=size, new_root=root, path=path)
    proofs = [partial(LEDGER.prove_inclusion, tx, "team", index, size) for index in indexes]
    yield "inclusion proof, with its entry and root", sampled(proofs)
    yield "consistency proof", sampled([partial(LEDGER.prove_consistency, tx, "team", index) for index in indexes])
    yield "root at a size", sampled([partial(LEDGER.root, tx, "team", index) for index in indexes])


def run(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    """Yield what was measured and the figure."""
    file, connection = database(folder, "prepared.db")
    seconds = append_prepared(file, connection, count)
    yield f"{count:,} appends of prepared bytes", f"{seconds:.1f} s, {file.path.stat().st_size / 1e6:.0f} MB"
    connection.close()
    file, connection = database(folder, "drafts.db")
    seconds = append_drafts(file, connection, count)
    yield f"{count:,} appends of drafts", f"{seconds:.1f} s, {file.path.stat().st_size / 1e6:.0f} MB"
    tx = Tx(connection, NOW + count)
    yield from prove(tx, count)
    signers = create_keys(folder, "log")
    keys = [signer.public_key for signer in signers]
    yield "checkpoint with both signatures", f"{timed(lambda: LEDGER.checkpoint(tx, 'team', signers)) * 1000:.1f} ms"
    yield "verification of the live log", f"{timed(lambda: LEDGER.verify(tx, 'team', keys)):.1f} s"
    start = time.perf_counter()
    exported = Folder(export(tx, LEDGER.repository, signers))
    yield "export", f"{time.perf_counter() - start:.1f} s, {sum(map(len, exported.files.values())) / 1e6:.0f} MB"
    yield "verification of the export", f"{timed(lambda: verify_export(exported)):.1f} s"
    together = append_singly(file, connection, 10_000, together=True)
    yield "one append among others in a transaction", f"{together * 1e6:.0f} µs"
    alone = append_singly(file, connection, SAMPLES, together=False)
    yield "one append with its own durable commit", f"{alone * 1000:.2f} ms"
    connection.close()


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    print(f"{platform.machine()}, {versions}, cryptography {importlib.metadata.version('cryptography')}")
    with tempfile.TemporaryDirectory() as folder:
        for what, figure in run(Path(folder), count):
            print(f"  {what:<44} {figure}", flush=True)


if __name__ == "__main__":
    main()
