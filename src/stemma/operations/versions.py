"""Operations on versions."""

from stemma.access import Caller, Permission
from stemma.errors import InvalidError
from stemma.names import ModelName, Reference
from stemma.operations.operation import Operation, Subjects, Transaction, of_model, of_reference
from stemma.operations.reading import read_measurement, read_moment, resolve_text, view_resolved, view_version
from stemma.operations.requests import (
    AddMetrics,
    ListVersions,
    OfReference,
    ParentGiven,
    Register,
    Release,
    Resolve,
    SetLabels,
    Withdraw,
)
from stemma.operations.views import Done, FileList, FileView, Registered, Resolved, VersionPage, VersionView
from stemma.records import Digest
from stemma.registry import (
    Message,
    Numbering,
    Parent,
    Registration,
    Subject,
    Submission,
    Version,
)
from stemma.semver import SemanticVersion


def _resolve(subjects: Subjects, tx: Transaction, caller: Caller, asked: Resolve) -> Resolved:
    """Find the version that a reference means."""
    reference = Reference.parse(asked.reference)
    version = subjects.registry.resolve(tx, caller, reference, at=read_moment(asked.at))
    return view_resolved(version)


def _show(subjects: Subjects, tx: Transaction, caller: Caller, asked: Resolve) -> VersionView:
    """Tell all that is known of a version."""
    reference = Reference.parse(asked.reference)
    version = subjects.registry.resolve(tx, caller, reference, at=read_moment(asked.at))
    return view_version(subjects, tx, caller, version)


def _register(subjects: Subjects, tx: Transaction, caller: Caller, asked: Register) -> Registered:
    """Make a version of files that were published before."""
    registry, model = subjects.registry, ModelName.parse(asked.model)
    chosen = None if asked.number is None else SemanticVersion.parse(asked.number)
    submission = Submission(
        Version(
            manifest=Digest.parse(asked.manifest),
            time=tx.now,
            parents=tuple(_parent(subjects, tx, caller, parent) for parent in asked.parents),
        ),
        message=Message(asked.what, asked.why or "", asked.impact or ""),
        parameters=asked.params,
        measurements=[read_measurement(metric) for metric in asked.metrics],
        branch=asked.branch,
        numbering=Numbering(chosen, experimental=asked.experimental),
        if_changed=asked.if_changed,
    )
    done = registry.versions.register(tx, caller, model, submission)
    version = done.version
    if done.created:
        for key, value in asked.labels.items():
            registry.labels.set(tx, caller, Subject(model, version.digest), key, value)
    return Registered(version=view_resolved(version), changed=done.created)


def _parent(subjects: Subjects, tx: Transaction, caller: Caller, given: ParentGiven) -> Parent:
    if given.origin.startswith(("hf:", "sha256:")):  # the registry looks whether a digest is one to be named
        return Parent.parse(given.kind, given.origin)
    return Parent.parse(given.kind, resolve_text(subjects, tx, caller, given.origin).digest)


def _release(subjects: Subjects, tx: Transaction, caller: Caller, asked: Release) -> VersionView:
    """Give a pre-release its release number."""
    found = _find(subjects, tx, caller, asked.reference)
    number = None if asked.number is None else SemanticVersion.parse(asked.number)
    version = subjects.registry.versions.release(tx, caller, found.model, found.digest, number)
    return view_version(subjects, tx, caller, version)


def _withdraw(subjects: Subjects, tx: Transaction, caller: Caller, asked: Withdraw) -> VersionView:
    """Say that a version must not be used any more, and why."""
    found = _find(subjects, tx, caller, asked.reference)
    version = subjects.registry.versions.withdraw(tx, caller, found.model, found.digest, reason=asked.reason)
    return view_version(subjects, tx, caller, version)


