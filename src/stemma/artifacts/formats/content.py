"""Cutting by content (FastCDC, 2020 revision): where nothing is known of a format, equal stretches cut alike.

Parameters and tables stand in docs/spec/store.md, so that another implementation can cut alike. Reading never
depends on them. Choice of the implementation: docs/decisions/0012-cutting-by-content.md.
"""

from collections.abc import Iterator
from typing import Final

from pyfastcdc import FastCDC

MIN_CHUNK = 32 << 10
AVERAGE_CHUNK = 128 << 10
MAX_CHUNK = 1 << 20
NORMALIZATION: Final = 1


def cut_content(data: bytes | memoryview, *, last: bool) -> Iterator[int]:
    """Yield the lengths of the chunks at the front of `data`.

    Unless `last`, the bytes behind the final cut are left for the next call, together with what follows; what is
    cut does not depend on how the input was divided.
    """
    remaining = len(data)
    chunker = FastCDC(AVERAGE_CHUNK, min_size=MIN_CHUNK, max_size=MAX_CHUNK, normalized_chunking=NORMALIZATION, seed=0)
    for chunk in chunker.cut_buf(data):
        # With less than the largest chunk ahead the cut may be an artefact of where the buffer ends.
        if not last and remaining < MAX_CHUNK:
            return
        yield chunk.length
        remaining -= chunk.length
