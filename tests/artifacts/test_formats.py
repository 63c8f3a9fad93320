"""Where files are cut: real files at their tensors, hostile ones not at all, and always within bounds."""

import hashlib
import io
import json
import pickle
import struct
import time
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from stemma.artifacts.cutting import MAX_BUNDLE, Layout, lay_out, portions
from stemma.artifacts.formats.content import AVERAGE_CHUNK, MAX_CHUNK, MIN_CHUNK, cut_content
from stemma.artifacts.formats.layout import MalformedError, Span, cover
from stemma.artifacts.formats.safetensors import SafetensorsFormat
from stemma.artifacts.formats.torch_zip import TorchZipFormat
from stemma.artifacts.packs.recipe import BLOCK_SIZE
from stemma.artifacts.uploads.tasks import BytesSource

RNG = np.random.default_rng(7)


def tensors(count: int, size: int) -> dict[str, np.ndarray]:
    return {f"layer.{number}.weight": RNG.standard_normal(size).astype(np.float32) for number in range(count)}


def safetensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(begin: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> dict[str, object]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def covers(layout: Layout, data: bytes) -> None:
    """Check that layout and portions cover the file exactly."""
    offset = 0
    for span in layout.spans:
        assert span.offset == offset
        assert span.length > 0
        offset = span.end
    assert offset == len(data)
    source = BytesSource(data)
    joined = b""
    for portion in portions(source, layout):
        assert portion.offset == len(joined)
        assert all(0 < cut.length <= BLOCK_SIZE for cut in portion.cuts)
        joined += source.read(portion.offset, portion.length)
        assert portion.data is None or joined.endswith(portion.data)
    assert joined == data


# -- safetensors ----------------------------------------------------------------------------------------------------


def test_a_safetensors_file_is_cut_at_its_tensors() -> None:
    data = save(tensors(3, 500_000), metadata={"format": "np"})
    layout = lay_out(BytesSource(data))
    covers(layout, data)
    assert layout.format == "safetensors"
    assert [span.kind for span in layout.spans] == ["header", "tensor", "tensor", "tensor"]
    assert layout.spans[1].name == "layer.0.weight"
    assert layout.spans[1].dtype == "F32"
    assert layout.spans[1].shape == (500_000,)
    assert layout.spans[1].length == 2_000_000


def test_small_tensors_are_bundled() -> None:
    data = save(tensors(2_000, 64))
    layout = lay_out(BytesSource(data))
    covers(layout, data)
    assert layout.format == "safetensors"
    assert len(layout.spans) < 10
    assert all(span.length <= MAX_BUNDLE for span in layout.spans[1:])


HOSTILE: Mapping[str, bytes] = {
    "length 2^63": safetensors({}, length=2**63),
    "length 2^64-1": safetensors({}, length=2**64 - 1),
    "length 100 MB": safetensors({}, length=100_000_000),
    "length beyond 100 MB": safetensors({}, length=100_000_001),
    "not JSON": safetensors(b"{" + b"\xff" * 20),
    "a list": safetensors(b"{}")[:8] + b"[]",
    "truncated header": safetensors({"a": entry(0, 4)}, b"1234")[:20],
    "truncated body": safetensors({"a": entry(0, 400)}, b"1234"),
    "overlap": safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
    "same bytes twice": safetensors({"a": entry(0, 8), "b": entry(0, 8)}, bytes(8)),
    "duplicate key": safetensors(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"1",
    ),
    "negative offset": safetensors({"a": entry(-4, 0)}, b"1234"),
    "backwards": safetensors({"a": entry(4, 0, shape=[0])}, b"1234"),
    "offset 2^70": safetensors({"a": entry(2**70, 2**70 + 4)}, b"1234"),
    "shape does not fit": safetensors({"a": entry(0, 4, "F32", [3])}, b"1234"),
    "shape overflows": safetensors({"a": entry(0, 0, "F32", [2**63, 2**63, 4])}),
    "negative shape": safetensors({"a": entry(0, 4, "U8", [-2, -2])}, b"1234"),
    "boolean shape": safetensors(b'{"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}', b"1"),
    "boolean offsets": safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[false,true]}}', b"1"),
    "unknown dtype": safetensors({"a": entry(0, 4, "PICKLE")}, b"1234"),
    "missing field": safetensors({"a": {"dtype": "U8"}}, b"1234"),
    "extra offsets": safetensors({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4, 4]}}, b"1234"),
    "metadata is a number": safetensors({"__metadata__": {"a": 1}}),
    "NaN": safetensors(b'{"a":NaN}'),
    "lone surrogate": safetensors(b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
    "deep": safetensors(b'{"a":' * 100_000),
    "million brackets": safetensors(b'{"a":[' + b"[]," * 2_000_000 + b"0]}"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_safetensors_file_is_plain_bytes(data: bytes) -> None:
    layout = lay_out(BytesSource(data))
    covers(layout, data)
    if len(data) > 8:
        with pytest.raises(MalformedError):
            cover(SafetensorsFormat().layout(BytesSource(data)), len(data))
        assert layout.format == ""
        if data[8:9] == b"{":
            assert "not a valid safetensors file" in layout.malformed


def test_holes_and_odd_names_are_kept() -> None:
    body = bytes(range(200)) * 1_000
    header = {"../../etc/passwd": entry(100, 50_000), "nul\0\n": entry(60_000, 120_000), "": entry(150_000, 190_000)}
    data = safetensors(header, body)
    layout = lay_out(BytesSource(data))
    covers(layout, data)
    assert layout.format == "safetensors"
    assert [span.name for span in layout.spans if span.kind == "tensor"] == ["../../etc/passwd", "nul\0\n", ""]


def test_200_000_empty_tensors_take_no_time_and_no_segments() -> None:
    data = safetensors({f"t{number}": entry(0, 0) for number in range(200_000)})
    started = time.process_time()
    layout = lay_out(BytesSource(data))
    assert time.process_time() - started < 10
    assert layout.format == "safetensors"
    assert len(layout.spans) == 1


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1))
def test_any_header_is_covered(body: bytes, length: int) -> None:
    for data in (struct.pack("<Q", length) + b"{" + body, struct.pack("<Q", len(body) + 1) + b"{" + body):
        covers(lay_out(BytesSource(data)), data)