def _measure(subjects: Subjects, tx: Transaction, caller: Caller, asked: AddMetrics) -> VersionView:
    """Attach measured figures to a version."""
    found = _find(subjects, tx, caller, asked.reference)
    measurements = [read_measurement(metric) for metric in asked.metrics]
    subjects.registry.evidence.measure(tx, caller, found.model, found.digest, measurements)
    return view_version(subjects, tx, caller, found)


def _label(subjects: Subjects, tx: Transaction, caller: Caller, asked: SetLabels) -> Done:
    """Set and remove labels of a version or a model."""
    reference = Reference.parse(asked.reference)
    subject = Subject(reference.model)
    if reference.selector is not None:
        subject = Subject(reference.model, subjects.registry.resolve(tx, caller, reference).digest)
    labels = subjects.registry.labels
    changed = [labels.delete(tx, caller, subject, key) for key in asked.remove]
    changed += [labels.set(tx, caller, subject, key, value) for key, value in asked.set.items()]
    return Done(changed=any(changed))


def _list(subjects: Subjects, tx: Transaction, caller: Caller, asked: ListVersions) -> VersionPage:
    """List a model's versions, newest first."""
    model = ModelName.parse(asked.model)
    if asked.label is not None and asked.text is not None:
        raise InvalidError("a listing is cut down by a label or by words, not by both", hint="Leave one out.")
    query = f"versions {model} {asked.branch} {asked.label} {asked.text}"
    before = subjects.position(asked.token, query, caller)
    if asked.label is None:
        found, more = subjects.registry.versions.page(
            tx, caller, model, branch=asked.branch, text=asked.text, before=before, limit=asked.limit
        )
    else:
        key, _, value = asked.label.partition("=")
        found, more = subjects.registry.labels.versions(
            tx, caller, model, key, value if "=" in asked.label else None, before=before, limit=asked.limit
        )
    token = subjects.token(found[-1].sequence, query, caller) if more and found else None
    wanted = (version for version in found if asked.branch in (None, version.branch))
    views = tuple(view_version(subjects, tx, caller, version) for version in wanted)
    return VersionPage(versions=views, next_token=token)


def _files(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfReference) -> FileList:
    """List the files of a version."""
    found = _find(subjects, tx, caller, asked.reference)
    account = subjects.registry.versions.show(tx, caller, found.model, found.digest)
    manifest = subjects.artifacts.manifest(tx, account.version.manifest)
    files = tuple(
        FileView(path=file.path, size=file.size, digest=file.digest, executable=file.executable)
        for file in manifest.files
    )
    return FileList(reference=found.reference, files=files, directories=manifest.directories)


def _find(subjects: Subjects, tx: Transaction, caller: Caller, reference: str) -> Registration:
    return subjects.registry.resolve(tx, caller, Reference.parse(reference))


RESOLVE = Operation("resolve", Resolve, Resolved, Permission.READ, "GET", "/resolve", _resolve)
SHOW = Operation("version.show", Resolve, VersionView, Permission.READ, "GET", "/version", _show)
REGISTER = Operation(
    "version.register", Register, Registered, Permission.REGISTER, "POST", "/versions", _register, of_model
)
RELEASE = Operation(
    "version.release", Release, VersionView, Permission.REGISTER, "POST", "/versions/release", _release, of_reference
)
WITHDRAW = Operation(
    "version.withdraw",
    Withdraw,
    VersionView,
    Permission.WITHDRAW,
    "POST",
    "/versions/withdraw",
    _withdraw,
    of_reference,
    alone=True,
)
MEASURE = Operation(
    "version.measure", AddMetrics, VersionView, Permission.DESCRIBE, "POST", "/metrics", _measure, of_reference
)
LABEL = Operation("label.set", SetLabels, Done, Permission.DESCRIBE, "PATCH", "/labels", _label, of_reference)
VERSIONS = Operation("version.list", ListVersions, VersionPage, Permission.READ, "GET", "/versions", _list)
FILES = Operation("version.files", OfReference, FileList, Permission.READ, "GET", "/files", _files)
