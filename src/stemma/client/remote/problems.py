"""From an answer that is no success to the error that the server raised, the same that a folder would have raised."""

from msgspec import DecodeError, Struct, ValidationError, json

from stemma.errors import (
    ANSWERS,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StemmaError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)

PROBLEM = "application/problem+json"
_KINDS = {kind.code: kind for kind in ANSWERS}
_BY_STATUS: dict[int, type[StemmaError]] = {
    400: InvalidError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    422: InvalidError,
    501: UnsupportedError,
}
_LONGEST = 4000


class Problem(Struct, frozen=True, kw_only=True):
    """The members of RFC 9457 and ours; what a newer server adds is passed over."""

    status: int = 0
    title: str = ""
    detail: str = ""
    code: str = ""
    hint: str | None = None
    place: str | None = None
    request: str | None = None


def read_problem(data: bytes) -> Problem | None:
    """Return the problem that a body tells, None where it is none."""
    try:
        return json.decode(data, type=Problem)
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError):
        return None


def error_of(problem: Problem, status: int, server: str) -> StemmaError:
    """Return the error; one of a kind that this release does not know is the nearest by status."""
    kind = _KINDS.get(problem.code) or _BY_STATUS.get(status)
    detail = (problem.detail or problem.title or f"the server answered {status}")[:_LONGEST]
    hint = (problem.hint or "")[:_LONGEST]
    place = (problem.place or "")[:_LONGEST]
    if kind is not None:
        return kind(detail, hint=hint, place=place)
    asked = f" The server's log knows it as request {problem.request[:80]}." if problem.request else ""
    return UnavailableError(detail, hint=f"{hint}{asked}".strip(), place=place or server)
