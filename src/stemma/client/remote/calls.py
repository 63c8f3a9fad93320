"""Calls to a server: operations over HTTP, and answers from before where it cannot be reached.

An answer to a question about one version is kept. Out of reach, what can mean but one version (a digest, a number,
`v7`) is answered from there silently; what moves (an alias, a branch, `latest`, a range) with a warning that says from
when it is. A change is never made up: it fails. What the server refuses is refused, whatever was kept.
"""

import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from stemma.client.address import Address
from stemma.client.calls import Logs
from stemma.client.remote.cache import Cache, asker_of, is_identity
from stemma.client.remote.checkouts import Checkouts
from stemma.client.remote.credentials import find_token
from stemma.client.remote.logs import RemoteLogs
from stemma.client.remote.messages import body_of, query_of, read_view, takes_body
from stemma.client.remote.network import Trust
from stemma.client.remote.patience import Patience
from stemma.client.remote.transfer import RemoteTransfer
from stemma.client.remote.transport import Transport
from stemma.errors import CorruptError, ForbiddenError, StemmaError, UnavailableError, UnsupportedError
from stemma.names import DigestPrefix, Pointer, Reference
from stemma.operations import AnyOperation, Operation
from stemma.operations.requests import Nothing, OfReference, Request, Resolve
from stemma.operations.server import SERVER
from stemma.operations.versions import FILES, RESOLVE, SHOW
from stemma.operations.views import Resolved, VersionView, View
from stemma.records import Digest
from stemma.semver import Range
from stemma.settings import Settings, cache_folder

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)
Warn = Callable[[str], None]

KEPT = frozenset({RESOLVE.name, SHOW.name, FILES.name})
BRIEF = 2.0
"""Seconds of patience where there is an answer from before."""
_SHORTEST, _LONGEST = 2.0, 3600.0
AWAY = 30.0
"""Seconds for which a server that could not be reached is not asked again where there is an answer from before."""


class OfflineWarning(UserWarning):
    """An answer is from before, because the server cannot be reached."""


@dataclass(slots=True)
class RemoteCalls:
    """Asks one server, as who holds the token."""

    transport: Transport
    cache: Cache
    warn: Warn
    files: Checkouts = field(init=False)
    _identity: str | None = None
    _away: str = ""
    _away_until: float = 0.0

    def __post_init__(self) -> None:
        self.files = Checkouts(RemoteTransfer(self.transport, self.run, self.cache.root), self.cache, self.identity)

    @property
    def place(self) -> str:
        """Its URL."""
        return str(self.transport.address)

    def run(self, operation: Operation[Asked, Answered], request: Asked) -> Answered:
        """Run one operation; a change is durable when this returns, and made once however often it was sent."""
        if operation.name not in KEPT:
            return read_view(self._send(operation, request, self.transport.patience), operation, self.place)
        view = read_view(self._ask(operation, request), operation, self.place)
        _check_asked(request, view, self.place)
        return view

    def prepare(self) -> None:
        """Make sure that a change can be made; the server will say."""

    def logs(self) -> Logs:
        """Return the logs, which are read from the server and verified here."""
        return RemoteLogs(self.transport, self.run)

    def upkeep(self, wish: str, instead: str = "") -> NoReturn:
        """Refuse: what a folder's owner can do is done in the folder."""
        raise UnsupportedError(
            f"{wish} is for a folder, and this is a server",
            place=self.place,
            hint=instead or "Run it on the server's machine, in the folder of its repository.",
        )

    def identity(self) -> str:
        """Return the id of the repository that answers there, the last one where it cannot be reached."""
        if self._identity is None:
            known, patience = self.cache.identity_at(self.place), self.transport.patience
            if known is not None and patience.waiting.now() < self._away_until:
                return known
            try:
                answer = self._send(SERVER, Nothing(), patience if known is None else _brief(patience))
            except UnavailableError as error:
                if known is None:
                    raise
                self._note_away(error)
                return known
            identity = read_view(answer, SERVER, self.place).repository
            if not is_identity(identity):
                raise UnsupportedError(f"{identity[:80]!a} is the id of no repository", place=self.place)
            self._identity = identity
            self.cache.note_identity(self.place, self._identity)
        return self._identity

    def close(self) -> None:
        """Let go of folders and connections; idempotent. A server signs its own log."""
        self.files.close()
        self.transport.close()

    def _send(self, operation: AnyOperation, request: Request, patience: Patience) -> bytes:
        """Ask the server; whatever it answers shows that it is there."""
        method, path = operation.method, operation.path
        try:
            if takes_body(operation):
                key = {"Idempotency-Key": secrets.token_hex(16)}
                reply = self.transport.ask(method, path, body=body_of(request), headers=key, patience=patience)
            else:
                reply = self.transport.ask(method, path, query=query_of(request), patience=patience)
        except UnavailableError:
            raise
        except StemmaError:
            self._away_until = 0.0
            raise
        self._away_until = 0.0
        return reply.data

    def _ask(self, operation: AnyOperation, request: Request) -> bytes:
        """Return the answer of the server, else the one that was kept."""
        asker, known = asker_of(self.place, self.transport.token), self.cache.identity_at(self.place)
        kept = None if known is None else self.cache.find(known, asker, question_of(operation, request))
        patience = self.transport.patience
        if kept is not None and patience.waiting.now() < self._away_until:
            return self._from_before(request, *kept)
        try:
            answer = self._send(operation, request, patience if kept is None else _brief(patience))
        except UnavailableError as error:
            if kept is None:
                raise
            self._note_away(error)
            return self._from_before(request, *kept)
        with suppress(StemmaError):  # what cannot be kept was answered all the same
            for each in questions_answered(operation, request, answer):
                self.cache.keep(self.identity(), asker, *each)
        return answer

    def _note_away(self, error: UnavailableError) -> None:
        """For a while, answer what can be answered without the server at once."""
        self._away, self._away_until = str(error), self.transport.patience.waiting.now() + AWAY

    def _from_before(self, request: Request, answer: bytes, time: float) -> bytes:
        """Return a kept answer, with a warning where it may not hold any more."""
        if isinstance(request, OfReference) and moves(request):
            when = datetime.fromtimestamp(time, UTC)
            self.warn(f"{self._away}; {request.reference} is what it was on {when:%Y-%m-%d at %H:%M:%S} UTC")
        return answer