# -- PyTorch --------------------------------------------------------------------------------------------------------


class Storage:
    """Stands for a tensor's storage in a pickle."""

    def __init__(self, kind: type, key: str, elements: int) -> None:
        self.persistent = ("storage", kind, key, "cpu", elements)


FloatStorage = type("FloatStorage", (), {"__module__": __name__})
BFloat16Storage = type("BFloat16Storage", (), {"__module__": __name__})


def _rebuild_tensor_v2(*_arguments: object) -> None:
    raise AssertionError("a pickle was loaded")


class Tensor:
    def __init__(self, storage: Storage, shape: tuple[int, ...]) -> None:
        self._arguments = (storage, 0, shape, (1,) * len(shape), False, ())

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_tensor_v2, self._arguments)


class Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> object:  # the pickle module's hook
        return value.persistent if isinstance(value, Storage) else None


def torch_file() -> bytes:
    """Build what `torch.save` writes, without PyTorch."""
    storages = {
        "0": RNG.standard_normal(60_000).astype(np.float32),
        "1": RNG.standard_normal(30_000).astype(np.float32),
    }
    state = {
        "encoder.weight": Tensor(Storage(FloatStorage, "0", 60_000), (200, 300)),
        "encoder.bias": Tensor(Storage(BFloat16Storage, "1", 60_000), (60_000,)),
    }
    pickled = io.BytesIO()
    Pickler(pickled, protocol=2).dump(state)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", pickled.getvalue())
        file.writestr("archive/byteorder", "little")
        for key, data in storages.items():
            file.writestr(f"archive/data/{key}", data.tobytes())
        file.writestr("archive/version", "3\n")
    return archive.getvalue()


