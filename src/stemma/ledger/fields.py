"""The fields of entries: what each may hold, and how it is written to JSON and read back.

Checks raise InvalidError. Frequent short values are checked once and remembered. Encoding is RFC 8785 for what the
checks admit: keys are ASCII, so code points sort as UTF-16 does, and there are no floats.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import NoReturn, Self, TypeAlias, TypeVar, cast

from stemma.errors import InvalidError
from stemma.names import SYSTEM_NAMESPACE, check_name
from stemma.records import MAX_SAFE_INTEGER, Digest, canonical_plain

__all__ = [
    "Fact",
    "Members",
    "check_action",
    "check_fact",
    "check_namespace",
    "check_text",
    "check_token",
    "encode_fact",
    "format_time",
    "parse_time",
    "quote",
    "required",
]

Fact: TypeAlias = "bool | int | str | Sequence[Fact] | Mapping[str, Fact] | None"
Value = TypeVar("Value")

_MAX_TEXT = 512
_MAX_DEPTH = 8
_TOKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/-]{0,127}", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,31}(?:\.[a-z][a-z0-9_]{0,31}){1,3}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_MAX_TIME = 253_402_300_799 * _SECOND + 999_999
"""The last microsecond of the year 9999."""


def encode_fact(value: Fact) -> str:
    """Return what `check_fact` admits as canonical JSON."""
    return canonical_plain(value).decode()


@lru_cache(maxsize=4096)
def check_namespace(text: str) -> str:
    """Return `text` if a log can be named so: a namespace or `_system`."""
    return text if text == SYSTEM_NAMESPACE else check_name(text, "namespace")


@lru_cache(maxsize=1024)
def check_action(text: str) -> str:
    """Return `text` if it is an action: `noun.verb`, lower case."""
    if not _ACTION.fullmatch(text):
        raise InvalidError(f"{text[:80]!r} is not an action", hint="Write noun.verb, for example alias.set.")
    return text


@lru_cache(maxsize=4096)
def check_token(text: str, what: str) -> str:
    """Return `text` if it is at most 128 letters, digits and `._:/-`: no address, no spaces, no quotes."""
    if not _TOKEN.fullmatch(text):
        hint = "Use at most 128 ASCII letters, digits and any of '._:/-'."
        raise InvalidError(f"{text[:80]!r} is not a {what}", hint=hint)
    return text


def check_text(text: str, what: str) -> str:
    """Return `text` if it is one line of 1 to 512 printable characters."""
    if not text or len(text) > _MAX_TEXT or not text.isprintable():
        raise InvalidError(f"{text[:80]!r} is not a {what}", hint=f"Use 1 to {_MAX_TEXT} printable characters.")
    return text


def check_fact(value: Fact, what: str, depth: int = _MAX_DEPTH) -> None:
    """Refuse floats, integers beyond 2^53, lone surrogates, keys that are not tokens, and deep nesting."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidError(f"{what} holds a lone surrogate")
    elif isinstance(value, int):
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise InvalidError(f"{what} is {value}, beyond 2^53", hint="Write large integers as strings.")
    elif isinstance(value, dict) and depth:
        for key, item in value.items():
            check_fact(item, check_token(key, "key"), depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for item in value:
            check_fact(item, what, depth - 1)
    elif value is not None:
        hint = f"Use strings, integers, booleans, null, lists and dictionaries, nested at most {_MAX_DEPTH} deep."
        raise InvalidError(f"{what} holds a {type(value).__name__} that cannot be entered", hint=hint)


def format_time(time: int) -> str:
    """Return microseconds since the epoch as RFC 3339 in UTC with six digits and `Z`."""
    second, fraction = divmod(time, _SECOND)
    return f"{_format_second(second)}.{fraction:06d}Z"


@lru_cache(maxsize=256)
def _format_second(second: int) -> str:
    if not 0 <= second * _SECOND <= _MAX_TIME:
        raise InvalidError(f"{second} seconds since the epoch is not within the years 1970 to 9999")
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str) -> int:
    """Return the microseconds since the epoch that `format_time` wrote as `text`."""
    if not _TIME.fullmatch(text):
        raise InvalidError(f"{text[:80]!r} is not a time", hint="Write for example 2026-03-03T12:00:00.000000Z.")
    second = _parse_second(text[:19])
    return second * _SECOND + int(text[20:26])


@lru_cache(maxsize=256)
def _parse_second(text: str) -> int:
    try:
        second = (datetime.fromisoformat(text + "+00:00") - _EPOCH) // timedelta(seconds=1)
    except ValueError as error:
        raise InvalidError(f"{text!r} is not a time: {error}") from error
    if second < 0:
        raise InvalidError(f"{text!r} lies before 1970")
    return second


def required(value: Value | None, name: str) -> Value:
    """Return a member that must be there."""
    if value is None:
        raise InvalidError(f"{name} is missing")
    return value


@dataclass(frozen=True, slots=True)
class Members:
    """Typed access to the members of a decoded object."""

    members: Mapping[str, Fact]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Decode a JSON object without floats; duplicate members show up when it is encoded again."""
        value = json.loads(data.decode("utf-8"), parse_float=_refuse_number, parse_constant=_refuse_number)
        if not isinstance(value, dict):
            raise InvalidError("not a JSON object")
        return cls(cast("dict[str, Fact]", value))

    def optional_text(self, name: str) -> str | None:
        """Return a string member, or None where it is absent."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidError(f"{name} is not a string")
        return value

    def text(self, name: str) -> str:
        """Return a string member."""
        return required(self.optional_text(name), name)

    def digest(self, name: str) -> Digest | None:
        """Return a digest member, or None where it is absent."""
        value = self.optional_text(name)
        return None if value is None else Digest.parse(value)

    def digests(self, name: str) -> tuple[Digest, ...]:
        """Return a list of digests, empty where it is absent."""
        value = self.members.get(name, [])
        if not isinstance(value, list):
            raise InvalidError(f"{name} is not a list of digests")
        return tuple(Digest.parse(item) if isinstance(item, str) else _not_digest(name) for item in value)

    def integer(self, name: str) -> int:
        """Return an integer member."""
        value = self.members.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidError(f"{name} is not an integer")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean member, False where it is absent."""
        value = self.members.get(name, False)
        if not isinstance(value, bool):
            raise InvalidError(f"{name} is not a boolean")
        return value

    def object(self, name: str) -> Mapping[str, Fact] | None:
        """Return an object member, or None where it is absent."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, dict):
            raise InvalidError(f"{name} is not an object")
        return value


def _not_digest(name: str) -> NoReturn:
    raise InvalidError(f"{name} holds something that is not a digest")


def _refuse_number(text: str) -> NoReturn:
    raise InvalidError(f"{text} is not an integer")
