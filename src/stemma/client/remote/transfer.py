"""The bytes of versions, on their way to a server and back.

Files are cut, hashed and encoded here; the server is asked what it has, is sent the rest, and checks all of it before
anything is seen. The same push, repeated after it was interrupted, sends what is missing.
"""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec

from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.artifacts.ports import SourceFile
from stemma.artifacts.uploads.packing import AddedFile, Packing
from stemma.artifacts.uploads.writing import PackWriter
from stemma.client.calls import Opened, Run
from stemma.client.files.checkout import Checkout, check_out
from stemma.client.files.folders import Folder, describe, list_folder
from stemma.client.files.moving import check_taken
from stemma.client.files.transfer import Stored, told, told_of
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.client.remote.bytes.drafts import NamelessDraft
from stemma.client.remote.bytes.fetching import RemoteContents
from stemma.client.remote.bytes.knowing import RemoteKnown
from stemma.client.remote.bytes.sending import Sender
from stemma.client.remote.bytes.sessions import Session, Sessions, key_of
from stemma.client.remote.cache import asker_of
from stemma.client.remote.transport import Reply, Transport
from stemma.errors import CorruptError, NotFoundError, UnsupportedError
from stemma.operations.files.uploads import ABANDON, OfUpload
from stemma.operations.requests import OfReference
from stemma.operations.versions import FILES
from stemma.records import Digest

_UPLOADS = "uploads"
_DRAFTS = "drafts"


