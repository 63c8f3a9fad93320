"""Sessions: whose an upload is, and what becomes of it when it is committed."""

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.ports import ArtifactTransaction, Upload
from stemma.artifacts.uploads.intake import Addition
from stemma.errors import ConflictError, InvalidError, NotFoundError
from stemma.records import Digest

LEASE = 24 * 3600 * 1_000_000
"""How long an upload may go on without being renewed, in microseconds: a day."""


def session(tx: ArtifactTransaction, upload: str, owner: str) -> Upload:
    """Return a session, committed or not; a NotFoundError if it is not the owner's or has expired."""
    found = tx.artifacts.uploads.find(upload)
    if found is None or found.owner != owner or found.expires <= tx.now:
        raise _no_upload(upload)
    return found


def open_session(tx: ArtifactTransaction, upload: str, owner: str) -> Upload:
    """Return a session that is not committed yet; a NotFoundError like that of `session`."""
    found = session(tx, upload, owner)
    if found.manifest is not None:
        raise _no_upload(upload)
    return found


def enter(tx: ArtifactTransaction, addition: Addition, owner: str) -> None:
    """Enter published packs in the index and end their session."""
    upload = open_session(tx, addition.upload.id, owner)
    for pack, footer, size in addition.packs:
        if footer.scope != upload.namespace:
            raise ConflictError(f"the packs were written for {footer.scope!r}, the upload is for {upload.namespace!r}")
        tx.artifacts.add(pack, footer, size)
    tx.artifacts.uploads.remove(upload.id)


def store_manifest(
    tx: ArtifactTransaction, manifest: Manifest, namespace: str, scopes: frozenset[str] | None
) -> Digest:
    """Do what `Artifacts.store_manifest` says."""
    recipes = tx.artifacts.recipes(manifest.digests(), scopes)
    for file in manifest.files:
        recipe = recipes.get(file.digest)
        if recipe is None:
            raise NotFoundError(f"the content {file.digest} of {file.path!a} is not stored", hint="Upload it first.")
        if recipe.size != file.size:
            raise InvalidError(f"{file.path!a} has {recipe.size} bytes, not {file.size}")
    data = manifest.encode()
    digest = Digest.of(data)
    tx.records.put(digest, data)
    tx.artifacts.manifests.add(digest, namespace, sum(file.size for file in manifest.files))
    return digest


def _no_upload(upload: str) -> NotFoundError:
    return NotFoundError(f"there is no open upload {upload[:64]!r}", hint="It may have expired: begin another.")
