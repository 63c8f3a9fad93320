"""The layout of an export: which file holds what, by C2SP tlog-tiles paths, and how bundles and the index are written.

keys                                      the verifier keys, named for the repository
index                                     size, digest and path of every file but these three
checkpoint                                a signed note over the index
logs/<namespace>/checkpoint               the log's newest signed note
logs/<namespace>/keys                     the verifier keys under the log's origin
logs/<namespace>/tile/<L>/<N>[.p/<W>]     hashes
logs/<namespace>/tile/entries/<N>[.p/<W>] entries, each behind its length in two bytes
records/<hex>.json                        records by digest
texts/<hex>.json                          detached texts by commitment, with their salts; redacted ones are absent
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from stemma.errors import CorruptError, InvalidError
from stemma.ledger.evidence.note import VerifierKey
from stemma.ledger.tree import WIDTH, hash_leaf, root_of, tile_widths
from stemma.records import Digest

KEYS = "keys"
INDEX = "index"
CHECKPOINT = "checkpoint"
OUTER = (CHECKPOINT, INDEX, KEYS)
LOGS = "logs"
RECORDS = "records"
TEXTS = "texts"
TEXT_SCHEMA = "stemma/text/1"
EXPORTS = "_export"

_LINE = re.compile(r"([0-9a-f]{64}) (0|[1-9]\d{0,15}) ([A-Za-z0-9._/-]{1,255})", re.ASCII)
_PREFIX = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One tile or bundle of a log: level (None for entries), number, and how many hashes or entries it holds."""

    level: int | None
    number: int
    width: int

    @property
    def path(self) -> str:
        """Where it lies below the log's folder."""
        level = "entries" if self.level is None else str(self.level)
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{level}/{_split_number(self.number)}{partial}"


def pieces(size: int) -> Iterator[Piece]:
    """Yield every bundle and then every tile of a log with `size` entries, in order."""
    for level, complete, partial in [(None, size // WIDTH, size % WIDTH), *tile_widths(size)]:
        for number in range(complete):
            yield Piece(level, number, WIDTH)
        if partial:
            yield Piece(level, complete, partial)


def _split_number(number: int) -> str:
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries one behind the other, each behind its length in two bytes, most significant first."""
    return b"".join(len(data).to_bytes(_PREFIX, "big") + data for data in entries)


def decode_bundle(data: bytes, width: int, *, place: str) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, entry) for exactly `width` entries; a CorruptError where the bytes hold fewer or more."""
    at = 0
    for _ in range(width):
        start = at + _PREFIX
        end = start + int.from_bytes(data[at:start], "big")
        if end > len(data) or start > len(data):
            raise CorruptError("the bundle ends within an entry", place=f"{place} byte {at}")
        yield start, data[start:end]
        at = end
    if at != len(data):
        raise CorruptError(f"{len(data) - at} bytes follow the last entry", place=f"{place} byte {at}")


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """One line of the index: a file, its size in bytes and its SHA-256."""

    path: str
    size: int
    digest: Digest

    @classmethod
    def of(cls, path: str, data: bytes) -> Self:
        """Return the line for a file."""
        return cls(path, len(data), Digest.of(data))

    def __str__(self) -> str:
        return f"{self.digest.hex} {self.size} {self.path}\n"


def encode_keys(keys: Sequence[VerifierKey]) -> bytes:
    """Return verifier keys, one a line."""
    return "".join(f"{key}\n" for key in keys).encode()


def decode_keys(data: bytes, *, place: str) -> tuple[VerifierKey, ...]:
    """Read verifier keys; anything but what `encode_keys` writes is a CorruptError."""
    try:
        keys = tuple(VerifierKey.parse(line) for line in data.decode("utf-8").removesuffix("\n").split("\n"))
    except (InvalidError, ValueError) as error:
        raise CorruptError(f"not a list of verifier keys: {error}", place=place) from error
    if encode_keys(keys) != data:
        raise CorruptError("not a list of verifier keys, one a line", place=place)
    return keys


def encode_index(files: Sequence[Listed]) -> bytes:
    """Return the index of `files`, sorted by path."""
    return "".join(map(str, sorted(files))).encode()


def decode_index(data: bytes) -> dict[str, Listed]:
    """Read an index; anything but what `encode_index` writes is a CorruptError that names the line."""
    files: dict[str, Listed] = {}
    last = ""
    text = data.decode("ascii", "replace")
    lines = text.split("\n")
    if lines.pop():
        raise CorruptError("the last line does not end", place=f"{INDEX} line {len(lines) + 1}")
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if not match or match[3] <= last or match[3] in OUTER:
            raise CorruptError("not a digest, a size and the path that follows", place=f"{INDEX} line {number}")
        last = match[3]
        files[last] = Listed(last, int(match[2]), Digest(f"sha256:{match[1]}"))
    return files


def index_root(data: bytes) -> bytes:
    """Return the RFC 6962 root over the lines of an index, each with its newline."""
    return root_of([hash_leaf(line) for line in data.splitlines(keepends=True)])
