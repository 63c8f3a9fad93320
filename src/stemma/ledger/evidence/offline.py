"""Checking an export offline: every byte of it, against keys and roots that are pinned outside it.

The steps, each of which can only refuse:

1. `keys` holds one key per required algorithm, and they are the pinned or trusted ones.
2. `checkpoint` is signed by them, and `index` is what it signs.
3. The files are exactly those that the index lists.
4. Each log's note is signed by the same keys; its entries, recomputed one by one, give every tile, the signed root, and
   the root that was pinned. Every log that was pinned is there.
5. Records and texts are what they are named for.
6. Texts that entries and records commit to and that are not there are reported as redacted.

Every file has the size and SHA-256 that the index lists when it is read, and every file is read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from stemma.errors import CorruptError, InvalidError, StemmaError
from stemma.ledger.audit import Follower, LogReport, compare_tile
from stemma.ledger.evidence import layout
from stemma.ledger.evidence.checkpoint import Checkpoint, Policy, policy_for, repository_name, verify_checkpoint
from stemma.ledger.evidence.layout import Listed, Piece
from stemma.ledger.evidence.note import PublicKey
from stemma.ledger.evidence.pins import Pin, Pins, fingerprints_of
from stemma.ledger.fields import Members, check_namespace
from stemma.ledger.ports import Tile
from stemma.ledger.text import commitment_of
from stemma.ledger.tree import HASH, WIDTH, hash_leaf
from stemma.records import Digest, canonical, read_record

_UNEXPECTED = "this file is not part of the export"
_MISSING = "this file is missing from the export"


class ExportFolder(Protocol):
    """The files of an export, wherever they lie; names are relative paths with '/' between their parts."""

    def names(self) -> Iterable[str]:
        """Return the name of every file, of whatever kind."""
        ...

    def read(self, name: str, /) -> bytes:
        """Return the bytes of a file that `names` returned."""
        ...


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was found true of an export.

    `name` is the repository's, `first_use` says that nothing outside vouched for the keys with these `fingerprints`:
    compare them with the owner's. `pins` is what to remember for the next time. `redacted` lists commitments without
    a text.
    """

    name: str
    fingerprints: tuple[Digest, ...]
    first_use: bool
    logs: tuple[LogReport, ...]
    records: int
    texts: int
    redacted: tuple[str, ...]
    pins: Pins


def verify_export(
    folder: ExportFolder,
    *,
    pins: Pins | None = None,
    trusted: Collection[Digest] = (),
    repository: str | None = None,
) -> ExportReport:
    """Check an export as the module says; the CorruptError's place is the file, and the byte or entry where known.

    `trusted` are fingerprints that count instead of the pinned ones, `repository` the id that it must be of. Roots in
    `pins` must be continued whoever signed.
    """
    pins = pins or Pins()
    names = _names(folder)
    name, keys, first_use = _check_keys(folder.read(layout.KEYS), pins, trusted, repository)  # 1
    files = _check_index(folder, name, keys)  # 2
    _check_names(names - set(layout.OUTER), files.keys())  # 3
    audit = _Audit(folder, files, name, keys, pins.of_repository(name))
    logs = audit.check_logs()  # 4
    audit.check_records()  # 5
    audit.check_texts()
    for log in logs:
        pins = pins.seen(Checkpoint(log.origin, log.size, log.root), keys)
    redacted = tuple(sorted(audit.commitments - audit.texts))  # 6
    fingerprints = fingerprints_of(keys)
    return ExportReport(name, fingerprints, first_use, logs, audit.records, len(audit.texts), redacted, pins)


def _names(folder: ExportFolder) -> set[str]:
    names = list(folder.names())
    for name in layout.OUTER:
        if name not in names:
            raise CorruptError(_MISSING, place=name)
    return set(names)


