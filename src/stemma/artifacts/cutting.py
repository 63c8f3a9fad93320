"""From a file to blocks: which format it has, where it is cut, and in which portions it is read.

What is cut covers the file from the first byte to the last. Nothing here depends on the store: the same bytes
are always cut alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stemma.artifacts.formats.content import MAX_CHUNK, cut_content
from stemma.artifacts.formats.layout import Format, MalformedError, Reader, Span, cover
from stemma.artifacts.formats.safetensors import SafetensorsFormat
from stemma.artifacts.formats.torch_zip import TorchZipFormat
from stemma.artifacts.packs.recipe import BLOCK_SIZE

SMALL_FILE = 64 << 10
"""Files of at most so many bytes are one block."""
SMALL_SPAN = 32 << 10
MAX_BUNDLE = 256 << 10
"""Neighbouring spans below `SMALL_SPAN` are bundled into segments of at most `MAX_BUNDLE` bytes."""
PORTION = 4 << 20
"""About how many bytes are read at once."""
OPAQUE = "opaque"
_HEAD = 16
FORMATS: tuple[Format, ...] = (SafetensorsFormat(), TorchZipFormat())


@dataclass(frozen=True, slots=True)
class Layout:
    """Spans that cover a file; `format` is empty where none was recognised, `malformed` says what was wrong."""

    format: str
    spans: tuple[Span, ...]
    malformed: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """One block of `length` bytes; `closes` is the span that ends with it, None inside a longer one."""

    length: int
    closes: Span | None


@dataclass(frozen=True, slots=True)
class Portion:
    """Neighbouring blocks that are read and encoded together; `data` where cutting had to read them already."""

    offset: int
    cuts: tuple[Cut, ...]
    data: bytes | None = None

    @property
    def length(self) -> int:
        """The bytes of all its blocks."""
        return sum(cut.length for cut in self.cuts)


def lay_out(reader: Reader) -> Layout:
    """Recognise the format by content and return where to cut; a malformed file is cut as plain bytes."""
    size = reader.size
    head = reader.read(0, min(_HEAD, size))
    whole = (Span(0, size, OPAQUE),) if size else ()
    for known in FORMATS:
        if not known.matches(head, size):
            continue
        try:
            spans = known.layout(reader)
            covered = None if spans is None else cover(spans, size)
        except MalformedError as error:
            return Layout("", whole, f"stored as plain bytes: not a valid {known.name} file: {error.message}")
        if covered is not None:
            return Layout(known.name, whole if size <= SMALL_FILE else tuple(_bundle(covered)))
    return Layout("", whole)


def portions(reader: Reader, layout: Layout) -> Iterator[Portion]:
    """Yield the file in portions, in order."""
    cuts: list[Cut] = []
    start = length = 0
    for span in layout.spans:
        if span.kind == OPAQUE and span.length > SMALL_FILE:
            if cuts:
                yield Portion(start, tuple(cuts))
            yield from _cut_by_content(reader, span)
            cuts, start, length = [], span.end, 0
            continue
        for offset in range(0, span.length, BLOCK_SIZE):
            block = min(BLOCK_SIZE, span.length - offset)
            cuts.append(Cut(block, span if offset + block == span.length else None))
            length += block
            if length >= PORTION:
                yield Portion(start, tuple(cuts))
                cuts, start, length = [], start + length, 0
    if cuts:
        yield Portion(start, tuple(cuts))


def _cut_by_content(reader: Reader, span: Span) -> Iterator[Portion]:
    offset, data = span.offset, b""
    read = span.offset
    while offset < span.end:
        wanted = min(PORTION + MAX_CHUNK - len(data), span.end - read)
        data += reader.read(read, wanted)
        read += wanted
        cuts = []
        end = 0
        for length in cut_content(data, last=read == span.end):
            cuts.append(Cut(length, Span(offset + end, length, OPAQUE, span.name)))
            end += length
        yield Portion(offset, tuple(cuts), data[:end])
        offset, data = offset + end, data[end:]


def _bundle(spans: list[Span]) -> Iterator[Span]:
    """Join neighbours that are too small to be worth a segment each; a header stays alone, for it changes most."""
    run: list[Span] = []
    for span in spans:
        small = span.length < SMALL_SPAN and span.kind != "header"
        if run and (not small or span.end - run[0].offset > MAX_BUNDLE):
            yield _join(run)
            run = []
        if small:
            run.append(span)
        else:
            yield span
    if run:
        yield _join(run)


def _join(run: list[Span]) -> Span:
    if len(run) == 1:
        return run[0]
    return Span(run[0].offset, run[-1].end - run[0].offset, "bundle")
