"""Decoding: from the text of a query or a body to the request of an operation, strictly.

What is not declared, is given twice or is no number of JSON is an InvalidError that names the field. Depth and time
are bounded by the shape that is asked for, and by the length of the text, which the caller bounds.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar, get_args
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import FieldInfo, fields

from stemma.errors import InvalidError

Decoded = TypeVar("Decoded", bound=msgspec.Struct)
_MAX_FIELDS = 1000
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_BOUND = 2**63
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")


def decode_body(data: bytes, decoder: "msgspec.json.Decoder[Decoded]") -> Decoded:
    """Return the JSON text `data` (RFC 8259, UTF-8) as what `decoder` decodes."""
    try:
        decoded = decoder.decode(data)
        json.loads(data, object_pairs_hook=_refuse_repeated, parse_int=_bounded, parse_float=len)
    except msgspec.ValidationError as error:
        raise _unfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidError(f"the body is no JSON text: {error}", hint="Send one JSON object, in UTF-8.") from None
    except RecursionError:
        raise InvalidError("the body is nested too deeply") from None
    return decoded


def _refuse_repeated(pairs: Sequence[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidError(f"the member {name[:80]!r} is given twice", place=name[:80])
            seen.add(name)


def _bounded(text: str) -> None:
    if len(text) > 20 or not -_BOUND <= int(text) < _BOUND:  # noqa: PLR2004  # the digits of 2^63 and a sign
        raise InvalidError(f"the number {text[:40]} has more than 64 bits", hint="Send it as text.")


def _unfit(message: str) -> InvalidError:
    """Return what msgspec says of a value that does not fit, with its place apart."""
    found = _PLACE.search(message)
    place = "" if found is None else found[1]
    text = message if found is None else message[: found.start()]
    return InvalidError(text[:1].lower() + text[1:], place=place, hint="See /openapi.json for what is asked for.")


@dataclass(frozen=True, slots=True)
class QueryDecoder(Generic[Decoded]):
    """Reads a query string as a request: scalars stand once, members of a list repeat their name."""

    kind: type[Decoded]
    readers: Mapping[str, tuple[Callable[[str, str], object], bool]]

    @classmethod
    def of(cls, kind: type[Decoded]) -> "QueryDecoder[Decoded]":
        """Return the decoder of `kind`; a TypeError where it is not as flat as a query."""
        return cls(kind, {field.encode_name: _reader(kind, field) for field in fields(kind)})

    def decode(self, query: bytes) -> Decoded:
        """Return the request that `query` spells."""
        given: dict[str, Any] = {}
        for name, text in split_query(query):
            if name not in self.readers:
                known = ", ".join(self.readers) or "none"
                raise InvalidError(f"there is no parameter {name[:80]!r}", place=name[:80], hint=f"Known: {known}.")
            read, repeats = self.readers[name]
            value = read(name, text)
            if repeats:
                given.setdefault(name, []).append(value)
            elif name in given:
                raise InvalidError(f"the parameter {name!r} is given twice", place=name)
            else:
                given[name] = value
        try:
            return msgspec.convert(given, self.kind)
        except msgspec.ValidationError as error:
            raise _unfit(str(error)) from None


def split_query(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string, in order."""
    if not query:
        return []
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise InvalidError(
            f"the query cannot be read: {error}", hint="Write name=value&name=value, percent-encoded UTF-8."
        ) from None


def _reader(kind: type[msgspec.Struct], field: FieldInfo) -> tuple[Callable[[str, str], object], bool]:
    expected, repeats = field.type, False
    if getattr(expected, "__origin__", None) is tuple:
        expected, repeats = get_args(expected)[0], True
    options = [each for each in get_args(expected) or (expected,) if each is not type(None)]
    match options:
        case [only] if only is str:
            return _read_text, repeats
        case [only] if only is bool:
            return _read_truth, repeats
        case [only] if only is int:
            return _read_whole, repeats
        case _:
            raise TypeError(f"{kind.__name__}.{field.name} is {expected!r}, which no query can carry")


def _read_text(name: str, text: str) -> str:
    if "\0" in text:
        _misread(name, text, "text without NUL")
    return text


def _read_truth(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        _misread(name, text, "true or false")
    return text == "true"


def _read_whole(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text) or not -_BOUND <= int(text) < _BOUND:
        _misread(name, text, "a whole number of at most 64 bits")
    return int(text)


def _misread(name: str, text: str, expected: str) -> NoReturn:
    raise InvalidError(f"{name} is {text[:80]!r}, not {expected}", place=name)


def body_decoder(kind: type[Decoded]) -> Callable[[bytes], Decoded]:
    """Return what reads a body as a `kind`."""
    return partial(decode_body, decoder=msgspec.json.Decoder(kind))