def _check_keys(
    data: bytes, pins: Pins, trusted: Collection[Digest], repository: str | None
) -> tuple[str, tuple[PublicKey, ...], bool]:
    """Return the repository's name, its keys, and whether this is their first use."""
    found = layout.decode_keys(data, place=layout.KEYS)
    name, keys = found[0].name, tuple(each.key for each in found)
    try:
        policy = policy_for(name, keys)
    except InvalidError as error:
        raise CorruptError(error.message, place=layout.KEYS) from error
    if policy.keys != found:
        raise CorruptError("the keys are not in their order under one name", place=layout.KEYS)
    if repository is not None and name != repository_name(repository):
        raise CorruptError(f"the export is of {name!r}, not of the repository {repository!r}", place=layout.KEYS)
    fingerprints = fingerprints_of(keys)
    pinned = pins.of_repository(name)
    expected = {tuple(trusted)} if trusted else {pin.fingerprints for pin in pinned.values()}
    if any(set(each) != set(fingerprints) for each in expected):
        raise CorruptError(
            f"the export is signed by other keys than the pinned ones: {', '.join(fingerprints)}",
            place=layout.KEYS,
            hint="Ask the owner of the log whether its keys were changed; trust new ones explicitly.",
        )
    return name, keys, not expected


def _check_index(folder: ExportFolder, name: str, keys: tuple[PublicKey, ...]) -> dict[str, Listed]:
    note = folder.read(layout.CHECKPOINT)
    origin = note.partition(b"\n")[0].decode("utf-8", "replace")
    prefix, _, time = origin.rpartition("/")
    if prefix != f"{name}/{layout.EXPORTS}" or not (time.isascii() and time.isdigit()):
        raise CorruptError("the note is not over an export of this repository", place=layout.CHECKPOINT)
    signed = verify_checkpoint(note, _policy(origin, keys, layout.CHECKPOINT), place=layout.CHECKPOINT).checkpoint
    index = folder.read(layout.INDEX)
    files = layout.decode_index(index)
    if len(files) != signed.size or layout.index_root(index) != signed.root:
        raise CorruptError("the index is not the one that was signed", place=layout.INDEX)
    return files


def _policy(origin: str, keys: tuple[PublicKey, ...], place: str) -> Policy:
    try:
        return policy_for(origin, keys)
    except InvalidError as error:
        raise CorruptError(error.message, place=place) from error


def _check_names(found: set[str], listed: Collection[str]) -> None:
    if unexpected := found.difference(listed):
        raise CorruptError(_UNEXPECTED, place=min(unexpected))
    if missing := set(listed) - found:
        raise CorruptError(_MISSING, place=min(missing))


