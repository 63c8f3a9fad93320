"""What a person or a program is told when something went wrong, and the exit code that goes with it."""

import errno
import os
import sys
import tempfile
import traceback
from json import dumps

import click

from stemma.cli.session import Session
from stemma.cli.streams import abandon, tell
from stemma.cli.text import lines
from stemma.errors import StemmaError, UnavailableError, answer_for

INTERRUPTED = 130
BROKEN_PIPE = 141
BUG = 1
DAMAGED = 7
_OUT_OF = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})


def report(error: BaseException, session: Session) -> int:
    """Tell of `error` on standard error, as text or as a JSON problem, and return the exit code."""
    if session.debug and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    match error:
        case StemmaError():
            return _report_refusal(error, session)
        case click.Abort() | KeyboardInterrupt():
            _tell(session, "interrupted", "Interrupted", "interrupted", INTERRUPTED)
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            tell(error.format_message())
            return error.exit_code
        case click.ClickException():
            hint = ""
            if isinstance(error, click.UsageError) and error.ctx is not None:
                hint = f"Try '{error.ctx.command_path} --help'."
            _tell(session, "usage", "Wrong usage", error.format_message(), error.exit_code, hint=hint)
            return error.exit_code
        case BrokenPipeError():
            abandon()
            return BROKEN_PIPE
        case OSError() if error.errno in _OUT_OF:
            return _report_refusal(UnavailableError(str(error)), session)
        case _:
            return _report_bug(error, session)


def _report_refusal(error: StemmaError, session: Session) -> int:
    answer = answer_for(error)
    _tell(
        session,
        error.code,
        answer.title,
        error.message,
        answer.exit_code,
        hint=error.hint,
        place=error.place,
        status=answer.http_status,
    )
    return answer.exit_code


def _report_bug(error: BaseException, session: Session) -> int:
    message = f"this is a bug in Stemma: {type(error).__name__}: {error}"
    if session.debug:
        hint = "Please report it, with the traceback above."
    else:
        hint = f"Please report it, with {_keep_traceback(error)}."
    _tell(session, "bug", "Bug", message, BUG, hint=hint, status=500)
    return BUG


def _keep_traceback(error: BaseException) -> str:
    """Write the traceback to a file of its own and return how to refer to it."""
    try:
        handle, path = tempfile.mkstemp(prefix="stemma-bug-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return "the output of the same command with --debug"
    return path


def _tell(  # the members of a problem
    session: Session,
    code: str,
    title: str,
    message: str,
    exit_code: int,
    *,
    hint: str = "",
    place: str = "",
    status: int | None = None,
) -> None:
    if session.json:
        problem = {
            "code": code,
            "title": title,
            "detail": message,
            "hint": hint or None,
            "place": place or None,
            "status": status,
            "exit_code": exit_code,
        }
        tell(dumps(problem))
        return
    colored = session.colored(sys.stderr)
    text = f"{place}: {message}" if place else message
    for label, words, color in (("error:", text, "red"), ("hint:", hint, "cyan")):
        if words:
            head = click.style(label, fg=color, bold=True) if colored else label
            body = "\n  ".join(lines(words))
            tell(f"{head} {body}")
