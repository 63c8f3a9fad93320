"""Operations on upload sessions. The bytes themselves, and the commit that checks them, go past the table.

Another's session, one that has expired and one that never was are answered alike.
"""

from stemma.access import Caller, Permission, readable, require
from stemma.artifacts.manifest import Manifest
from stemma.artifacts.ports import Upload
from stemma.artifacts.uploads.intake import Addition
from stemma.ledger import format_time
from stemma.operations.operation import Operation, Subjects, Transaction, of_namespace, system_log
from stemma.operations.requests import OfNamespace, Request
from stemma.operations.views import Done, View
from stemma.records import Digest

COMMIT = "commit "


class OfUpload(Request, frozen=True, kw_only=True):
    """An upload session of the caller's own."""

    upload: str


class PackView(View, frozen=True, kw_only=True):
    """How many bytes of a pack are there."""

    pack: str
    size: int


class UploadView(View, frozen=True, kw_only=True):
    """An upload session; `manifest` is there once it was committed."""

    upload: str
    namespace: str
    began: str
    expires: str
    packs: tuple[PackView, ...] = ()
    manifest: str | None = None


def lease_of(upload: str) -> str:
    """Return the name of the lease that whoever commits an upload holds."""
    return f"{COMMIT}{upload}"


def session_of(subjects: Subjects, tx: Transaction, caller: Caller, upload: str) -> Upload:
    """Return a session of the caller's own, who may still store for its namespace."""
    session = subjects.artifacts.arrivals.session(tx, upload, owner=caller.id)
    require(tx, caller, Permission.REGISTER, session.namespace)
    return session


def scopes_of(tx: Transaction, caller: Caller, session: Upload) -> frozenset[str] | None:
    """Return the namespaces whose blocks an upload may build on."""
    scopes = readable(tx, caller)
    return None if scopes is None else scopes | {session.namespace}


def conclude(subjects: Subjects, tx: Transaction, caller: Caller, addition: Addition, manifest: Manifest) -> Digest:
    """Enter what was accepted and its manifest, in the transaction that makes both seen; whoever asks again is told."""
    session = session_of(subjects, tx, caller, addition.upload.id)
    if session.manifest is not None:
        return session.manifest
    scopes = scopes_of(tx, caller, session)
    return subjects.artifacts.arrivals.conclude(tx, addition, manifest, owner=caller.id, scopes=scopes)


def _begin(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfNamespace) -> UploadView:
    """Begin an upload session."""
    require(tx, caller, Permission.REGISTER, asked.namespace)
    return _view(subjects.artifacts.begin(tx, owner=caller.id, namespace=asked.namespace))


def _show(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfUpload) -> UploadView:
    """Tell how much of an upload has arrived."""
    session = session_of(subjects, tx, caller, asked.upload)
    packs = sorted(subjects.artifacts.arrivals.arrived(session).items())
    return _view(session, tuple(PackView(pack=pack, size=size) for pack, size in packs))


def _renew(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfUpload) -> UploadView:
    """Prolong an upload session."""
    session_of(subjects, tx, caller, asked.upload)
    return _view(subjects.artifacts.arrivals.renew(tx, asked.upload, owner=caller.id))


def _abandon(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfUpload) -> Done:
    """Give an upload up, and what was sent."""
    session_of(subjects, tx, caller, asked.upload)
    subjects.artifacts.abandon(tx, asked.upload, owner=caller.id)
    return Done(changed=True)


def _view(session: Upload, packs: tuple[PackView, ...] = ()) -> UploadView:
    return UploadView(
        upload=session.id,
        namespace=session.namespace,
        began=format_time(session.began),
        expires=format_time(session.expires),
        packs=packs,
        manifest=session.manifest,
    )


BEGIN = Operation(
    "upload.begin", OfNamespace, UploadView, Permission.REGISTER, "POST", "/uploads", _begin, of_namespace
)
SHOW = Operation("upload.show", OfUpload, UploadView, Permission.REGISTER, "GET", "/upload", _show)
RENEW = Operation(
    "upload.renew", OfUpload, UploadView, Permission.REGISTER, "POST", "/uploads/renew", _renew, system_log
)
ABANDON = Operation(
    "upload.abandon", OfUpload, Done, Permission.REGISTER, "POST", "/uploads/abandon", _abandon, system_log
)
