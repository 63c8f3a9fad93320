"""safetensors: an 8-byte little-endian header length, a JSON header, then the tensors' bytes.

Duplicate keys, unknown dtypes, lengths that do not fit dtype and shape, and overlaps are refused; holes between
tensors are kept as gaps. Format: https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from stemma.artifacts.formats.layout import MalformedError, Reader, Span

MAX_HEADER = 100_000_000
# What a header may list, so that parsing takes a few hundred megabytes at most: a million brackets, three commas each.
MAX_BRACKETS = 1_000_000
MAX_COMMAS = 3_000_000
_LENGTH = 8
# Bits of one element.
_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64, "C128": 128,
}  # fmt: skip


class SafetensorsFormat:
    """Cuts a safetensors file into its header and its tensors."""

    name = "safetensors"

    def matches(self, head: bytes, size: int) -> bool:
        """Whether a JSON object opens at the ninth byte, by its first key or by a length that fits the file.

        One byte alone would be found in every 256th file of any kind.
        """
        opening = head[_LENGTH : _LENGTH + 2]
        fits = int.from_bytes(head[:_LENGTH], "little") <= size - _LENGTH
        return opening in (b'{"', b"{}") or (opening[:1] == b"{" and fits)

    def layout(self, reader: Reader) -> list[Span]:
        """Return the header and every tensor; names, dtypes and shapes as the header spells them."""
        length = int.from_bytes(reader.read(0, _LENGTH), "little")
        if length > MAX_HEADER:
            raise MalformedError(f"a header of {length} bytes; at most {MAX_HEADER} are possible")
        start = _LENGTH + length
        if start > reader.size:
            raise MalformedError(f"a header of {length} bytes in a file of {reader.size}")
        spans = [Span(0, start, "header")]
        spans += [_tensor(name, entry, start) for name, entry in _read_header(reader.read(_LENGTH, length)).items()]
        return spans


def _read_header(data: bytes) -> dict[str, Any]:
    if data.count(b"{") + data.count(b"[") > MAX_BRACKETS or data.count(b",") > MAX_COMMAS:
        raise MalformedError("the header lists more than any model has")
    try:
        header = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the header is not JSON: {str(error)[:200]}") from error
    if not isinstance(header, dict):
        raise MalformedError("the header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise MalformedError("__metadata__ does not map strings to strings")
    return header


def _tensor(name: str, entry: object, start: int) -> Span:
    match entry:
        case {"dtype": str() as dtype, "shape": list() as shape, "data_offsets": [int() as begin, int() as end]}:
            pass
        case _:
            raise MalformedError(f"the entry of tensor {name[:80]!a} is not {{dtype, shape, data_offsets}}")
    if any(not isinstance(length, int) or isinstance(length, bool) or length < 0 for length in shape):
        raise MalformedError(f"tensor {name[:80]!a} has an impossible shape")
    bits = _BITS.get(dtype)
    if bits is None:
        raise MalformedError(f"tensor {name[:80]!a} has the unknown dtype {dtype[:80]!a}")
    if isinstance(begin, bool) or isinstance(end, bool) or not 0 <= begin <= end:
        raise MalformedError(f"tensor {name[:80]!a} has impossible offsets")
    if (end - begin) * 8 != math.prod(shape) * bits:
        raise MalformedError(f"tensor {name[:80]!a} does not have the bytes of its dtype and shape")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedError(f"the name of tensor {name[:80]!a} is not valid Unicode") from error
    return Span(start + begin, end - begin, "tensor", name, dtype, tuple(shape))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
