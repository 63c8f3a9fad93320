"""What entries bring with them when they move to another repository: records and detached texts.

An entry brings a record where it is the one that introduced it: a version with its parameters, evidence. Manifests
move with the files that they list. Other mentions are of what is there already, or stands in another log.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stemma.errors import CorruptError, InvalidError, TooLargeError
from stemma.ledger import Entry, Fact, commitment_of
from stemma.records import Digest, read_record
from stemma.registry.records.evidence import Evidence
from stemma.registry.records.message import clean_text
from stemma.registry.records.parameters import decode_parameters
from stemma.registry.records.version import Version
from stemma.registry.store import RegistryTransaction

REGISTERS = "version.register"
IMPORTS = "version.import"
ORIGIN = "stemma/origin/1"
_VERSIONS = (REGISTERS, IMPORTS)
ADDS_EVIDENCE = "evidence.add"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_MAX_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class CarriedText:
    """A detached text on its way: `text` is None, and `salt` empty, where it was redacted."""

    commitment: Digest
    salt: bytes
    text: str | None


@dataclass(frozen=True, slots=True)
class Brought:
    """Records and texts that some entries bring."""

    records: Mapping[Digest, bytes] = field(default_factory=dict)
    texts: Sequence[CarriedText] = ()


def collect(tx: RegistryTransaction, entry: Entry) -> Brought:
    """Return what `entry` brings, from here; CorruptError where a record of its own is missing."""
    records: dict[Digest, bytes] = {}
    for digest in _records(entry):
        records[digest] = _read(tx, digest)
        for inner in _inner_records(entry, digest, records[digest]):
            records[inner] = _read(tx, inner)
    wanted = dict.fromkeys([*_mentioned(entry), *(text for each in records.items() for text in _texts(entry, *each))])
    held = ((commitment, tx.texts.read(commitment)) for commitment in wanted if commitment not in records)
    return Brought(records, tuple(CarriedText(commitment, *found) for commitment, found in held if found is not None))


def needs(entry: Entry, brought: Brought) -> tuple[set[Digest], set[Digest]]:
    """Return the records that `entry` brings, by what is in `brought`, and the commitments to texts that it may."""
    records: set[Digest] = set()
    commitments = set(_mentioned(entry))
    for digest in _records(entry):
        data = _given(brought, digest, entry)
        records.add(digest)
        records.update(_inner_records(entry, digest, data))
        commitments.update(_texts(entry, digest, data))
    return records, commitments


def store(tx: RegistryTransaction, entries: Sequence[Entry], brought: Brought) -> None:
    """Keep what `entries` bring; CorruptError for what is missing, is not what it is named, or is not theirs.

    Texts that are not there are as good as redacted; one that is here already stays.
    """
    needed: set[Digest] = set()
    commitments: set[Digest] = set()
    for entry in entries:
        records, texts = needs(entry, brought)
        needed |= records
        commitments |= texts
    for digest in sorted(needed):
        if digest not in brought.records:
            raise CorruptError("a record that arriving entries need does not come along", place=f"record {digest}")
        _check_parameters(brought.records[digest], digest)
        tx.records.put(digest, brought.records[digest])
    if surplus := brought.records.keys() - needed:
        raise CorruptError("no arriving entry names this record", place=f"record {min(surplus)}")
    for text in brought.texts:
        if text.commitment not in commitments:
            raise CorruptError("no arriving entry commits to this text", place=f"text {text.commitment}")
        _keep(tx, text)


def manifests(entries: Sequence[Entry], brought: Brought) -> Iterator[tuple[Entry, Digest]]:
    """Yield the entries that register a version, each with the digest of the version's manifest."""
    for entry in entries:
        if entry.action in _VERSIONS and entry.outcome == "done":
            digest = _records(entry)[0]
            yield entry, Version.decode(_given(brought, digest, entry), place=f"record {digest}").manifest


