"""Uploads: what a client's packs arrive by, what it may ask before, and the commit that checks them.

Packs are appended to where they end, so whoever was interrupted goes on there. Nothing of an upload is seen before its
commit has been answered, or would have been. A commit is work of seconds to minutes: it goes on whether or not anybody
waits for it, and is asked for again until it is done.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from stemma.access import Permission
from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.packs.recipe import ID_SIZE, BlockId
from stemma.artifacts.ports import Upload
from stemma.artifacts.uploads.arrivals import Arrivals
from stemma.artifacts.uploads.limits import Limits
from stemma.errors import ConflictError, CorruptError, InvalidError, NotFoundError, TooLargeError
from stemma.http.answers import Answer
from stemma.http.decoding import QueryDecoder, body_decoder
from stemma.http.problems import HttpError, refuse
from stemma.http.routes import Exchange, Route
from stemma.operations import Transaction
from stemma.operations.files.uploads import scopes_of, session_of
from stemma.operations.requests import Request
from stemma.operations.views import View
from stemma.records import Digest
from stemma.system import encode
from stemma.wire.native.commits import Commit, Commits
from stemma.wire.native.described import COMMIT, FOLLOW, KNOWN, SEND
from stemma.wire.native.routes import PREFIX, check_type
from stemma.wire.native.turns import Turns

WAIT = 15.0
"""For how many seconds a commit is waited for before it is said that it goes on."""
_PORTION = 1 << 20
_MAX_ASKED = 16_384
_MAX_COMMIT = 256 << 20
BINARY = b"application/octet-stream"


class At(Request, frozen=True, kw_only=True):
    """Where a portion of a pack begins."""

    offset: int


class Kind(Request, frozen=True, kw_only=True):
    """What is asked for: `blocks` by their ids, or `files` by their SHA-256."""

    kind: str


class FileGiven(Request, frozen=True, kw_only=True):
    """A file of the manifest."""

    path: str
    size: int
    digest: str
    executable: bool = False


class CommitGiven(Request, frozen=True, kw_only=True):
    """What is to be committed: all packs of the upload that count, and the folder that they make."""

    packs: tuple[str, ...]
    files: tuple[FileGiven, ...]
    directories: tuple[str, ...] = ()


class Received(View, frozen=True, kw_only=True):
    """How many bytes of a pack are there."""

    received: int


class Committed(View, frozen=True, kw_only=True):
    """`manifest` is there once all is checked and published; until then, how many of how many bytes are checked."""

    manifest: str | None = None
    checked: int = 0
    size: int = 0


@dataclass(slots=True)
class UploadDoor:
    """Takes packs in; each takes its turn."""

    turns: Turns = field(default_factory=lambda: Turns("uploads"))
    commits: Commits = field(default_factory=Commits)

    @property
    def routes(self) -> Sequence[Route]:
        """The four routes."""
        of, may, largest = f"{PREFIX}/uploads/{{upload}}", Permission.REGISTER, Limits().pack
        return (
            Route("PUT", f"{of}/packs/{{pack}}", may, "upload.send", self.send, largest, description=SEND),
            Route("POST", f"{of}/known", may, "upload.known", self.ask, description=KNOWN),
            Route("POST", f"{of}/commit", may, "upload.commit", self.commit, _MAX_COMMIT, description=COMMIT),
            Route("GET", f"{of}/commit", may, "upload.commit.show", self.follow, description=FOLLOW),
        )

    # -- packs --------------------------------------------------------------------------------------------------

    async def send(self, exchange: Exchange) -> ASGIApp:
        """Append the body to a pack."""
        offset = _AT.decode(exchange.query).offset
        if offset < 0:
            raise InvalidError(f"there is no offset {offset}", place="offset")
        _check_binary(exchange.headers)
        pack = PackId(exchange.parameters["pack"])
        arrivals = exchange.runner.system.subjects.artifacts.arrivals
        session, _ = await self._session(exchange)
        if session.manifest is not None:
            raise ConflictError("this upload is committed already", hint="Begin another.")
        await exchange.in_thread(_check_room, arrivals, session, pack)
        with self.turns.take(await exchange.authenticate()):
            return Answer(encode(Received(received=await _take(exchange, arrivals, session, pack, offset))))

    # -- questions ----------------------------------------------------------------------------------------------

    async def ask(self, exchange: Exchange) -> ASGIApp:
        """Say of blocks or files, byte by byte, which are there as far as the caller can read."""
        kind = _KIND.decode(exchange.query).kind
        _check_binary(exchange.headers)
        body = await exchange.body()
        if len(body) % ID_SIZE or len(body) > _MAX_ASKED * ID_SIZE:
            raise InvalidError(f"{len(body)} bytes are not the ids of at most {_MAX_ASKED} blocks or files")
        asked = [body[at : at + ID_SIZE] for at in range(0, len(body), ID_SIZE)]
        _, scopes = await self._session(exchange)
        there = await exchange.read(lambda tx: _there(tx, scopes, kind, asked))
        return Answer(bytes(id_ in there for id_ in asked), media_type=BINARY)

    # -- commit -------------------------------------------------------------------------------------------------

    async def commit(self, exchange: Exchange) -> ASGIApp:
        """Begin a commit, unless it is under way or done, and wait for it a little."""
        check_type(exchange.headers)
        session, scopes = await self._session(exchange)
        body = await exchange.body()
        if session.manifest is not None:
            await exchange.in_thread(_DECODE, body)  # what is no request is refused, also where all is done
            return _done(session.manifest)
        request = hashlib.sha256(body).digest()
        running = self.commits.find(session.id, request)
        if running is None:
            asked = await exchange.in_thread(_DECODE, body)
            manifest = await exchange.in_thread(_manifest_of, asked)
            packs = [PackId(pack) for pack in asked.packs]
            running = Commit(exchange.runner, exchange.token, session, scopes, packs, manifest, request)
            self.commits.begin(running)
        return await _wait(running)

    async def follow(self, exchange: Exchange) -> ASGIApp:
        """Wait a little for a commit that is under way."""
        session, _ = await self._session(exchange)
        if session.manifest is not None:
            return _done(session.manifest)
        running = self.commits.find(session.id, None)
        if running is None:
            raise NotFoundError("no commit of this upload is under way here", hint="Ask for it again.")
        return await _wait(running)

    async def _session(self, exchange: Exchange) -> tuple[Upload, frozenset[str] | None]:
        caller, upload = await exchange.authenticate(), exchange.parameters["upload"]

        def step(tx: Transaction) -> tuple[Upload, frozenset[str] | None]:
            session = session_of(exchange.runner.system.subjects, tx, caller, upload)
            return session, scopes_of(tx, caller, session)

        return await exchange.read(step)


_AT = QueryDecoder.of(At)
_KIND = QueryDecoder.of(Kind)
_DECODE = body_decoder(CommitGiven)


def _manifest_of(asked: CommitGiven) -> Manifest:
    return Manifest.of(
        (ManifestFile(each.path, each.size, Digest.parse(each.digest), each.executable) for each in asked.files),
        asked.directories,
    )


async def _take(exchange: Exchange, arrivals: Arrivals, session: Upload, pack: PackId, offset: int) -> int:
    portion = bytearray()

    async def append() -> int:
        data = bytes(portion)
        portion.clear()
        there = await exchange.in_thread(arrivals.extend, session, pack, offset, data)
        if there != offset:
            raise _misplaced(pack, offset, there)
        return offset + len(data)

    offset = await append()  # so that a wrong offset is told before the body is read
    async for chunk in exchange.stream():
        portion += chunk
        if len(portion) >= _PORTION:
            offset = await append()
    return await append() if portion else offset


def _check_room(arrivals: Arrivals, session: Upload, pack: PackId) -> None:
    limits, arrived = arrivals.limits, arrivals.arrived(session)
    if pack not in arrived and len(arrived) >= limits.packs:
        raise TooLargeError(f"an upload may have {limits.packs} packs", hint="Push the files in several parts.")
    if sum(arrived.values()) >= limits.upload:
        raise TooLargeError(f"an upload may have {limits.upload:,} bytes", hint="Push the files in several parts.")


def _there(tx: Transaction, scopes: frozenset[str] | None, kind: str, asked: Sequence[bytes]) -> frozenset[bytes]:
    match kind:
        case "blocks":
            return frozenset(tx.artifacts.known_blocks(map(BlockId, asked), scopes))
        case "files":
            found = tx.artifacts.recipes(map(Digest.from_raw, asked), scopes)
            return frozenset(digest.raw for digest in found)
        case _:
            raise InvalidError(f"{kind[:40]!r} is neither 'blocks' nor 'files'", place="kind")


async def _wait(running: Commit) -> ASGIApp:
    try:
        async with asyncio.timeout(WAIT):
            return _done(await asyncio.shield(asyncio.wrap_future(running.answer)))
    except TimeoutError:
        return Answer(encode(Committed(checked=running.checked, size=running.manifest.size)), status=202)
    except CorruptError as error:
        hint = error.hint or "Push again: what does not read back is sent anew."
        raise HttpError(422, CorruptError(error.message, hint=hint, place=error.place)) from error


def _done(manifest: Digest) -> Answer:
    return Answer(encode(Committed(manifest=manifest)))


def _misplaced(pack: PackId, offset: int, there: int) -> HttpError:
    error = ConflictError(f"pack {pack} has {there} bytes here, not {offset}", hint=f"Go on from offset {there}.")
    return HttpError(409, error, {b"upload-offset": b"%d" % there})


def _check_binary(headers: Mapping[bytes, bytes]) -> None:
    """Return where the body is bytes as they are, else raise a 415."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != BINARY:
        raise refuse(415, f"the body is {kind.decode('latin-1')[:80] or 'of no type'}, not {BINARY.decode()}")
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding not in {b"", b"identity"}:
        raise refuse(415, f"the body is coded as {coding.decode('latin-1')[:40]}", hint="Send it as it is.")