def test_a_pytorch_file_is_cut_at_its_storages() -> None:
    data = torch_file()
    layout = lay_out(BytesSource(data))
    covers(layout, data)
    assert layout.format == "pytorch"
    found = [(span.name, span.dtype, span.shape, span.length) for span in layout.spans if span.kind == "tensor"]
    assert found == [
        ("encoder.weight", "F32", (200, 300), 240_000),
        ("encoder.bias", "BF16", (60_000,), 120_000),
    ]
    # The data begin where the local header says, which is not where the central directory would suggest.
    offset = next(span.offset for span in layout.spans if span.name == "encoder.weight")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert data[offset : offset + 240_000] == file.read("archive/data/0")


def as_pytorch_writes_it(data: bytes) -> bytes:
    """Add the zip64 end record that PyTorch writes also to small files."""
    at = data.rindex(b"PK\x05\x06")
    count, length, offset = struct.unpack_from("<HII", data, at + 10)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 30, 45, 0, 0, count, count, length, offset)
    return data[:at] + record + struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1) + data[at:]


def test_a_zip64_record_is_read_where_it_stands() -> None:
    data = as_pytorch_writes_it(TORCH)
    covers(lay_out(BytesSource(data)), data)
    assert lay_out(BytesSource(data)).format == "pytorch"
    changed = data.replace(b"PK\x06\x06\x2c", b"PK\x06\x06\x2d")
    assert "not a valid pytorch file" in lay_out(BytesSource(changed)).malformed
    assert "do not agree" in lay_out(BytesSource(_at_end_record(data, 16, "<I", 10))).malformed


def test_nothing_is_unpickled() -> None:
    data = torch_file()
    with zipfile.ZipFile(io.BytesIO(data)) as file, pytest.raises(pickle.UnpicklingError):
        pickle.loads(file.read("archive/data.pkl"))  # noqa: S301  # shows that loading would have run something
    TorchZipFormat().layout(BytesSource(data))


def test_compressed_members_are_cut_by_content() -> None:
    archive = io.BytesIO(TORCH)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/code/big.py", RNG.bytes(300_000))
    layout = lay_out(BytesSource(archive.getvalue()))
    covers(layout, archive.getvalue())
    assert layout.format == "pytorch"
    assert [span.kind for span in layout.spans if span.name == "archive/code/big.py"] == ["opaque"]


