"""Findings: one for each thing that was looked at."""

from collections.abc import Callable, Iterable

from stemma.client.answers import Finding
from stemma.errors import StemmaError


def ok(check: str, detail: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, state="ok", detail=detail)


def warn(check: str, detail: str, hint: str) -> Finding:
    """Return that something works and asks for attention."""
    return Finding(check=check, state="warn", detail=detail, hint=hint)


def fail(check: str, detail: str, hint: str | None) -> Finding:
    """Return that something does not work, or is not safe."""
    return Finding(check=check, state="fail", detail=detail, hint=hint or None)


def attempt(check: str, run: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds; that it cannot be made, or brought to its end, is a finding too."""
    found: list[Finding] = []
    try:
        for each in run():
            found.append(each)  # noqa: PERF402  # what came before an error counts
    except StemmaError as error:
        found.append(fail(check, str(error), error.hint))
    return found
