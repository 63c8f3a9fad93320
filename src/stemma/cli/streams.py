"""The three standard streams: fit to be written to, and what it means when they take no more.

A reader that is gone is a BrokenPipeError, left to the outermost place; any other failure is an UnavailableError.
"""

import os
import sys

from stemma.errors import UnavailableError


def prepare_streams() -> None:
    """Let the streams write any text, as escapes where their encoding lacks it, and occupy those that are closed.

    A closed one would give its descriptor to the next file that is opened, which then could be written into.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    while nothing <= 2:  # noqa: PLR2004  # the last standard descriptor
        nothing = os.open(os.devnull, os.O_RDWR)
    os.close(nothing)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  # for the process's life, and not writable
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # for the process's life
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write data to standard output, now."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnavailableError(f"standard output cannot be written: {error.strerror or 'it is closed'}") from error


def tell(text: str) -> None:
    """Write a line for people to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def finish() -> None:
    """Flush standard output, so that a reader that is gone or a full disk is noticed while it can be told."""
    if sys.stdout.writable():
        write("")


def abandon() -> None:
    """Point standard output at nothing, or the interpreter would complain at its end about what it still holds."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def settle() -> None:
    """Let go of what standard output still holds and cannot take, or the interpreter would end with its own code."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon()
