"""Arguments and options that several commands share, and how their text is read."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time
from functools import wraps
from typing import Any, TypeVar

import click
import msgspec

from stemma.cli.opening import suggest_models, suggest_references
from stemma.errors import InvalidError
from stemma.names import Reference, check_name
from stemma.records import MAX_SAFE_INTEGER
from stemma.registry import Parameter
from stemma.semver import Range

Function = TypeVar("Function", bound=Callable[..., Any])
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?P<zone>[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def model_argument(function: Function) -> Function:
    """Take `model`: `NAMESPACE/NAME`."""
    return click.argument("model", metavar="NAMESPACE/NAME", shell_complete=suggest_models)(function)


def reference_argument(function: Callable[..., None]) -> Callable[..., None]:
    """Take `reference`, with `--range` and `--target` for those who do not want to quote."""

    @wraps(function)
    def composed(
        *arguments: object,
        reference: str,
        version_range: str | None,
        target: str | None,
        **options: object,
    ) -> None:
        function(*arguments, reference=compose(reference, version_range, target), **options)

    taken = click.option("--target", metavar="NAME", help="The build for a target.")(composed)
    taken = click.option(
        "--range", "version_range", metavar="RANGE", help="The newest version in a range: '^1.2', '>=1.2,<2'."
    )(taken)
    return click.argument("reference", metavar="REFERENCE", shell_complete=suggest_references)(taken)


def compose(reference: str, version_range: str | None, target: str | None) -> str:
    """Return the reference that REFERENCE, --range and --target make together; a contradiction is an InvalidError."""
    if version_range is None and target is None:
        return reference
    given = Reference.parse(reference)
    if version_range is not None:
        if given.selector is not None:
            raise InvalidError(f"{reference!r} says which version, and --range too", hint="Leave one of them out.")
        given = Reference(given.model, Range.parse(version_range), given.target)
    if target is not None:
        if given.target is not None:
            raise InvalidError(f"{reference!r} says which target, and --target too", hint="Leave one of them out.")
        given = Reference(given.model, given.selector, check_name(target, "target"))
    return str(given)


def limit_option(default: int) -> Callable[[Function], Function]:
    """Take `limit`: how many items to list at most, 0 for all."""
    return click.option(
        "-n",
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        show_default=True,
        metavar="N",
        help="List at most N; 0 lists all.",
    )


def role_argument(function: Function) -> Function:
    """Take `role`."""
    return click.argument("role", metavar="ROLE")(function)


def place_option(function: Callable[..., None]) -> Callable[..., None]:
    """Take `place`: a namespace, `*` for all, or None where nothing is said."""

    @wraps(function)
    def composed(*arguments: object, namespace: str | None, everywhere: bool, **options: object) -> None:
        if everywhere and namespace is not None:
            raise InvalidError("--everywhere is every namespace, and --namespace one", hint="Leave one of them out.")
        function(*arguments, place="*" if everywhere else namespace, **options)

    taken = click.option("--everywhere", is_flag=True, help="In every namespace, those to come included.")(composed)
    return click.option("--namespace", metavar="NAMESPACE", help="In this namespace.")(taken)


def duration_given(text: str, option: str) -> int:
    """Read a length of time such as `45m`, `12h` or `30d`, and return seconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidError(f"{option} is {text[:80]!r}, which is no length of time", hint="Write 45m, 12h or 30d.")
    return int(found[1]) * _SECONDS[found[2]]


def pairs(items: tuple[str, ...], option: str) -> dict[str, str]:
    """Read `NAME=VALUE` items; one without `=` and one that comes twice are an InvalidError."""
    read: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidError(f"{option} is {item!r}, not NAME=VALUE")
        if name in read:
            raise InvalidError(f"{option} gives {name!r} twice")
        read[name] = value
    return read


def figures(items: tuple[str, ...]) -> dict[str, float]:
    """Read `NAME=VALUE` items whose values are numbers, `nan` and `inf` among them."""
    read: dict[str, float] = {}
    for name, text in pairs(items, "--metric").items():
        try:
            read[name] = float(text)
        except ValueError as error:
            raise InvalidError(f"the metric {name!r} is {text!r}, which is no number") from error
    return read


def parameters(items: tuple[str, ...]) -> dict[str, Parameter]:
    """Read `NAME=VALUE` items: a value that JSON reads as number, truth value or null is that, any other is text."""
    return {name: _parameter(text) for name, text in pairs(items, "--param").items()}


def _parameter(text: str) -> Parameter:
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        return text
    return value if isinstance(value, int | float | bool | None) else text


def moment_given(text: str, *, end_of_day: bool) -> str:
    """Return a time given by RFC 3339, or as a date: its end (or its start) in UTC; else an InvalidError."""
    hint = "Write a date, 2026-03-03, or a time with its zone, 2026-03-03T14:00:00Z."
    day, zoned = is_day(text), _TIME.fullmatch(text)
    if not day and not zoned:
        raise InvalidError(f"{text[:80]!r} is not a time", hint=hint)
    if zoned and not zoned["zone"]:
        raise InvalidError(f"{text!r} does not say in which time zone", hint=f"For UTC: {text}Z")
    try:
        read = datetime.fromisoformat(text.upper())
        if day:
            read = datetime.combine(read, time.max if end_of_day else time.min, UTC)
        read = read.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"{text!r} is not a time", hint=hint) from error
    return read.isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_day(text: str) -> bool:
    """Return whether a text has the form of a date without a time of day."""
    return _DAY.fullmatch(text) is not None
