"""Records: frozen values whose id is the SHA-256 of their canonical bytes.

Canonical bytes are RFC 8785 (JSON Canonicalization Scheme). Reading is strict: bytes that are not the
canonical form of what they say are refused, so that one value has exactly one id. What can be written can be
read: both sides hold to the same limits, whatever the interpreter's own are.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, Self, TypeAlias

import msgspec
import rfc8785

from stemma.errors import CorruptError, InvalidError

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 100
_HINT = "Write integers beyond 2^53, NaN and infinities as strings."
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class Digest(str):
    """The SHA-256 of some bytes, printed `sha256:` and 64 lower-case hex digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a printed digest; anything but the exact form is an InvalidError."""
        if not _DIGEST.fullmatch(text):
            raise InvalidError(
                f"{text[:80]!r} is not a digest", hint="A digest is 'sha256:' and 64 lower-case hexadecimal digits."
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        """Return the digest of `data`."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """Return the digest whose 32 bytes are `raw`."""
        if len(raw) != hashlib.sha256().digest_size:
            raise InvalidError(f"a SHA-256 has 32 bytes, not {len(raw)}")
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
    """Return the RFC 8785 bytes of `value`, or an InvalidError if it has none.

    It has none if it holds NaN, an infinity, an integer beyond 2^53, a lone surrogate, a key that is not text,
    a type that JSON lacks, or more than `MAX_DEPTH` levels.
    """
    try:
        if is_plain(value):
            return canonical_plain(value)
        return rfc8785.dumps(_built_in(value, MAX_DEPTH))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise InvalidError(f"this value has no canonical form: {str(error)[:200]}", hint=_HINT) from error


def is_plain(value: Json, depth: int = MAX_DEPTH) -> bool:
    """Return whether `canonical_plain` may be used: ASCII keys, built-in types, at most `depth` levels.

    Within ASCII, the order of code points is the order of UTF-16 units that RFC 8785 section 3.2.3 asks for. Floats
    are those that every shortest form writes alike: with a fraction, and from 0.0001 to 10^15 in size.
    """
    if type(value) is dict and depth > 0:
        for key in value:
            if type(key) is not str or not key.isascii():
                return False
        return _are_plain(value.values(), depth - 1)
    if (type(value) is list or type(value) is tuple) and depth > 0:
        return _are_plain(value, depth - 1)
    if type(value) is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    if type(value) is float:
        return 1e-4 <= abs(value) < 1e15 and not value.is_integer()  # noqa: PLR2004  # as the docstring says
    return type(value) in _LEAVES


def _are_plain(values: Iterable[Json], depth: int) -> bool:
    for item in values:
        kind = type(item)
        if kind not in _LEAVES and not is_plain(item, depth):
            return False
    return True


def canonical_plain(value: Json) -> bytes:
    """Return the RFC 8785 bytes of a value for which `is_plain` holds; fast, because it checks nothing."""
    return _PLAIN.encode(value)


def read_json(data: bytes, *, place: str) -> Json:
    """Decode JSON from outside: UTF-8, no duplicate keys, and a value that `canonical` accepts, else InvalidError."""
    try:
        value: Json = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"not valid JSON: {error}", place=place) from error
    except InvalidError as error:
        raise InvalidError(error.message, hint=error.hint, place=place) from error
    return value


def read_record(data: bytes, *, place: str) -> Mapping[str, Json]:
    """Decode a record; anything but the canonical bytes of an object is a CorruptError."""
    value = read_canonical(data, place=place)
    if not isinstance(value, dict):
        raise CorruptError("not a JSON object, which a record is", place=place)
    return value


def read_unchecked(data: bytes, *, place: str) -> Mapping[str, Json]:
    """Decode what a caller will write again and compare, which says whether it was canonical."""
    value = _load(data, place)
    if not isinstance(value, dict):
        raise CorruptError("not a JSON object, which a record is", place=place)
    return value


def read_canonical(data: bytes, *, place: str) -> Json:
    """Decode what `canonical` wrote; any other bytes are a CorruptError. Whole doubles come back as equal ints."""
    value = _load(data, place)
    try:
        exact = canonical(value) == data
    except InvalidError as error:
        raise CorruptError(f"not canonical JSON: {error}", place=place) from error
    if not exact:
        raise CorruptError("not the canonical form of the JSON that it holds", place=place)
    return value


def _load(data: bytes, place: str) -> Json:
    try:
        value: Json = json.loads(data.decode("utf-8"), parse_int=_read_whole, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"not canonical JSON: {error}", place=place) from error
    return value


def _built_in(value: Json, depth: int) -> Json:
    """Return `value` with every mapping as a dict and every sequence as a list, which is all that rfc8785 takes."""
    if not isinstance(value, Mapping | Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        return value
    if depth < 1:
        raise InvalidError(f"this value has no canonical form: more than {MAX_DEPTH} levels of lists and objects")
    if isinstance(value, Mapping):
        return {key: _built_in(item, depth - 1) for key, item in value.items()}
    return [_built_in(item, depth - 1) for item in value]


def _plain_text(value: object) -> str:
    """Encode the subclasses of str, such as Digest, which msgspec leaves to its caller."""
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{type(value).__name__} is not a plain JSON type")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _read_whole(text: str) -> int | float:
    """Read a number without fraction: RFC 8785 writes doubles from 2^53 to 10^21 that way too."""
    number = float(text)
    return int(text) if abs(number) <= MAX_SAFE_INTEGER else number


_LEAVES = frozenset({str, Digest, bool, type(None)})
_PLAIN = msgspec.json.Encoder(order="sorted", enc_hook=_plain_text)
