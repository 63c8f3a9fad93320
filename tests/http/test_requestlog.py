"""The log says what happened to each request, and nothing that a stranger wrote into it is obeyed or secret."""

import io
import json
import logging

import pytest

from stemma.errors import CorruptError, NotFoundError
from stemma.http.problems import answer_problem, problem_of, refuse
from stemma.http.watching.requestlog import Happened, Lines, take_in_libraries


def lines(*, readable: bool = False, level: str = "info", requests: bool = True) -> tuple[Lines, io.StringIO]:
    stream = io.StringIO()
    return Lines(stream, readable, level, requests), stream


def happened(path: str = "/api/v1/resolve", status: int = 200, error: BaseException | None = None) -> Happened:
    return Happened("r1", "u_1", "GET", "resolve", path, status, 0.0123456789, error)


def test_a_line_is_json_with_what_matters() -> None:
    log, stream = lines()
    log.begin()
    log.end(happened())
    line = json.loads(stream.getvalue())
    time = line.pop("time")
    assert (len(time), time[-1]) == (27, "Z")
    assert line == {
        "level": "info",
        "event": "request",
        "request": "r1",
        "principal": "u_1",
        "method": "GET",
        "operation": "resolve",
        "path": "/api/v1/resolve",
        "status": 200,
        "seconds": 0.012346,
    }


@pytest.mark.parametrize("readable", [True, False])
def test_what_a_terminal_would_obey_is_escaped(readable: bool) -> None:
    log, stream = lines(readable=readable)
    log.end(happened("/\x1b[2J\r\nfake line\x9b\u202e\x07", 500, NotFoundError("a\x1b[31mred\nb")))
    text = stream.getvalue()
    assert not any(each in text.replace("\n", "") for each in "\x1b\r\x9b\u202e\x07")
    assert "\nfake" not in text


def test_a_bug_comes_with_its_traceback_and_a_refusal_does_not() -> None:
    log, stream = lines()
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("inner")
    log.end(happened(status=500, error=raised.value))
    log.end(happened(status=404, error=NotFoundError("no such thing")))
    bug, refusal = map(json.loads, stream.getvalue().splitlines())
    assert "ValueError: invalid literal" in bug["traceback"]
    assert bug["level"] == "error"
    assert "traceback" not in refusal
    assert "error" not in refusal


def test_without_a_line_for_each_request_failures_are_still_told() -> None:
    for log, stream in (lines(requests=False), lines(level="error")):
        log.end(happened())
        assert stream.getvalue() == ""
        log.end(happened(status=503))
        assert json.loads(stream.getvalue())["status"] == 503


def test_a_log_that_nobody_reads_ends_nothing() -> None:
    log, stream = lines()
    stream.close()
    log.end(happened())


def test_what_libraries_log_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.NOTSET)  # what another test may have left
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)
        monkeypatch.setattr(logging.getLogger(name), "level", logging.CRITICAL)
    log, stream = lines()
    take_in_libraries(log)
    logging.getLogger("uvicorn.error").warning("odd \x1b thing %d", 1)
    logging.getLogger("asyncio").error("odd")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["library"], first["level"], first["message"]) == ("uvicorn.error", "warning", "odd \x1b thing 1")
    assert second["level"] == "error"


def test_a_bug_is_told_without_what_it_was() -> None:
    problem, _ = problem_of(ZeroDivisionError("secret of /srv/data"), "r9")
    assert (problem.status, problem.code, problem.request) == (500, "error", "r9")
    assert "secret" not in answer_problem(ZeroDivisionError("secret"), "r9").body.decode()


def test_an_error_keeps_what_it_says() -> None:
    error = CorruptError("bytes are not what they were", hint="Run it.", place="pack x")
    problem, _ = problem_of(error, "r1")
    assert (problem.status, problem.code, problem.detail) == (500, "corrupt", error.message)
    assert (problem.hint, problem.place, problem.type) == ("Run it.", "pack x", "urn:stemma:problem:corrupt")


def test_where_the_repository_lies_is_nobodys_business() -> None:
    for place, told in (
        ("/srv/models/.stemma/packs/ab", ".stemma/packs/ab"),
        ("/srv/models/file", "file"),
        ("pack x", "pack x"),
        ("", None),
    ):
        assert problem_of(CorruptError("damaged", place=place), "r1")[0].place == told


def test_a_narrower_status_has_its_own_title() -> None:
    problem, headers = problem_of(refuse(405, "no", allow="GET"), "r1")
    assert (problem.title, problem.code, headers) == ("Method Not Allowed", "invalid", {b"allow": b"GET"})