def _replace(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def _at_end_record(data: bytes, offset: int, form: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, data.rindex(b"PK\x05\x06") + offset, value)
    return bytes(changed)


def _in_directory(data: bytes, offset: int, form: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, data.index(b"PK\x01\x02") + offset, value)
    return bytes(changed)


TORCH = torch_file()
HOSTILE_ZIPS: Mapping[str, bytes] = {
    "truncated": TORCH[:-100],
    "bytes behind": TORCH + b"x",
    "bytes in front": b"PK\x03\x04" + TORCH,
    "no end": TORCH[: TORCH.rindex(b"PK\x05\x06")],
    "count 65534": _at_end_record(TORCH, 10, "<H", 65_534),
    "directory offset beyond": _at_end_record(TORCH, 16, "<I", 2**31),
    "directory offset inside": _at_end_record(TORCH, 16, "<I", 10),
    "zip64 announced": _at_end_record(TORCH, 16, "<I", 2**32 - 1),
    "split": _at_end_record(TORCH, 4, "<H", 3),
    "encrypted": _in_directory(TORCH, 8, "<H", 1),
    "length beyond": _in_directory(TORCH, 20, "<I", 2**31),
    "length 2^32-1 without zip64": _in_directory(TORCH, 20, "<I", 2**32 - 1),
    "local header elsewhere": _in_directory(TORCH, 42, "<I", 7),
    "overlap": _in_directory(TORCH, 20, "<I", len(TORCH) // 2),
    "local name differs": TORCH.replace(b"archive/version", b"archive/VERSION", 1),
    "pickle truncated": _replace(TORCH, b"encoder.weight", b"\x8a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    "doubly listed": _replace(TORCH, b"archive/data/1", b"archive/data/0"),
}


@pytest.mark.parametrize("data", HOSTILE_ZIPS.values(), ids=HOSTILE_ZIPS.keys())
def test_a_hostile_zip_is_plain_bytes(data: bytes) -> None:
    layout = lay_out(BytesSource(data))
    covers(layout, data)
    assert layout.format == ""
    assert "not a valid pytorch file" in layout.malformed


def test_another_zip_is_plain_bytes_without_complaint() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb", bytes(10_000_000))
    layout = lay_out(BytesSource(archive.getvalue()))
    assert layout == Layout("", (Span(0, len(archive.getvalue())),))


def test_a_storage_that_lies_about_its_size_is_an_ordinary_member() -> None:
    data = _replace(TORCH, struct.pack("<H", 60_000) + b"t", struct.pack("<H", 60_001) + b"t")
    kinds = [span.kind for span in lay_out(BytesSource(data)).spans]
    assert "tensor" not in kinds
    assert kinds.count("member") == 2


@given(st.data())
def test_any_damaged_zip_is_covered(data: st.DataObject) -> None:
    changed = bytearray(TORCH)
    for _ in range(data.draw(st.integers(1, 4))):
        near = data.draw(st.sampled_from([0, TORCH.index(b"PK\x01\x02"), TORCH.rindex(b"PK\x05\x06")]))
        changed[min(near + data.draw(st.integers(0, 80)), len(changed) - 1)] = data.draw(st.integers(0, 255))
    covers(lay_out(BytesSource(bytes(changed))), bytes(changed))


# -- content ---------------------------------------------------------------------------------------------------------

CONTENT = RNG.bytes(6 << 20) + bytes(3 << 20) + RNG.bytes(2 << 20)


def test_chunks_are_within_bounds() -> None:
    lengths = list(cut_content(CONTENT, last=True))
    assert sum(lengths) == len(CONTENT)
    assert all(MIN_CHUNK <= length <= MAX_CHUNK for length in lengths[:-1])
    assert max(lengths) == MAX_CHUNK  # in the zeros
    random = list(cut_content(CONTENT[: 6 << 20], last=True))
    assert AVERAGE_CHUNK < sum(random) / len(random) < AVERAGE_CHUNK + 2 * MIN_CHUNK


@pytest.mark.parametrize("step", [1 << 20, (1 << 20) + 7, 5 << 20])
def test_cuts_do_not_depend_on_how_the_input_is_divided(step: int) -> None:
    lengths: list[int] = []
    rest = b""
    for offset in range(0, len(CONTENT), step):
        rest += CONTENT[offset : offset + step]
        new = list(cut_content(rest, last=offset + step >= len(CONTENT)))
        rest = rest[sum(new) :]
        lengths += new
    assert lengths == list(cut_content(CONTENT, last=True))


def test_an_insertion_changes_only_chunks_near_it() -> None:
    def chunks(data: bytes) -> set[bytes]:
        offset, found = 0, set()
        for length in cut_content(data, last=True):
            found.add(data[offset : offset + length])
            offset += length
        return found

    before, after = CONTENT[: 6 << 20], CONTENT[: 3 << 20] + b"inserted" + CONTENT[3 << 20 : 6 << 20]
    assert len(chunks(after) - chunks(before)) <= 3


def specified_cut(data: bytes) -> int:
    """Return the length of the first chunk, byte by byte as docs/spec/store.md says it."""
    if len(data) <= 32_768:
        return len(data)
    gear = [int.from_bytes(hashlib.md5(bytes([byte]) * 64).digest()[:8], "big") for byte in range(256)]  # noqa: S324
    end = min(len(data), 1_048_576)
    fingerprint = 0
    for position in range(32_768, end - end % 2):
        fingerprint = ((fingerprint << 1) + gear[data[position]]) % 2**64
        mask = 0x0000_D907_0753_7000 if position < 131_072 else 0x0000_D903_0353_7000
        if not fingerprint & mask:
            return position
    return end


def test_cuts_follow_the_specification() -> None:
    for data in (CONTENT[: 1 << 20], CONTENT[(5 << 20) + 11 : (7 << 20) + 2], bytes(70_001), CONTENT[:32_769]):
        lengths: list[int] = []
        while sum(lengths) < len(data):
            lengths.append(specified_cut(data[sum(lengths) :]))
        assert lengths == list(cut_content(data, last=True))