@dataclass(slots=True)
class _Audit:
    """Goes through the listed files, each read once, and keeps what was committed to and what was found."""

    folder: ExportFolder
    files: Mapping[str, Listed]
    name: str
    keys: tuple[PublicKey, ...]
    pinned: Mapping[str, Pin]
    commitments: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    records: int = 0

    def check_logs(self) -> tuple[LogReport, ...]:
        """Check every log, and that every file belongs to a log, a record or a text."""
        paths: dict[str, set[str]] = {}
        for path in self.files:
            kind, _, rest = path.partition("/")
            namespace, _, below = rest.partition("/")
            if kind == layout.LOGS and below:
                paths.setdefault(namespace, set()).add(below)
            elif kind not in (layout.RECORDS, layout.TEXTS) or not rest:
                raise CorruptError(_UNEXPECTED, place=path)
        for origin in self.pinned:
            namespace = origin.rpartition("/")[2]
            if namespace not in paths:
                raise CorruptError("a log that was seen before is missing", place=f"{layout.LOGS}/{namespace}")
        return tuple(self._check_log(namespace, below) for namespace, below in sorted(paths.items()))

    def check_records(self) -> None:
        """Check that records are canonical and what they are named for; note what they commit to."""
        for path in self._paths(layout.RECORDS):
            data = self._read(path)
            if path != f"{layout.RECORDS}/{Digest.of(data).hex}.json":
                raise CorruptError("the record is not the one that it is named for", place=path)
            commitments = read_record(data, place=path).get("commitments")
            if isinstance(commitments, dict):
                self.commitments.update(each for each in commitments.values() if isinstance(each, str))
            self.records += 1

    def check_texts(self) -> None:
        """Check that texts are what was committed to under their names."""
        for path in self._paths(layout.TEXTS):
            commitment = _check_text(self._read(path), path)
            if path != f"{layout.TEXTS}/{commitment.hex}.json":
                raise CorruptError("the text is not the one that it is named for", place=path)
            self.texts.add(commitment)

    def _paths(self, kind: str) -> Iterator[str]:
        return (path for path in self.files if path.startswith(f"{kind}/"))

    def _check_log(self, namespace: str, below: set[str]) -> LogReport:
        prefix = f"{layout.LOGS}/{namespace}"
        try:
            check_namespace(namespace)
        except InvalidError as error:
            raise CorruptError(_UNEXPECTED, place=prefix) from error
        note = f"{prefix}/{layout.CHECKPOINT}"
        if layout.CHECKPOINT not in below:
            raise CorruptError(_MISSING, place=note)
        origin = f"{self.name}/{namespace}"
        policy = _policy(origin, self.keys, note)
        signed = verify_checkpoint(self._read(note), policy, place=note).checkpoint
        if signed.origin != origin:
            raise CorruptError(f"the note is over {signed.origin!r}", place=note)
        pieces = list(layout.pieces(signed.size))
        expected = {layout.CHECKPOINT, layout.KEYS, *(piece.path for piece in pieces)}
        _check_names({f"{prefix}/{each}" for each in below}, [f"{prefix}/{each}" for each in expected])
        if self._read(f"{prefix}/{layout.KEYS}") != layout.encode_keys(policy.keys):
            raise CorruptError("the keys are not those of the export", place=f"{prefix}/{layout.KEYS}")
        follower = Follower(namespace, self._roots(signed, note))
        for piece in pieces:
            if piece.level is None:
                self._follow_bundle(follower, piece, prefix)
        for tile in follower.partial_tiles():
            self._compare(tile, prefix)
        return LogReport(origin, signed.size, signed.root, follower.time, signed.size, 1)

    def _roots(self, signed: Checkpoint, note: str) -> dict[int, tuple[str, bytes]]:
        """Return the roots that the log must have: the signed one, and the pinned one where it is older."""
        roots = {signed.size: ("the checkpoint", signed.root)}
        pin = self.pinned.get(signed.origin)
        if pin is None or pin.size == 0:
            return roots
        if pin.size > signed.size:
            raise CorruptError(f"the log has {signed.size} entries where {pin.size} were seen before", place=note)
        if pin.size == signed.size and pin.root != signed.root:
            raise CorruptError(f"another root was seen before at size {pin.size}", place=note)
        return {pin.size: ("the pin", pin.root), **roots}

    def _follow_bundle(self, follower: Follower, piece: Piece, prefix: str) -> None:
        path = f"{prefix}/{piece.path}"
        for offset, data in layout.decode_bundle(self._read_bundle(path, piece, prefix), piece.width, place=path):
            place = f"{path} byte {offset} (entry {follower.size})"
            entry, tiles = follower.follow(data, place=place)
            if entry.reason is not None:
                self.commitments.add(entry.reason)
            for tile in tiles:
                self._compare(tile, prefix)

    def _compare(self, tile: Tile, prefix: str) -> None:
        path = f"{prefix}/{Piece(tile.level, tile.number, len(tile.hashes) // HASH).path}"
        compare_tile(tile, self._read(path), place=path)

    def _read_bundle(self, path: str, piece: Piece, prefix: str) -> bytes:
        """Read a bundle; where it is damaged, say which entry by the hashes of the tile beside it."""
        try:
            return self._read(path)
        except CorruptError:
            hashes = self.folder.read(f"{prefix}/{Piece(0, piece.number, piece.width).path}")
            bundle = layout.decode_bundle(self.folder.read(path), piece.width, place=path)
            for at, (offset, data) in enumerate(bundle):
                if hash_leaf(data) != hashes[at * HASH : at * HASH + HASH]:
                    place = f"{path} byte {offset} (entry {piece.number * WIDTH + at})"
                    raise CorruptError("the entry is not the one that was hashed", place=place) from None
            raise

    def _read(self, path: str) -> bytes:
        data = self.folder.read(path)
        listed = self.files[path]
        if len(data) != listed.size:
            raise CorruptError(f"the file has {len(data)} bytes, not {listed.size}", place=path)
        if Digest.of(data) != listed.digest:
            raise CorruptError("the file's SHA-256 is not the one in the index", place=path)
        return data


def _check_text(data: bytes, path: str) -> Digest:
    try:
        members = Members.read(data)
        salt, text = bytes.fromhex(members.text("salt")), members.text("text")
        again = canonical({"salt": salt.hex(), "schema": layout.TEXT_SCHEMA, "text": text})
        commitment = commitment_of(salt, text)
    except (StemmaError, ValueError, RecursionError) as error:
        raise CorruptError(f"not a detached text: {error}", place=path) from error
    if again != data:
        raise CorruptError("not the canonical form of a detached text", place=path)
    return commitment