def _records(entry: Entry) -> tuple[Digest, ...]:
    """Return the records that an entry introduces."""
    if entry.outcome != "done" or entry.action not in (*_VERSIONS, ADDS_EVIDENCE):
        return ()
    if entry.after is None:
        raise CorruptError("it names no record", place=f"entry {entry.sequence} of {entry.namespace}")
    origin = entry.facts.get("origin") if entry.action == IMPORTS else None
    return (entry.after,) if origin is None else (entry.after, Digest.parse(str(origin)))


def _inner_records(entry: Entry, digest: Digest, data: bytes) -> tuple[Digest, ...]:
    """Return the records that stand behind one: the parameters of a version, the checkpoint of an origin."""
    if digest != entry.after:
        return (checkpoint_of(data, place=f"record {digest}"),)
    if entry.action not in _VERSIONS:
        return ()
    version = Version.decode(data, place=f"record {digest}")
    return () if version.parameters is None else (version.parameters,)


def checkpoint_of(data: bytes, *, place: str) -> Digest:
    """Return the digest of the checkpoint that a record of an origin names."""
    record = read_record(data, place=place)
    if record.get("schema") != ORIGIN or not isinstance(record.get("checkpoint"), str):
        raise CorruptError("not the record of an origin", place=place)
    return Digest.parse(str(record["checkpoint"]))


def _texts(entry: Entry, digest: Digest, data: bytes) -> tuple[Digest, ...]:
    """Return what a record commits to."""
    if digest != entry.after:
        return ()
    if entry.action in _VERSIONS:
        return tuple(Version.decode(data, place=f"record {digest}").commitments.values())
    statement = Evidence.decode(data, place=f"record {digest}").statement
    return () if statement is None else (statement,)


def _mentioned(entry: Entry) -> Iterator[Digest]:
    """Yield what may be a commitment in an entry itself: its reason, and digests among its facts."""
    if entry.reason is not None:
        yield Digest(entry.reason)
    yield from _among(entry.facts)


def _among(fact: Fact) -> Iterator[Digest]:
    if isinstance(fact, str):
        if _DIGEST.fullmatch(fact):
            yield Digest(fact)
    elif isinstance(fact, Mapping):
        for item in fact.values():
            yield from _among(item)
    elif isinstance(fact, Sequence):
        for item in fact:
            yield from _among(item)


def _read(tx: RegistryTransaction, digest: Digest) -> bytes:
    data = tx.records.read(digest)
    if data is None or Digest.of(data) != digest:
        hint = "Run 'stemma db check' in the repository that it comes from."
        raise CorruptError("the record is missing or is not what its digest says", place=f"record {digest}", hint=hint)
    return data


def _given(brought: Brought, digest: Digest, entry: Entry) -> bytes:
    data = brought.records.get(digest)
    if data is None:
        place = f"entry {entry.sequence} of {entry.namespace}"
        raise CorruptError(f"its record {digest} does not arrive with it", place=place)
    return data


def _check_parameters(data: bytes, digest: Digest) -> None:
    if data.startswith(b'{"schema":"stemma/parameters/'):
        decode_parameters(data, place=f"record {digest}")


def _keep(tx: RegistryTransaction, text: CarriedText) -> None:
    known = tx.texts.read(text.commitment)
    if known is not None:
        return
    if text.text is None:
        tx.texts.put(text.commitment, b"", "")
        tx.texts.redact(text.commitment)
        return
    try:
        is_same = commitment_of(text.salt, text.text) == text.commitment
        is_clean = clean_text(text.text, "text", limit=_MAX_TEXT) == text.text
    except (InvalidError, TooLargeError) as error:
        raise CorruptError(error.message, place=f"text {text.commitment}") from error
    if not is_same or not is_clean:
        raise CorruptError("the text is not the one that was committed to", place=f"text {text.commitment}")
    tx.texts.put(text.commitment, text.salt, text.text)