class _Committed(msgspec.Struct, frozen=True):
    """How far a commit is."""

    manifest: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteTransfer:
    """Transfers bytes over `transport`; `run` runs operations on the same server, `cache` is a folder of the user's."""

    transport: Transport
    run: Run
    cache: Path

    def store(self, namespace: str, source: Path, *, follow_links: bool, progress: Progress) -> Stored:
        """Store the files under `source`; nothing is seen before the server has checked all of it."""
        sessions = Sessions(self.run, self.cache / _UPLOADS, namespace)
        with (
            list_folder(source, follow_links=follow_links) as folder,
            sessions.use(self._key(namespace, folder)) as session,
        ):
            try:
                return self._store(session, namespace, folder, progress)
            except CorruptError:
                if not session.resumed:
                    raise
            sessions.again(session)  # what was sent before may have been damaged since
            return self._store(session, namespace, folder, progress)

    def manifest(self, wanted: Wanted) -> Manifest:
        """Return the list of files; CorruptError where it has another digest than is wanted."""
        found = self.run(FILES, OfReference(reference=wanted.reference))
        files = (ManifestFile(file.path, file.size, Digest.parse(file.digest), file.executable) for file in found.files)
        manifest = Manifest.of(files, found.directories)
        if manifest.digest != wanted.manifest:
            raise CorruptError(
                f"the list of files is not {wanted.manifest}", place=f"{self.transport.address} {wanted.reference}"
            )
        return manifest

    def check_out(self, wanted: Wanted, destination: Path, *, overwrite: bool, progress: Progress) -> Checkout:
        """Write the files into `destination`; the same check-out, repeated after it was interrupted, goes on."""
        manifest = self.manifest(wanted)
        stored = {file.digest: file for file in manifest.files}
        contents = RemoteContents(self.transport, wanted.reference)
        with told(progress, "Fetching", manifest.size):
            return check_out(manifest, stored, contents, destination, overwrite=overwrite, progress=progress.advance)

    @contextmanager
    def opened(self, wanted: Sequence[Wanted], digests: Collection[Digest]) -> Iterator[Sequence[SourceFile]]:
        """Fetch contents of versions into a folder for the while, each verified."""
        left = set(digests)
        with tempfile.TemporaryDirectory(prefix="stemma-") as place, ExitStack() as stack:
            files: list[SourceFile] = []
            for number, each in enumerate(wanted):
                found = {file.digest: file for file in self.manifest(each).files if file.digest in left}
                left -= found.keys()
                part = Manifest.of(replace(file, path=file.digest.hex) for file in found.values())
                where = {file.digest: file for file in found.values()}
                contents = RemoteContents(self.transport, each.reference)
                folder = Path(place) / str(number)
                if found:
                    check_out(part, where, contents, folder)
                    files += stack.enter_context(list_folder(folder)).files
            yield files

    def take(self, namespace: str, manifests: Sequence[Manifest], opened: Opened) -> int:
        """Send the contents of manifests that the server lacks."""
        listed = {file.digest: file for manifest in manifests for file in manifest.files}
        sessions = Sessions(self.run, self.cache / _UPLOADS, namespace)
        key = key_of((asker_of(str(self.transport.address), self.transport.token), namespace, *sorted(listed)))
        with sessions.use(key) as session:
            missing = set(listed) - RemoteKnown(self.transport, session).files(sorted(listed))
            if not missing:
                self.run(ABANDON, OfUpload(upload=session.id))
                return 0
            with opened(missing) as files, Sender(self.transport, self.run, session) as sender:
                added, packs = self._send(session, sender, namespace, files, lambda _: None)
            check_taken(added, missing)
            contents = (ManifestFile(digest.hex, listed[digest].size, digest) for digest in missing)
            self._commit(session, packs, Manifest.of(contents))
        return sum(listed[digest].size for digest in missing)

    def check(self, wanted: Wanted, progress: Progress) -> Iterator[tuple[str, str]]:
        """Fetch every file again, and yield (path, what is wrong) of those that are not what they were."""
        manifest = self.manifest(wanted)
        contents = RemoteContents(self.transport, wanted.reference)
        with told(progress, "Verifying", manifest.size):
            for file in manifest.files:
                hasher = sha256()
                try:
                    for data in contents.rest(file, 0, None):
                        hasher.update(data)
                        progress.advance(len(data))
                except CorruptError as error:
                    yield file.path, str(error)
                    continue
                if hasher.digest() != file.digest.raw:
                    yield file.path, f"what comes is not {file.digest}"

    def _key(self, namespace: str, folder: Folder) -> str:
        listed = (f"{file.path}\0{file.size}" for file in folder.files)
        return key_of((asker_of(str(self.transport.address), self.transport.token), namespace, *listed))

    def _store(self, session: Session, namespace: str, folder: Folder, progress: Progress) -> Stored:
        with told(progress, "Sending", folder.size), Sender(self.transport, self.run, session) as sender:
            added, packs = self._send(session, sender, namespace, folder.files, progress.advance)
        manifest = describe(folder, added)
        digest = self._commit(session, packs, manifest)
        if digest != manifest.digest:
            raise CorruptError(f"the server stored {digest}, not {manifest.digest}", place=str(self.transport.address))
        return told_of(folder, added, manifest, manifest.digest)

    def _send(
        self,
        session: Session,
        sender: Sender,
        namespace: str,
        files: Iterable[SourceFile],
        progress: Callable[[int], None],
    ) -> tuple[tuple[AddedFile, ...], list[str]]:
        """Send the packs that files make; return what became of each file, and the ids of the packs."""
        drafts = self.cache / _DRAFTS
        writer = PackWriter(lambda: NamelessDraft(drafts), namespace, on_closed=sender.take)
        with Packing(writer, RemoteKnown(self.transport, session), progress=progress) as packing:
            added = packing.add(files)
            packs = packing.finish()
            sender.finish()
        return added, [pack.id for pack in packs]

    def _commit(self, session: Session, packs: list[str], manifest: Manifest) -> str:
        """Ask for the commit, and again as long as it goes on."""
        path = f"/uploads/{session.id}/commit"
        files = [
            {"path": file.path, "size": file.size, "digest": str(file.digest), "executable": file.executable}
            for file in manifest.files
        ]
        body = msgspec.json.encode({"packs": packs, "files": files, "directories": manifest.directories})
        reply = self.transport.ask("POST", path, body=body)
        while (done := self._read(reply)) is None:
            try:
                reply = self.transport.ask("GET", path)
            except NotFoundError:  # the server was restarted meanwhile
                reply = self.transport.ask("POST", path, body=body)
        return done

    def _read(self, reply: Reply) -> str | None:
        try:
            return msgspec.json.decode(reply.data, type=_Committed).manifest
        except msgspec.MsgspecError as error:
            raise UnsupportedError(
                f"the answer is none that is known: {error}", place=str(self.transport.address)
            ) from error
