"""Codec 1: one plain zstd frame (RFC 8878) that states its content size, without a dictionary."""

import threading

import zstandard

from stemma.artifacts.codecs.codec import ZSTD
from stemma.errors import CorruptError

LEVEL = 3
_SAMPLE = 16 << 10
_SAMPLED_FROM = 128 << 10
_WORTH = 0.97


class ZstdCodec:
    """Compresses where a sample and the whole both become at least 3% smaller.

    Measured on normally distributed float32 (saves 7%): 710 MB/s in, 920 MB/s out per core; on what a sample
    refuses, over 5 GB/s.
    """

    number = ZSTD

    def __init__(self) -> None:
        # A zstd object crashes when two threads use it: each thread has its own.
        self._local = threading.local()

    def encode(self, data: bytes | memoryview) -> bytes | None:
        """Return a frame, or None where compression does not pay."""
        compressor = self._compressor()
        size = len(data)
        if size >= _SAMPLED_FROM:
            view = memoryview(data)
            middle = (size - _SAMPLE) // 2
            samples = (view[:_SAMPLE], view[middle : middle + _SAMPLE], view[size - _SAMPLE :])
            if all(len(compressor.compress(sample)) > _SAMPLE * _WORTH for sample in samples):
                return None
        frame: bytes = compressor.compress(data)
        return frame if len(frame) <= size * _WORTH else None

    def decode(self, stored: bytes, raw: int) -> bytes:
        """Return the content of the frame; a CorruptError unless it is one frame of `raw` bytes.

        The announced size is checked before anything is allocated, so that a small frame cannot become large.
        """
        try:
            announced = zstandard.frame_content_size(stored)
            if announced != raw:
                raise CorruptError(f"the frame announces {announced} bytes, not {raw}")
            data: bytes = self._decompressor().decompress(stored, max_output_size=raw, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise CorruptError(f"not a zstd frame: {error}") from error
        return data

    def _compressor(self) -> zstandard.ZstdCompressor:
        compressor: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = zstandard.ZstdCompressor(level=LEVEL)
        return compressor

    def _decompressor(self) -> zstandard.ZstdDecompressor:
        decompressor: zstandard.ZstdDecompressor | None = getattr(self._local, "decompressor", None)
        if decompressor is None:
            decompressor = self._local.decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 24)
        return decompressor
