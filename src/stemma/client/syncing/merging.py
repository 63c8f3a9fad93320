"""Taking over what the source has since its log and the target's parted: versions with their numbers, then names.

What the target lacks is made there. What both have, and differently, is a conflict: it is listed and left as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stemma.client.calls import Calls
from stemma.client.progress import Progress
from stemma.client.syncing.answers import Conflict
from stemma.client.syncing.content import Content
from stemma.client.syncing.meeting import Meeting, find, newest_on
from stemma.client.syncing.names import Names
from stemma.client.syncing.sending import (
    Registering,
    Sent,
    entries_of,
    people_given,
    read_part,
    records_of,
    registrations,
    texts_given,
)
from stemma.client.syncing.standing import Standing
from stemma.ledger import Entry
from stemma.operations.exchange.importing import BIND, EVIDENCE, IMPORT
from stemma.operations.exchange.offering import PROOF
from stemma.operations.exchange.values import BindNumber, ImportEvidence, ImportVersion, PartSent, ProveEntry
from stemma.operations.views import Resolved
from stemma.records import Digest
from stemma.registry.exchange.brought import ADDS_EVIDENCE, REGISTERS, Brought, needs
from stemma.registry.records.evidence import Evidence

_LONGEST = 40
"""Characters of a branch's name that are kept where it is continued beside its namesake."""


def merge(
    source: Calls, target: Calls, standing: Standing, content: Content, progress: Progress, *, plan: bool
) -> tuple[Sent, tuple[Conflict, ...]]:
    """Take over what the source's log says behind what both have in common; with `plan` only say what that would be."""
    work = _Merge(Meeting(source, target, plan=plan), standing, content)
    at, end = standing.shared, standing.origin.checkpoint.size
    progress.start(f"Comparing {standing.origin.namespace}", end - at, "entries")
    try:
        while at < end:
            part = read_part(source, standing, at)
            work.take(part)
            progress.advance(len(part.entries))
            at += len(part.entries)
    finally:
        progress.finish()
    work.finish()
    return work.sent, tuple(work.meeting.conflicts)


