"""The log of requests: one line each on standard error, and what is counted of them.

A line is a JSON object, or for a person at a terminal a short text. It names the caller by pseudonym and the path
without its query; it never holds a token, a query or a body, and control characters are escaped.
"""

import json
import logging
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol, TextIO

import msgspec

from stemma.errors import StemmaError, answer_for
from stemma.http.problems import HttpError

_BUG = 500
LEVELS = {"error": 40, "warning": 30, "info": 20, "debug": 10}


@dataclass(frozen=True, slots=True)
class Happened:
    """One request that was answered; `seconds` until the last byte was handed over."""

    request: str
    principal: str | None
    method: str
    operation: str
    path: str
    status: int
    seconds: float
    error: BaseException | None = None


class Log(Protocol):
    """Told of each request when it begins and when it is answered; quick, and never raises."""

    def begin(self) -> None:
        """Note that a request came in."""

    def end(self, happened: Happened) -> None:
        """Note how it was answered."""


@dataclass(slots=True)
class Lines:
    """Writes lines to a stream. `requests` says whether each request gets one; what failed inside always does."""

    stream: TextIO
    readable: bool
    level: str = "info"
    requests: bool = True

    def begin(self) -> None:
        """Write nothing: a line says how it ended."""

    def end(self, happened: Happened) -> None:
        """Write the line of a request, and the traceback of a bug."""
        bug = _is_bug(happened.error)
        failed = happened.status >= _BUG
        level = "error" if failed else "info"
        if not failed and (not self.requests or LEVELS[self.level] > LEVELS[level]):
            return
        members: dict[str, object] = {
            "time": _now(),
            "level": level,
            "event": "request",
            "request": happened.request,
            "principal": happened.principal,
            "method": happened.method,
            "operation": happened.operation,
            "path": happened.path[:500],
            "status": happened.status,
            "seconds": round(happened.seconds, 6),
        }
        if failed and happened.error is not None:
            members["error"] = str(happened.error)[:2000]
        if bug and happened.error is not None:
            members["traceback"] = "".join(traceback.format_exception(happened.error))
        self._write(members)

    def tell(self, event: str, *, level: str = "info", **members: object) -> None:
        """Write what happened to the server itself."""
        if LEVELS[level] >= LEVELS[self.level]:
            self._write({"time": _now(), "level": level, "event": event, **members})

    def _write(self, members: dict[str, object]) -> None:
        text = _as_text(members) if self.readable else _as_json(members)
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            return  # nobody reads it any more; the server goes on


def standard_lines(level: str = "info", *, requests: bool = True) -> Lines:
    """Return the log on standard error, readable where that is a terminal."""
    return Lines(sys.stderr, sys.stderr.isatty(), level, requests)


class Bridge(logging.Handler):
    """Takes in what libraries log, without tracebacks: the line of the request has them."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._lines.tell("library", level=level, library=record.name, message=record.getMessage()[:2000])


def take_in_libraries(lines: Lines) -> None:
    """Let what the server's libraries log go into our log."""
    for name in ("uvicorn", "asyncio", "stemma"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [Bridge(lines)], False
    for name in ("uvicorn", "uvicorn.error", "asyncio", "stemma"):
        logger = logging.getLogger(name)
        logger.disabled = False  # as a program that configured logging before may have left it
        logger.setLevel(logging.WARNING)


def _is_bug(error: BaseException | None) -> bool:
    if isinstance(error, HttpError):
        error = error.error
    return error is not None and (not isinstance(error, StemmaError) or answer_for(error).http_status == _BUG)


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _as_json(members: dict[str, object]) -> str:
    """Return a line of ASCII: what is not may be obeyed by a terminal, and is escaped."""
    text = msgspec.json.encode(members).decode()
    return text if text.isascii() else json.dumps(members)


def _as_text(members: dict[str, object]) -> str:
    """Return a line for a person; what a terminal would obey is escaped."""
    if members["event"] == "request":
        words = (
            f"{str(members['time'])[11:23]} {members['status']} {members['method']} {members['path']} "
            f"{float(str(members['seconds'])) * 1000:.1f} ms {members['principal'] or '-'} {members['request']}"
        )
    else:
        others = " ".join(f"{name}={value}" for name, value in members.items() if name not in {"time", "level"})
        words = f"{str(members['time'])[11:23]} {others}"
    text = _escape(words)
    for name in ("error", "traceback"):
        if name in members:
            text += "\n  " + "\n  ".join(_escape(line) for line in str(members[name]).splitlines())
    return text


def _escape(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
