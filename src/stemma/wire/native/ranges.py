"""Ranges of bytes, as `Range` asks for them (RFC 9110, 14)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stemma.http.problems import refuse

MAX_RANGES = 16
_RANGE = re.compile(rb"(\d{0,19})-(\d{0,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file from `start` up to `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many these are."""
        return self.end - self.start

    def described(self, size: int) -> bytes:
        """Return it as `Content-Range` does, out of `size` bytes."""
        return b"bytes %d-%d/%d" % (self.start, self.end - 1, size)


def read_ranges(header: bytes | None, size: int) -> Sequence[Span] | None:
    """Return the spans of a file that are asked for, None for all of it, none at all where no range is within it.

    A 416 for what is no set of ranges, for more than `MAX_RANGES`, and for ranges that together ask for more than the
    file. Other units than bytes are passed over.
    """
    if header is None:
        return None
    unit, _, text = header.partition(b"=")
    if unit.strip().lower() != b"bytes":
        return None
    asked = text.split(b",", MAX_RANGES)
    if len(asked) > MAX_RANGES:
        raise _refused(f"more than {MAX_RANGES} ranges", size)
    spans = [span for part in asked if (span := _read(part.strip(), size)) is not None]
    if sum(span.length for span in spans) > size:
        raise _refused("ranges that overlap", size)
    return spans


def _read(text: bytes, size: int) -> Span | None:
    match = _RANGE.fullmatch(text)
    if match is None or text == b"-":
        raise _refused(f"{text[:40].decode('latin-1')!r}", size)
    first, last = match.groups()
    if not first:
        span = Span(max(0, size - int(last)), size)
    else:
        if last and int(last) < int(first):
            raise _refused(f"{text[:40].decode('latin-1')!r}", size)
        span = Span(int(first), min(int(last) + 1 if last else size, size))
    return span if span.start < span.end else None


def _refused(what: str, size: int) -> Exception:
    return refuse(
        416, f"the Range header asks for {what}", hint="Ask for the ranges one by one.", content_range=f"bytes */{size}"
    )
