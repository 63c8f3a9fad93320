"""Sending a log, part by part: first the files that its versions need, then the entries with what they bring.

The target's log says how far it got, so a send that was interrupted goes on where it ended, and two at once meet.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from stemma.client.calls import Calls
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.client.syncing.content import Content
from stemma.client.syncing.standing import Standing
from stemma.errors import CorruptError
from stemma.ledger import Entry
from stemma.operations.exchange.offering import ENTRIES
from stemma.operations.exchange.receiving import RECEIVE
from stemma.operations.exchange.values import PartSent, PersonGiven, ReadPart, ReceiveEntries, TextGiven
from stemma.records import Digest
from stemma.registry.exchange.brought import IMPORTS, REGISTERS
from stemma.registry.records.version import Version

MOST_ENTRIES = 500


@dataclass(slots=True)
class Sent:
    """What went over: entries, and versions among them."""

    entries: int = 0
    versions: int = 0


@dataclass(frozen=True, slots=True)
class Registering:
    """An entry that registers a version, and the version."""

    entry: Entry
    digest: Digest
    version: Version

    @property
    def model(self) -> str:
        """`namespace/name`."""
        return f"{self.entry.namespace}/{self.entry.facts['model']}"

    @property
    def wanted(self) -> Wanted:
        """Its files."""
        return Wanted(f"{self.model}@{self.digest}", self.version.manifest)


def send_log(source: Calls, target: Calls, standing: Standing, content: Content, progress: Progress) -> Sent:
    """Send what the target's log lacks of the source's, up to its checkpoint; return what that was."""
    origin, sent = standing.origin, Sent()
    end = origin.checkpoint.size
    size = standing.shared
    progress.start(f"Sending the log of {origin.namespace}", end - size, "entries")
    try:
        while size < end:
            part = read_part(source, standing, size)
            versions = [each.wanted for each in registrations(part)]
            manifests = content.send(versions)
            sent.versions += len(versions)
            done = target.run(RECEIVE, received(part, standing, manifests)).size
            if done <= size:
                raise CorruptError(f"it has {done} entries after {len(part.entries)} arrived", place=target.place)
            progress.advance(done - size)
            sent.entries += done - size
            size = done
    finally:
        progress.finish()
    return sent


def measure_log(source: Calls, standing: Standing, content: Content, progress: Progress) -> Sent:
    """Return what `send_log` would send."""
    end = standing.origin.checkpoint.size
    sent, at = Sent(end - standing.shared), standing.shared
    progress.start(f"Reading the log of {standing.origin.namespace}", sent.entries, "entries")
    try:
        while at < end:
            part = read_part(source, standing, at)
            versions = [each.wanted for each in registrations(part)]
            content.measure(versions)
            sent.versions += len(versions)
            progress.advance(len(part.entries))
            at += len(part.entries)
    finally:
        progress.finish()
    return sent


def read_part(source: Calls, standing: Standing, first: int) -> PartSent:
    """Return the next part of the source's log; CorruptError where it answers with none or another."""
    origin = standing.origin
    asked = ReadPart(namespace=origin.namespace, first=first, until=origin.checkpoint.size, limit=MOST_ENTRIES)
    part = source.run(ENTRIES, asked)
    if part.first != first or not 0 < len(part.entries) <= MOST_ENTRIES:
        raise CorruptError(f"it answers with {len(part.entries)} entries from {part.first}", place=source.place)
    return part


def received(part: PartSent, standing: Standing, manifests: tuple[str, ...]) -> ReceiveEntries:
    """Return the request to take a part in; the keys were confirmed before."""
    return ReceiveEntries(
        namespace=standing.origin.namespace,
        first=part.first,
        entries=part.entries,
        records=part.records,
        texts=texts_given(part),
        people=people_given(part),
        manifests=manifests,
        path=part.path,
        note=standing.origin.note,
        keys=standing.offer.keys,
        trusted=tuple(str(key) for key in standing.origin.fingerprints),
    )


def texts_given(part: PartSent, wanted: Collection[str] | None = None) -> tuple[TextGiven, ...]:
    """Return the texts of a part, those with commitments in `wanted` if given, to be given on."""
    return tuple(
        TextGiven(commitment=each.commitment, salt=each.salt, text=each.text)
        for each in part.texts
        if wanted is None or each.commitment in wanted
    )


def people_given(part: PartSent, acting: Collection[str] | None = None) -> tuple[PersonGiven, ...]:
    """Return the people of a part, those in `acting` if given, to be given on."""
    return tuple(
        PersonGiven(pseudonym=each.pseudonym, name=each.name)
        for each in part.people
        if acting is None or each.pseudonym in acting
    )


def records_of(part: PartSent) -> dict[Digest, bytes]:
    """Return the records of a part by the digests that they really have."""
    return {Digest.of(data): data for data in (record.encode("utf-8", "replace") for record in part.records)}


def entries_of(part: PartSent) -> Iterator[Entry]:
    """Yield the entries of a part."""
    for number, text in enumerate(part.entries, part.first):
        yield Entry.decode(text.encode("utf-8", "replace"), place=f"entry {number}")


def registrations(part: PartSent) -> Iterator[Registering]:
    """Yield the versions that a part registers; CorruptError for one whose record does not come with it."""
    records = records_of(part)
    for entry in entries_of(part):
        if entry.action in (REGISTERS, IMPORTS) and entry.outcome == "done":
            place = f"entry {entry.sequence} of {entry.namespace}"
            if entry.after is None or entry.after not in records:
                raise CorruptError("its version does not come with it", place=place)
            version = Version.decode(records[entry.after], place=f"record {entry.after}")
            yield Registering(entry, entry.after, version)