def _check_asked(request: Request, view: View, place: str) -> None:
    """Raise a CorruptError where a version was asked for by its digest, and another was answered."""
    if not isinstance(request, OfReference) or not isinstance(view, VersionView | Resolved):
        return
    wanted = Reference.parse(request.reference)
    if isinstance(wanted.selector, Digest | DigestPrefix) and (
        view.model != str(wanted.model) or not view.digest.startswith(str(wanted.selector))
    ):
        raise CorruptError(f"the answer is {view.model}@{view.digest[:80]}, not {wanted}", place=place)


def question_of(operation: AnyOperation, request: Request) -> str:
    """Return a question as text, the same for the same question."""
    return f"{operation.name} {body_of(request).decode()}"


def questions_answered(operation: AnyOperation, request: Request, answer: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every question that an answer answers, and how: a version that was shown can be asked for by other names.

    Nothing that is not an answer of this operation is kept.
    """
    view = read_view(answer, operation, "")
    yield question_of(operation, request), answer
    if isinstance(view, VersionView | Resolved) and getattr(request, "at", None) is None:
        names = [f"{view.model}@{each}" for each in (view.digest, f"v{view.sequence}", view.number) if each]
        for name in names:
            yield question_of(operation, Resolve(reference=name)), answer


def moves(request: OfReference) -> bool:
    """Whether the same question may have another answer later."""
    if isinstance(request, Resolve) and request.at is not None:
        return False
    selector = Reference.parse(request.reference).selector
    return selector is None or isinstance(selector, Pointer | Range) or str(selector) == "latest"


def _brief(patience: Patience) -> Patience:
    return Patience(min(BRIEF, patience.limit), patience.waiting, patience.jitter)


def open_server(where: str, settings: Settings, warn: Warn | None, patience: float | None = None) -> RemoteCalls:
    """Return the calls to the server at a URL; asks it nothing yet. With less `patience` it must answer sooner, too."""
    address = Address.parse(where)
    token = settings.text("token") or find_token(str(address))
    if token is not None and not address.is_private and settings.text("server.insecure") != "yes":
        raise ForbiddenError(
            "a token would travel where others can read it",
            place=str(address),
            hint="Use https://. On a network that nobody else can listen on, set server.insecure to yes.",
        )
    folder = settings.text("cache.folder")
    transport = Transport(
        address,
        token,
        Trust(settings.text("ca.bundle")),
        Patience(settings.number("server.patience") if patience is None else patience),
        min(settings.number("server.timeout"), _LONGEST if patience is None else max(patience, _SHORTEST)),
    )
    cache = Cache(Path(folder) if folder else cache_folder(), settings.number("cache.limit") << 20)
    return RemoteCalls(transport, cache, warn or _warn)


def _warn(text: str) -> None:
    warnings.warn(text, OfflineWarning, stacklevel=2)
