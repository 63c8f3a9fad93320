"""Parameters: what a version was trained with, as one record that equal settings share.

A value is text, a whole number, a finite number, a truth value or null. `docs/spec/versions.md` is normative.
"""

import math
import re
from collections.abc import Mapping
from typing import TypeAlias

from stemma.errors import CorruptError, InvalidError, TooLargeError, UnsupportedError
from stemma.records import MAX_SAFE_INTEGER, Json, canonical, read_unchecked
from stemma.registry.records.message import clean_line, clean_text

SCHEMA = "stemma/parameters/1"
MAX_PARAMETERS = 2_000
MAX_NAME = 250
MAX_VALUE = 8_192
"""Bytes of a value that is text."""
_SIMPLE = re.compile(r"[!-~](?:[ -~]{0,248}[!-~])?", re.ASCII)
"""The names that nearly all parameters have, which are clean as they are."""
Parameter: TypeAlias = str | int | float | bool | None


def encode_parameters(given: Mapping[str, Parameter]) -> bytes:
    """Return the record's canonical bytes.

    An InvalidError names the parameter whose value cannot be kept: a number that is not finite, a whole one beyond
    2^53 (write it as text), or text that is too long or holds control characters.
    """
    if len(given) > MAX_PARAMETERS:
        raise TooLargeError(f"{len(given)} parameters, at most {MAX_PARAMETERS} are kept")
    values: dict[str, Json] = {}
    for name, value in given.items():
        clean = name if _SIMPLE.fullmatch(name) else clean_line(name, "parameter's name", limit=MAX_NAME)
        if clean in values:
            raise InvalidError(f"the parameter {clean!r} is given twice")
        values[clean] = _value(clean, value)
    return canonical({"schema": SCHEMA, "values": values})


def decode_parameters(data: bytes, *, place: str = "parameters record") -> dict[str, Parameter]:
    """Read a record; one of another schema is an UnsupportedError, any other deviation a CorruptError."""
    record = read_unchecked(data, place=place)
    schema, values = record.get("schema"), record.get("values")
    if schema != SCHEMA and isinstance(schema, str) and schema.startswith("stemma/parameters/"):
        raise UnsupportedError(f"this release cannot read {schema[:80]!r}", hint="Upgrade stemma.", place=place)
    if schema != SCHEMA or not isinstance(values, dict) or len(record) != len(("schema", "values")):
        raise CorruptError("not a parameters record", place=place)
    try:
        exact = encode_parameters(values) == data
    except (InvalidError, TooLargeError) as error:
        raise CorruptError(f"not a parameters record: {error}", place=place) from error
    if not exact:
        raise CorruptError("a parameters record that says something in another way", place=place)
    return values


def _value(name: str, value: object) -> Parameter:
    match value:
        case str():
            return clean_text(value, f"parameter {name!r}", limit=MAX_VALUE)
        case bool() | None:
            return value
        case int():
            if abs(value) > MAX_SAFE_INTEGER:
                raise InvalidError(f"the parameter {name!r} is {value}, beyond 2^53", hint="Give it as text.")
            return value
        case float():
            if not math.isfinite(value):
                raise InvalidError(f"the parameter {name!r} is {value}", hint="Give it as text.")
            return int(value) if value.is_integer() and abs(value) <= MAX_SAFE_INTEGER else value
        case _:
            raise InvalidError(f"the parameter {name!r} is a {type(value).__name__}", hint="Give it as text.")
