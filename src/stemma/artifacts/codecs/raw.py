"""Codec 0: the bytes as they are."""

from stemma.artifacts.codecs.codec import RAW
from stemma.errors import CorruptError


class RawCodec:
    """Keeps bytes as they are."""

    number = RAW

    def encode(self, data: bytes | memoryview) -> bytes | None:
        """Return `data`."""
        return bytes(data)

    def decode(self, stored: bytes, raw: int) -> bytes:
        """Return `stored`; a CorruptError unless it has `raw` bytes."""
        if len(stored) != raw:
            raise CorruptError(f"{len(stored)} bytes are stored of {raw}")
        return stored
