"""The one tree of errors that Stemma raises, and what each means to a shell and to HTTP.

    StemmaError
    ├── NotFoundError          it does not exist, or the caller may not know that it does
    ├── AlreadyExistsError     a name or number is taken; numbers are never reused
    ├── ConflictError          the world moved: compare-and-swap lost, lock held, still in use
    ├── InvalidError           the request is malformed or makes no sense
    ├── UnauthenticatedError   no token, or one that is expired, revoked or unknown
    ├── ForbiddenError         authenticated, but without the permission
    ├── RefusedError           a gate said no; an approval or an override is what it asks for
    ├── TooLargeError          over a limit that the message states
    ├── CorruptError           bytes are not what their digest, signature or format says
    ├── UnsupportedError       valid, but this release or installation cannot do it
    └── UnavailableError       a server, disk or lock did not answer; trying again may help

A message says what is wrong, with the value; a hint says what to do next. Domains raise, backends wrap
foreign exceptions, doors translate with `ANSWERS`; nothing else maps errors to numbers.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tried and was refused: enough to enter the refusal and to tell repeated ones apart."""

    namespace: str
    actor_kind: str
    actor: str
    action: str
    thing_kind: str
    thing: str


class StemmaError(Exception):
    """Anything that Stemma refuses or cannot do.

    `code` is stable and meant for programs; `hint` says what to do next, or is empty; `place` says where
    (a file, a file and offset, a field), or is empty; `attempt` is there where the ledger must remember it.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", place: str = "", attempt: Attempt | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place
        self.attempt = attempt

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.place, self.attempt))


def _rebuild(kind: type[StemmaError], message: str, hint: str, place: str, attempt: Attempt | None) -> StemmaError:
    return kind(message, hint=hint, place=place, attempt=attempt)


class NotFoundError(StemmaError):
    """It does not exist, or the caller may not know that it does: both answer alike."""

    code = "not_found"


class AlreadyExistsError(StemmaError):
    """A name, number or id is taken."""

    code = "already_exists"


class ConflictError(StemmaError):
    """The state is not the one that the request was made against."""

    code = "conflict"


class InvalidError(StemmaError):
    """The request is malformed, or its parts contradict each other."""

    code = "invalid"


class UnauthenticatedError(StemmaError):
    """Nobody vouches for the caller."""

    code = "unauthenticated"


class ForbiddenError(StemmaError):
    """The caller is known and lacks the permission."""

    code = "forbidden"


class RefusedError(StemmaError):
    """A gate said no, or a file that could run code was not trusted."""

    code = "refused"


class TooLargeError(StemmaError):
    """Over a limit that the message states."""

    code = "too_large"


class CorruptError(StemmaError):
    """Bytes are not what their digest, signature or format says; `place` says which bytes."""

    code = "corrupt"


class UnsupportedError(StemmaError):
    """Well formed, but this release or this installation cannot do it."""

    code = "unsupported"


class UnavailableError(StemmaError):
    """Something outside did not answer, or a durable write failed; nothing was acknowledged."""

    code = "unavailable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an error kind means outside Python."""

    http_status: int
    exit_code: int
    title: str


ANSWERS: dict[type[StemmaError], Answer] = {
    NotFoundError: Answer(404, 3, "Not found"),
    AlreadyExistsError: Answer(409, 5, "Already exists"),
    ConflictError: Answer(409, 5, "Conflict"),
    InvalidError: Answer(400, 2, "Invalid request"),
    UnauthenticatedError: Answer(401, 4, "Not authenticated"),
    ForbiddenError: Answer(403, 4, "Not permitted"),
    RefusedError: Answer(403, 6, "Refused by a gate"),
    TooLargeError: Answer(413, 2, "Too large"),
    CorruptError: Answer(500, 7, "Integrity failure"),
    UnsupportedError: Answer(501, 1, "Not supported"),
    UnavailableError: Answer(503, 8, "Unavailable"),
}


def answer_for(error: StemmaError) -> Answer:
    """Return the HTTP status and exit code of `error`, by its nearest kind in the tree."""
    for kind in type(error).__mro__:
        if kind in ANSWERS:
            return ANSWERS[kind]
    return Answer(500, 1, "Error")
