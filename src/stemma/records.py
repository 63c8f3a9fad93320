"""Records: frozen values whose id is the SHA-256 of their canonical bytes.

Canonical bytes are RFC 8785 (JSON Canonicalization Scheme). Reading is strict: bytes that are not the
canonical form of what they say are refused, so that one value has exactly one id.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn, Self, TypeAlias

import rfc8785

from stemma.errors import CorruptError, InvalidError

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None

MAX_SAFE_INTEGER = 2**53 - 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class Digest(str):
    """The SHA-256 of some bytes, printed `sha256:` and 64 lower-case hex digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a printed digest; anything but the exact form is an InvalidError."""
        if not _DIGEST.fullmatch(text):
            msg = f"{text[:80]!r} is not a digest"
            raise InvalidError(msg, hint="A digest is 'sha256:' and 64 lower-case hexadecimal digits.")
        return cls(text)

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        """Return the digest of `data`."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """Return the digest whose 32 bytes are `raw`."""
        if len(raw) != hashlib.sha256().digest_size:
            msg = f"a SHA-256 has 32 bytes, not {len(raw)}"
            raise InvalidError(msg)
        return cls("sha256:" + raw.hex())

    @property
    def hex(self) -> str:
        """The 64 hex digits."""
        return self[7:]

    @property
    def raw(self) -> bytes:
        """The 32 bytes."""
        return bytes.fromhex(self[7:])

    @property
    def short(self) -> str:
        """The first twelve hex digits, for people."""
        return self[7:19]


def canonical(value: Json) -> bytes:
    """Return the RFC 8785 bytes of `value`; NaN, infinities and integers beyond 2^53 are an InvalidError."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        msg = f"this value has no canonical form: {error}"
        raise InvalidError(msg, hint="Write integers beyond 2^53, NaN and infinities as strings.") from error


def read_json(data: bytes, *, place: str) -> Json:
    """Decode JSON from outside: UTF-8, no duplicate keys, no NaN, of bounded depth, else InvalidError."""
    try:
        value: Json = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        canonical(value)
    except (ValueError, RecursionError) as error:
        msg = f"not valid JSON: {error}"
        raise InvalidError(msg, place=place) from error
    return value


def read_record(data: bytes, *, place: str) -> Mapping[str, Json]:
    """Decode a record; anything but the canonical bytes of an object is a CorruptError."""
    try:
        value = read_json(data, place=place)
    except InvalidError as error:
        raise CorruptError(error.message, place=place) from error
    if not isinstance(value, dict) or canonical(value) != data:
        msg = "not the canonical form of a JSON object"
        raise CorruptError(msg, place=place)
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        msg = "a key appears twice in one object"
        raise ValueError(msg)
    return result


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a JSON value"
    raise ValueError(msg)
