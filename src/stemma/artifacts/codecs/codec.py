"""What a codec is."""

from typing import Protocol

RAW = 0
ZSTD = 1


class Codec(Protocol):
    """Encodes blocks of at most 1 MiB. Used from several threads at once."""

    @property
    def number(self) -> int:
        """The stable number in block headers, 0 to 255."""
        ...

    def encode(self, data: bytes | memoryview) -> bytes | None:
        """Return an encoding that is worth its while, or None where it would not be."""
        ...

    def decode(self, stored: bytes, raw: int) -> bytes:
        """Return the `raw` bytes that were encoded; a CorruptError where `stored` is not an encoding of so many."""
        ...
