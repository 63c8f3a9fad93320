"""A reader written from docs/spec/store.md alone reads the golden store: the page says enough."""

import hashlib
import json
import struct
from pathlib import Path

import zstandard
from blake3 import blake3

GOLDEN = Path(__file__).parents[1] / "golden" / "formats" / "1"


class Bytes:
    """Takes fields from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, length: int) -> bytes:
        taken, self.data = self.data[:length], self.data[length:]
        assert len(taken) == length
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")


class Reader:
    """Reads every pack of a folder."""

    def __init__(self, root: Path) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.segments: dict[bytes, list[bytes]] = {}
        self.files: dict[str, tuple[int, list[tuple[bytes, int]]]] = {}
        for path in root.glob("packs/??/*.pack"):
            self.read_pack(path.stem, path.read_bytes())

    def read_pack(self, name: str, data: bytes) -> None:
        assert data[:16] == b"STEMPACK" + struct.pack("<HHI", 1, 0, 0)
        trailer = Bytes(data[-64:])
        offset, length, digest = trailer.number(8), trailer.number(8), trailer.take(32)
        assert trailer.take(16) == struct.pack("<HHI", 1, 0, 0) + b"KCAPMETS"
        footer = data[offset : offset + length]
        assert offset + length + 64 == len(data)
        assert blake3(footer).digest() == digest
        assert blake3(footer).digest()[:16].hex() == name
        self.read_footer(Bytes(footer), data)

    def read_footer(self, footer: Bytes, data: bytes) -> None:
        assert footer.take(footer.number(4)) == b"me"
        for _ in range(footer.number(4)):
            id_, base, offset = footer.take(32), footer.take(32), footer.number(8)
            stored, raw, codec, check = footer.number(4), footer.number(4), footer.number(1), footer.take(8)
            record = Bytes(data[offset:])
            assert record.take(16) == struct.pack("<BBHIII", codec, 0, 0, raw, stored, 0)
            assert record.take(64) == id_ + base
            assert base == bytes(32)
            content = record.take(stored)
            assert blake3(content).digest()[:8] == check
            if codec == 1:
                content = zstandard.ZstdDecompressor().decompress(content)
            assert len(content) == raw <= 1 << 20
            assert blake3(content).digest() == id_
            self.blocks[id_] = content
        for _ in range(footer.number(4)):
            id_ = footer.take(32)
            blocks = [footer.take(32) for _ in range(footer.number(4))]
            assert blake3(b"stemma segment v1\0" + b"".join(blocks)).digest() == id_
            self.segments[id_] = blocks
        for _ in range(footer.number(4)):
            self.read_recipe(Bytes(footer.take(footer.number(4))))
        assert footer.data == b""

    def read_recipe(self, recipe: Bytes) -> None:
        digest, size, _format = recipe.take(32).hex(), recipe.number(8), recipe.take(recipe.number(1))
        pieces = []
        for _ in range(recipe.number(4)):
            pieces.append((recipe.take(32), recipe.number(8)))
            kind, name, dtype, dimensions = (recipe.number(count) for count in (1, 2, 1, 1))
            assert kind <= 5
            recipe.take(name + dtype + 8 * dimensions)
        assert recipe.data == b""
        self.files[digest] = (size, pieces)

    def file(self, digest: str) -> bytes:
        size, pieces = self.files[digest]
        data = b""
        for segment, length in pieces:
            content = b"".join(self.blocks[block] for block in self.segments[segment])
            assert len(content) == length
            data += content
        assert len(data) == size
        assert hashlib.sha256(data).hexdigest() == digest
        return data


def test_the_specification_is_enough_to_read_a_store() -> None:
    reader = Reader(GOLDEN / "store")
    manifests = json.loads((GOLDEN / "manifests.json").read_text())
    assert len(manifests) == 2
    for digest, record in manifests.items():
        assert digest == "sha256:" + hashlib.sha256(record.encode()).hexdigest()
        for file in json.loads(record)["files"]:
            assert len(reader.file(file["digest"].removeprefix("sha256:"))) == file["size"]
    assert sum(len(blocks) for blocks in reader.segments.values()) > 5
