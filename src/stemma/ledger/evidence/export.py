"""Exports: everything needed to check the logs without the repository, as static files.

An export covers each log up to its newest checkpoint, and the records and detached texts that its entries mention, at
any depth. Its index lists every file, and a signed note over the index makes a missing file as visible as a changed
one. The layout is in `layout`; how it is checked, in `offline`.
"""

import re
from collections.abc import Iterator, Sequence

from stemma.errors import ConflictError, CorruptError
from stemma.ledger.evidence import layout
from stemma.ledger.evidence.checkpoint import Checkpoint, Signer, policy_for, repository_name, sign_checkpoint
from stemma.ledger.evidence.layout import Listed, Piece
from stemma.ledger.ports import LedgerTransaction, StoredCheckpoint
from stemma.ledger.text import commitment_of
from stemma.ledger.tree import HASH, WIDTH
from stemma.records import Digest, canonical

_MENTION = re.compile(rb'"(sha256:[0-9a-f]{64})"')


def export(tx: LedgerTransaction, repository: str, signers: Sequence[Signer]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, bytes) of every file of an export of all logs of the repository with this id; reads only.

    Every log needs a checkpoint, best a fresh one (`Ledger.checkpoint(…, at_once=True)`), else a ConflictError. The
    files are complete once the last is written: `index`, `keys` and `checkpoint` come at the end.
    """
    name = repository_name(repository)
    files: list[Listed] = []
    mentioned: dict[str, None] = {}
    for path, data in _contents(tx, name, signers, mentioned):
        files.append(Listed.of(path, data))
        yield path, data
    index = layout.encode_index(files)
    origin = f"{name}/{layout.EXPORTS}/{tx.now}"
    checkpoint = Checkpoint(origin, len(files), layout.index_root(index))
    yield layout.INDEX, index
    yield layout.KEYS, _keys(name, signers)
    yield layout.CHECKPOINT, sign_checkpoint(checkpoint, signers, tx.now)


def _contents(
    tx: LedgerTransaction, name: str, signers: Sequence[Signer], mentioned: dict[str, None]
) -> Iterator[tuple[str, bytes]]:
    for namespace in tx.ledger.namespaces():
        newest = next(iter(tx.ledger.checkpoints(namespace, below=None, limit=1)), None)
        if newest is None:
            raise ConflictError(f"the log of {namespace} has no checkpoint yet", hint="Sign one, then export again.")
        folder = f"{layout.LOGS}/{namespace}"
        yield f"{folder}/{layout.CHECKPOINT}", newest.note
        yield f"{folder}/{layout.KEYS}", _keys(f"{name}/{namespace}", signers)
        for path, data in _log(tx, namespace, newest, mentioned):
            yield f"{folder}/{path}", data
    yield from _mentions(tx, mentioned)


def _log(
    tx: LedgerTransaction, namespace: str, newest: StoredCheckpoint, mentioned: dict[str, None]
) -> Iterator[tuple[str, bytes]]:
    for piece in layout.pieces(newest.size):
        data = _piece(tx, namespace, piece)
        if piece.level is None:
            _collect(data, mentioned)
        yield piece.path, data


def _piece(tx: LedgerTransaction, namespace: str, piece: Piece) -> bytes:
    if piece.level is not None:
        hashes = tx.ledger.tile(namespace, piece.level, piece.number)[: piece.width * HASH]
        if len(hashes) != piece.width * HASH:
            message = f"the tile has {len(hashes)} bytes, not {piece.width * HASH}"
            raise CorruptError(message, place=f"tile {piece.level}/{piece.number} of {namespace}")
        return hashes
    first = piece.number * WIDTH
    rows = tx.ledger.rows(namespace, first, piece.width)
    if len(rows) != piece.width:
        raise CorruptError(f"{piece.width - len(rows)} entries are missing", place=f"log of {namespace} from {first}")
    return layout.encode_bundle([row.data for row in rows])


def _mentions(tx: LedgerTransaction, mentioned: dict[str, None]) -> Iterator[tuple[str, bytes]]:
    """Yield the records and texts that are mentioned, and what those records mention in turn."""
    waiting = [*mentioned]
    while waiting:
        digest = Digest(waiting.pop())
        data = tx.records.read(digest)
        if data is not None:
            if Digest.of(data) != digest:
                raise CorruptError("the record's bytes are not what its digest says", place=f"record {digest}")
            waiting += _collect(data, mentioned)
            yield f"{layout.RECORDS}/{digest.hex}.json", data
        elif (found := tx.texts.read(digest)) is not None and found[1] is not None:
            salt, text = found
            yield f"{layout.TEXTS}/{digest.hex}.json", _text(digest, salt, text)


def _text(commitment: Digest, salt: bytes, text: str | None) -> bytes:
    if text is None or commitment_of(salt, text) != commitment:
        raise CorruptError("the text is not the one that was committed to", place=f"text {commitment}")
    return canonical({"salt": salt.hex(), "schema": layout.TEXT_SCHEMA, "text": text})


def _collect(data: bytes, mentioned: dict[str, None]) -> list[str]:
    """Add the digests in `data` to those mentioned; return the ones that are new."""
    new: list[str] = []
    for match in _MENTION.findall(data):
        digest = match.decode()
        if digest not in mentioned:
            mentioned[digest] = None
            new.append(digest)
    return new


def _keys(name: str, signers: Sequence[Signer]) -> bytes:
    return layout.encode_keys(policy_for(name, [signer.public_key for signer in signers]).keys)
