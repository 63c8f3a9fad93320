"""Problems: how an error looks over HTTP (RFC 9457, `application/problem+json`).

`code`, `detail`, `hint` and `place` are those of the error, so that a client can raise the same error again. A bug is
told as a bug: what it was stands in the server's log, under the id of the request.
"""

from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct, json

from stemma.errors import InvalidError, StemmaError, UnavailableError, answer_for
from stemma.http.answers import Answer

MEDIA_TYPE = b"application/problem+json"
_RETRY_SECONDS = b"1"
_FOLDER = "/.stemma/"


class Problem(Struct, frozen=True, kw_only=True):
    """The members of a problem. `request` is the id under which the server's log knows it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    place: str | None = None
    request: str | None = None


class HttpError(Exception):
    """An error that means something narrower to HTTP than its kind does: another status, and headers."""

    def __init__(self, status: int, error: StemmaError, headers: Mapping[bytes, bytes] | None = None) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers or {}


def refuse(status: int, message: str, *, hint: str = "", place: str = "", **headers: str) -> HttpError:
    """Return a refusal of a request that HTTP has a status of its own for."""
    given = {name.replace("_", "-").encode(): text.encode("latin-1") for name, text in headers.items()}
    return HttpError(status, InvalidError(message, hint=hint, place=place), given)


def blame_sender(error: StemmaError) -> HttpError:
    """Return what tells that bytes which were sent are corrupt (422), not any that are stored here (500)."""
    return HttpError(422, error)


def problem_of(error: BaseException, request: str) -> tuple[Problem, Mapping[bytes, bytes]]:
    """Return what `error` looks like, and the headers that go with it; anything unforeseen is a bug without details."""
    headers: Mapping[bytes, bytes] = {}
    status = None
    if isinstance(error, HttpError):
        status, headers, error = error.status, error.headers, error.error
    if not isinstance(error, StemmaError):
        error = StemmaError("this is a bug in Stemma", hint=f"Report it with request {request} of the server's log.")
    answer = answer_for(error)
    status = status or answer.http_status
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {b"www-authenticate": b'Bearer realm="stemma"', **headers}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {b"retry-after": _RETRY_SECONDS, **headers}
    title = answer.title if status == answer.http_status else HTTPStatus(status).phrase
    problem = Problem(
        type=f"urn:stemma:problem:{error.code}",
        title=title,
        status=status,
        detail=error.message,
        code=error.code,
        hint=error.hint or None,
        place=_inside(error.place) or None,
        request=request or None,
    )
    return problem, headers


def _inside(place: str) -> str:
    """Return a place without the folder that the server keeps its repository in."""
    if not place.startswith("/"):
        return place
    _, found, within = place.partition(_FOLDER)
    return f"{_FOLDER[1:]}{within}" if found else place.rpartition("/")[2]


def answer_problem(error: BaseException, request: str) -> Answer:
    """Return the answer that tells `error`."""
    problem, headers = problem_of(error, request)
    return Answer(json.encode(problem), status=problem.status, media_type=MEDIA_TYPE, headers=headers)


def out_of_time(what: str) -> HttpError:
    """Return the refusal of a client that is too slow."""
    return HttpError(408, UnavailableError(what, hint="Try again."), {b"connection": b"close"})
