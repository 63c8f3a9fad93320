"""What a format says about a file: spans that cover it from the first byte to the last, without overlap.

A format reads only what it needs to find its way, never executes or unpickles anything, and raises
`MalformedError` on everything that it does not fully understand: the file is then stored as plain bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from stemma.artifacts.packs.recipe import MAX_DIMENSIONS
from stemma.errors import InvalidError

MAX_SPANS = 1_000_000
MAX_NAME = 65_535
MAX_DTYPE = 255
_MAX_DIMENSION = 2**64 - 1


class MalformedError(InvalidError):
    """The file is not what its first bytes promise; it is stored as plain bytes."""

    code = "malformed"


@dataclass(frozen=True, slots=True)
class Span:
    """`length` bytes of a file from `offset`, and what they are.

    `kind` is one of `recipe.KINDS`; `opaque` spans are cut further by content, all others are kept whole.
    """

    offset: int
    length: int
    kind: str = "opaque"
    name: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = field(default=())

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length


class Reader(Protocol):
    """Random access to a file's bytes."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes."""
        ...


class Format(Protocol):
    """One file format."""

    @property
    def name(self) -> str:
        """What recipes call it: ASCII, lower case, stable."""
        ...

    def matches(self, head: bytes, size: int) -> bool:
        """Whether a file of `size` bytes that begins with `head` (16 bytes or all) may be of this format."""
        ...

    def layout(self, reader: Reader) -> list[Span] | None:
        """Return spans inside the file, in any order; bytes between them become gaps. None: not this format.

        A MalformedError where the file is not fully understood, in time and memory bounded by its size.
        """
        ...


def cover(spans: Iterable[Span], size: int) -> list[Span]:
    """Return `spans` and a gap for everything between them; a MalformedError where they overlap or stand outside."""
    result: list[Span] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.offset, span.length)):
        _check(span, end, size)
        if span.offset > end:
            result.append(Span(end, span.offset - end, "gap"))
        if span.length:
            result.append(span)
        end = span.end
        if len(result) > MAX_SPANS:
            raise MalformedError(f"more than {MAX_SPANS} parts")
    if end < size:
        result.append(Span(end, size - end, "gap"))
    return result


def _check(span: Span, end: int, size: int) -> None:
    if span.offset < end:
        raise MalformedError(f"{_called(span)} overlaps what stands before it, at offset {span.offset}")
    if span.length < 0 or span.end > size:
        raise MalformedError(f"{_called(span)} ends at {span.end}, behind the end of the file at {size}")
    if len(span.name.encode("utf-8", "surrogatepass")) > MAX_NAME or len(span.dtype) > MAX_DTYPE:
        raise MalformedError(f"{_called(span)} has too long a name")
    if len(span.shape) > MAX_DIMENSIONS or any(not 0 <= length <= _MAX_DIMENSION for length in span.shape):
        raise MalformedError(f"{_called(span)} has an impossible shape")


def _called(span: Span) -> str:
    return f"{span.kind} {span.name[:80]!a}" if span.name else span.kind
