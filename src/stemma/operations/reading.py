"""From texts to values, and from the subjects' values to views: what every operation shares."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from stemma.access import Caller, readable
from stemma.errors import InvalidError
from stemma.ledger import format_time
from stemma.lineage import Hides
from stemma.names import ModelName, Reference
from stemma.operations.operation import Subjects, Transaction
from stemma.operations.requests import MetricGiven
from stemma.operations.views import MessageView, MetricView, ParentView, Resolved, VersionView, WithdrawalView
from stemma.records import Digest
from stemma.registry import Account, External, Findings, Measurement, Parent, Registration, Subject
from stemma.registry.records.evidence import value_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_moment(text: str | None) -> int | None:
    """Return microseconds since the epoch of an RFC 3339 time with an offset; anything else is an InvalidError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidError(f"{text[:80]!r} is not a time", hint="Write for example 2026-03-03T12:00:00Z.") from error
    if moment.tzinfo is None:
        raise InvalidError(f"{text[:80]!r} does not say in which time zone", hint="End it with Z for UTC.")
    since = moment.astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def read_measurement(given: MetricGiven) -> Measurement:
    """Return a measured figure; one bound of an interval without the other is an InvalidError."""
    value = given.value
    if isinstance(value, str):
        value = value_of(value.lower(), None)
    if (given.low is None) != (given.high is None):
        raise InvalidError(f"the interval of {given.name[:80]!r} has one bound only", hint="Give both, or none.")
    interval = None if given.low is None or given.high is None else (given.low, given.high)
    return Measurement(given.name, value, interval, given.slice or "")


def author_of(subjects: Subjects, tx: Transaction, pseudonym: str) -> str | None:
    """Return the display name of a principal, its pseudonym where it was never introduced, None where redacted."""
    if tx.access.principals.find(pseudonym) is None:
        return pseudonym
    return subjects.access.name_of(tx, pseudonym)


def view_resolved(version: Registration) -> Resolved:
    """Return which version it is; reads nothing."""
    number = version.number
    return Resolved(
        reference=version.reference,
        model=str(version.model),
        number=None if number is None else str(number),
        sequence=version.sequence,
        digest=version.digest,
        manifest=version.manifest,
        branch=version.branch,
        withdrawn=version.withdrawn is not None,
        tainted=version.tainted,
    )


def view_version(
    subjects: Subjects, tx: Transaction, caller: Caller, version: Registration, warnings: Iterable[str] = ()
) -> VersionView:
    """Return all that is known of a version."""
    registry = subjects.registry
    account = registry.versions.show(tx, caller, version.model, version.digest)
    found = account.registration
    findings = registry.evidence.findings(tx, caller, found.model, found.digest)
    labels = registry.labels.of(tx, caller, Subject(found.model, found.digest))
    manifest = subjects.artifacts.manifest(tx, account.version.manifest)
    numbers = tuple(str(number) for number in (found.release, found.prerelease) if number is not None)
    notes = [f"descends from the withdrawn {taint.reference}" for taint in account.taints]
    return VersionView(
        reference=found.reference,
        model=str(found.model),
        number=None if found.number is None else str(found.number),
        sequence=found.sequence,
        digest=found.digest,
        manifest=account.version.manifest,
        branch=found.branch,
        message=_message(account, findings),
        author=author_of(subjects, tx, found.actor),
        registered=format_time(found.time),
        parents=tuple(view_parent(subjects, tx, caller, parent) for parent in account.version.parents),
        numbers=numbers,
        aliases=account.aliases,
        labels={label.key: label.value for label in labels},
        params=dict(account.parameters),
        metrics=_metrics(findings),
        withdrawn=_withdrawal(account),
        tainted=found.tainted,
        files=len(manifest.files),
        bytes=sum(file.size for file in manifest.files),
        warnings=(*notes, *warnings),
    )


def view_parent(subjects: Subjects, tx: Transaction, caller: Caller, parent: Parent) -> ParentView:
    """Return a parent with a reference to it where it is registered and the caller may read it."""
    if isinstance(parent.origin, External):
        return ParentView(kind=parent.kind.value, external=parent.origin)
    holders = subjects.registry.versions.find(tx, caller, parent.origin)
    return ParentView(
        kind=parent.kind.value,
        version=parent.origin,
        reference=holders[0].reference if holders else None,
        withdrawn=any(holder.withdrawn is not None for holder in holders),
    )


def hides(tx: Transaction, caller: Caller) -> Hides | None:
    """Return what says which versions the caller may not see, None where they may see all."""
    within = readable(tx, caller)
    if within is None:
        return None

    def hidden(names: Sequence[str]) -> AbstractSet[str]:
        return {name for name in names if name.startswith("sha256:") and is_hidden(Digest(name))}

    def is_hidden(digest: Digest) -> bool:
        holders = tx.registry.versions.holders(digest)
        return bool(holders) and not any(holder.namespace in within for holder in holders)

    return hidden


def resolve_text(subjects: Subjects, tx: Transaction, caller: Caller, text: str) -> Registration:
    """Return the version that a reference, or a digest alone, means."""
    if text.startswith("sha256:"):
        found = subjects.registry.versions.find(tx, caller, Digest.parse(text))
        if found:
            return found[0]
        raise InvalidError(f"{text} is not a version that is registered here", hint="Give NAMESPACE/NAME@SELECTOR.")
    return subjects.registry.resolve(tx, caller, Reference.parse(text))


def reference_of(tx: Transaction, model: ModelName, sequence: int | None) -> str | None:
    """Return the reference of the version with a sequence number, None for none."""
    version = None if sequence is None else tx.registry.versions.find(model, sequence)
    return None if version is None else version.reference


def _message(account: Account, findings: Findings) -> MessageView:
    impacts = [impact for impact in findings.impacts if impact is not None]
    return MessageView(
        what=account.texts.get("what"), why=account.texts.get("why"), impact="\n".join(impacts) if impacts else None
    )


def _metrics(findings: Findings) -> tuple[MetricView, ...]:
    newest: dict[tuple[str, str, str | None], MetricView] = {}
    for measured in findings.measured:
        item = measured.measurement
        view = MetricView(
            name=item.name,
            value=item.value if item.kind == "finite" else None,
            kind=item.kind,
            slice=item.slice_name or None,
            dataset=measured.dataset,
            low=None if item.interval is None else item.interval[0],
            high=None if item.interval is None else item.interval[1],
            added=format_time(measured.time),
        )
        newest.setdefault((item.name, item.slice_name, measured.dataset), view)
    return tuple(newest[key] for key in sorted(newest, key=lambda key: (key[0], key[1], key[2] or "")))


def _withdrawal(account: Account) -> WithdrawalView | None:
    withdrawn = account.registration.withdrawn
    return None if withdrawn is None else WithdrawalView(time=format_time(withdrawn), reason=account.reason)