@dataclass(slots=True)
class _Merge:
    """Goes through the source's entries: versions and evidence as they come, names by how they stand at the end."""

    meeting: Meeting
    standing: Standing
    content: Content
    sent: Sent = field(default_factory=Sent)
    _branches: dict[tuple[str, str], str] = field(default_factory=dict)
    _numbers: dict[tuple[str, str], Digest] = field(default_factory=dict)
    _names: Names = field(init=False)

    def __post_init__(self) -> None:
        self._names = Names(self.standing.origin.repository)

    def take(self, part: PartSent) -> None:
        """Take over the versions and the evidence of a part, and note its numbers and names."""
        records = records_of(part)
        texts = {each.commitment: each.text for each in part.texts}
        for registering in registrations(part):
            present = find(self.meeting.target, registering.model, registering.digest)
            if present is not None:
                self._compare_branch(registering, present)
            elif self.meeting.promise(registering.model, registering.digest):
                self._take_version(registering, part, records)
        for entry in entries_of(part):
            if entry.outcome != "done":
                continue
            model = f"{entry.namespace}/{entry.facts.get('model')}"
            if entry.action == "version.number" and entry.after is not None:
                self._numbers[model, str(entry.facts["number"])] = entry.after
            elif entry.action == ADDS_EVIDENCE:
                self._take_evidence(model, entry, part, records)
            else:
                self._names.note(model, entry, texts)

    def finish(self) -> None:
        """Bind the numbers, and set the names as the source has them now."""
        for (model, number), digest in self._numbers.items():
            self._take_number(model, number, digest)
        self._names.settle(self.meeting)

    def _take_version(self, registering: Registering, part: PartSent, records: Mapping[Digest, bytes]) -> None:
        """Send the files of a version, then the version with the proof of its origin."""
        model, entry = registering.model, registering.entry
        branch = self._branch(model, str(entry.facts["branch"]))
        self.sent.versions += 1
        if self.meeting.plan:
            self.content.measure([registering.wanted])
            return
        manifests = self.content.send([registering.wanted])
        origin = self.standing.origin
        asked = ProveEntry(namespace=entry.namespace, index=entry.sequence, size=origin.checkpoint.size)
        needed, commitments = needs(entry, Brought(records))
        request = ImportVersion(
            namespace=entry.namespace,
            entry=part.entries[entry.sequence - part.first],
            path=self.meeting.source.run(PROOF, asked).path,
            records=tuple(records[digest].decode() for digest in sorted(needed) if digest in records),
            texts=texts_given(part, commitments),
            people=people_given(part, [each.id for each in (entry.actor, entry.on_behalf_of) if each is not None]),
            manifests=manifests,
            note=origin.note,
            keys=self.standing.offer.keys,
            branch=branch,
        )
        self.meeting.target.run(IMPORT, request)

    def _branch(self, model: str, branch: str) -> str:
        """Return the branch of the target to register on: its namesake, unless the target has gone on there itself."""
        if (model, branch) not in self._branches:
            self._branches[model, branch] = self._choose(model, branch)
        return self._branches[model, branch]

    def _choose(self, model: str, branch: str) -> str:
        head = newest_on(self.meeting.target, model, branch)
        known = None if head is None else find(self.meeting.source, model, head.digest)
        if head is None or (known is not None and known.branch == branch):
            return branch
        repository = self.standing.origin.repository.rpartition("/")[2]
        beside = f"{branch[:_LONGEST]}-from-{repository[:8]}"
        self._leave_branch(model, branch, beside)
        return beside

    def _compare_branch(self, registering: Registering, present: Resolved) -> None:
        """List that a version was taken onto another branch before; one that the source took itself is as it should."""
        branch = str(registering.entry.facts["branch"])
        key = (registering.model, branch)
        if present.branch != branch and registering.entry.action == REGISTERS and key not in self._branches:
            self._branches[key] = present.branch
            self._leave_branch(*key, present.branch)

    def _leave_branch(self, model: str, branch: str, beside: str) -> None:
        head, mine = (newest_on(calls, model, branch) for calls in (self.meeting.target, self.meeting.source))
        self.meeting.leave(
            Conflict(
                kind="branch",
                model=model,
                name=branch,
                source=None if mine is None else mine.reference,
                target=None if head is None else head.reference,
                why=f"both went on; what is new of the source's is on {beside}",
            )
        )

    def _take_number(self, model: str, number: str, digest: Digest) -> None:
        holder = find(self.meeting.target, model, number)
        version = find(self.meeting.target, model, digest)
        if holder is not None and holder.digest == digest:
            return
        conflict = Conflict(
            kind="number",
            model=model,
            name=number,
            source=f"{model}@{digest}",
            target=None if holder is None else f"{model}@{holder.digest}",
            why="the number is another version's" if holder else "the version has another number already",
        )
        if holder is not None or (version is not None and self._is_numbered(version.number, number)):
            self.meeting.leave(conflict)
        elif not self.meeting.plan:
            request = BindNumber(model=model, version=digest, number=number)
            if not self.meeting.target.run(BIND, request).changed:
                self.meeting.leave(conflict)

    def _is_numbered(self, held: str | None, number: str) -> bool:
        """Return whether a version's number is of the same kind, release or pre-release, as another."""
        return held is not None and ("-" in held) == ("-" in number)

    def _take_evidence(self, model: str, entry: Entry, part: PartSent, records: Mapping[Digest, bytes]) -> None:
        if self.meeting.plan or entry.after is None or entry.after not in records:
            return
        evidence = Evidence.decode(records[entry.after], place=f"record {entry.after}")
        request = ImportEvidence(
            model=model,
            version=evidence.version,
            record=records[entry.after].decode(),
            texts=texts_given(part, () if evidence.statement is None else (evidence.statement,)),
        )
        name = f"{evidence.kind} of {evidence.version}"
        conflict = Conflict(kind="evidence", model=model, name=name, source=entry.after, target=None, why="")
        self.meeting.attempt(conflict, lambda: self.meeting.target.run(EVIDENCE, request))
