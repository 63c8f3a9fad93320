"""Damage is found, located and contained: every byte of a pack, every way a pack can be torn."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from blake3 import blake3

from stemma.artifacts.packs import pack as form
from stemma.artifacts.packs.block import decode_block
from stemma.artifacts.packs.pack import HEADER_SIZE, RECORD_HEADER_SIZE, Footer, PackId, StoredBlock
from stemma.artifacts.packs.recipe import KINDS, BlockId, Piece, Recipe, Segment, SegmentId
from stemma.artifacts.verification import Report, read_footer
from stemma.backends.blobs.local import LocalPackStore
from stemma.errors import CorruptError, InvalidError, UnsupportedError
from stemma.records import Digest
from tests.artifacts.support import Bytes, Store
from tests.artifacts.test_store import model

RNG = np.random.default_rng(5)
SMALL = {f"small/{number}": RNG.bytes(300 + number) for number in range(6)} | {"text": b"compressible " * 900}


class Damaged:
    """A store on a disk with packs to damage."""

    def __init__(self, root: Path) -> None:
        self.packs = LocalPackStore(root)
        self.store = Store(self.packs)
        self.root = root

    def file(self, pack: PackId) -> Path:
        return self.root / "packs" / pack[:2] / f"{pack}.pack"

    def only_pack(self) -> PackId:
        (summary,) = self.store.tx.artifacts.packs()
        return summary.id

    def verify(self, *, deep: bool = True) -> Report:
        return self.store.artifacts.verify(self.store.tx, deep=deep)

    def readable(self, tree: dict[str, bytes]) -> set[str]:
        """Return the paths that still read back; all others must be a CorruptError with a place."""
        good = set()
        for path, data in tree.items():
            try:
                content = self.store.content(Digest.of(data))
            except CorruptError as error:
                places = error.place
            else:
                places = "all"
                assert content == data
                good.add(path)
            assert places
        return good


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path)


def test_a_flipped_bit_anywhere_in_a_pack_is_found_and_located(damaged: Damaged) -> None:
    tree = {"a": RNG.bytes(90), "b": b"compressible " * 20, "empty": b""}
    damaged.store.push(tree)
    pack = damaged.only_pack()
    file = damaged.file(pack)
    whole = file.read_bytes()
    blocks = damaged.store.tx.artifacts.footer(pack).blocks
    footer_at = blocks[-1].end
    assert damaged.verify().sound
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        file.write_bytes(changed)
        report = damaged.verify()
        assert not report.sound
        (damage,) = report.damages
        assert damage.pack == pack
        assert damage.offset <= position < damage.offset + damage.length
        hit = [block for block in blocks if block.offset <= position < block.end]
        if hit:
            assert damage.offset == hit[0].offset
            assert [file.size for file in report.affected] == [hit[0].raw]
            assert report.affected[0].lost == hit[0].raw
        else:
            assert position < HEADER_SIZE or position >= footer_at
            assert report.affected == ()
            assert damaged.readable(tree) == set(tree)
            assert not damaged.verify(deep=False).sound


def test_other_files_stay_readable(damaged: Damaged) -> None:
    tree = {"model": model(), "other": model(0.5), **SMALL}
    damaged.store.push(tree)
    pack = damaged.only_pack()
    file = damaged.file(pack)
    whole = file.read_bytes()
    for position in range(HEADER_SIZE, len(whole), 97_001):
        changed = bytearray(whole)
        changed[position] ^= 0x10
        file.write_bytes(changed)
        report = damaged.verify()
        affected = {item.digest for item in report.affected}
        good = damaged.readable(tree)
        intact = {path for path, data in tree.items() if Digest.of(data) not in affected}
        # A header that is damaged is reported, and the content behind it can still be read.
        assert intact <= good
        assert not report.sound
    file.write_bytes(whole)
    assert damaged.verify().sound


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_pack(damaged: Damaged, part: float) -> None:
    tree = {"model": model(), **SMALL}
    damaged.store.push(tree)
    pack = damaged.only_pack()
    file = damaged.file(pack)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    quick, deep = damaged.verify(deep=False), damaged.verify()
    for report in (quick, deep):
        assert report.damages[0].offset == int(len(whole) * part)
        assert f"not {len(whole)}" in report.damages[0].what
    assert quick.affected == deep.affected
    affected = {item.digest for item in quick.affected}
    assert damaged.readable(tree) == {path for path, data in tree.items() if Digest.of(data) not in affected}
    lost = {item.digest: item.lost for item in quick.affected}
    if part in {0.3, 0.6}:
        assert 0 < lost[Digest.of(tree["model"])] < len(tree["model"])
    with pytest.raises(CorruptError, match=pack):
        read_footer(damaged.packs, pack)


def test_a_torn_pack_with_bytes_behind(damaged: Damaged) -> None:
    damaged.store.push(SMALL)
    file = damaged.file(damaged.only_pack())
    file.write_bytes(file.read_bytes() + bytes(100))
    report = damaged.verify()
    assert "bytes, not" in report.damages[0].what
    assert damaged.readable(SMALL) == set(SMALL)


def test_a_missing_pack(damaged: Damaged) -> None:
    damaged.store.push({"first": model()})
    damaged.store.push(SMALL)
    first, second = [summary.id for summary in damaged.store.tx.artifacts.packs()]
    lost = first if damaged.store.tx.artifacts.footer(first).recipes[0].size > 10_000 else second
    damaged.file(lost).unlink()
    report = damaged.verify()
    assert [(item.pack, item.what) for item in report.damages] == [(lost, "the pack is missing")]
    assert [item.lost for item in report.affected] == [len(model())]
    assert damaged.readable({"first": model(), **SMALL}) == set(SMALL)
    with pytest.raises(CorruptError, match="the pack is missing"):
        damaged.store.content(Digest.of(model()))


def test_another_pack_in_its_place(damaged: Damaged) -> None:
    damaged.store.push({"first": model()})
    damaged.store.push(SMALL)
    one, two = (damaged.file(summary.id) for summary in damaged.store.tx.artifacts.packs())
    kept, other = one.read_bytes(), two.read_bytes()
    one.write_bytes(other)
    two.write_bytes(kept)
    assert len(damaged.verify(deep=False).damages) == 2
    assert damaged.readable({"first": model(), **SMALL}) == set()


def test_a_second_copy_is_read_where_the_first_is_damaged(damaged: Damaged) -> None:
    data = model()
    for namespace in ("ours", "theirs"):
        damaged.store.add([Bytes("a", data)], namespace=namespace, scopes=frozenset({namespace}))
    for summary in damaged.store.tx.artifacts.packs():
        file = damaged.file(summary.id)
        whole = file.read_bytes()
        file.write_bytes(bytes(len(whole)))
        assert damaged.store.content(Digest.of(data)) == data
        report = damaged.verify()
        assert not report.sound
        assert report.affected == ()
        file.write_bytes(whole)


def test_blocks_under_each_others_ids_are_found(damaged: Damaged) -> None:
    """The index is lied to: two blocks of one size exchange their places."""
    tree = {"a": b"a" * 500, "b": b"b" * 500}
    damaged.store.push(tree)
    index = damaged.store.tx.artifacts
    pack = damaged.only_pack()
    footer, size = index.footer(pack), index.packs()[0].size
    first, second = footer.blocks
    swapped = (replace(first, id=second.id), replace(second, id=first.id))
    index.remove(pack)
    index.add(pack, replace(footer, blocks=swapped), size)
    assert damaged.readable(tree) == set()
    report = damaged.verify()
    assert any("stemma db rebuild" in damage.what for damage in report.damages)
    assert {item.digest for item in report.affected} == {Digest.of(data) for data in tree.values()}


def test_the_index_is_rebuilt_from_footers(damaged: Damaged) -> None:
    trees = [{"model": model()}, SMALL, {"again": model(0.5), **SMALL}]
    for tree in trees:
        damaged.store.push(tree)
    before = damaged.store.tx.artifacts
    damaged.store.tx = damaged.store.new_index()
    assert damaged.verify().unindexed == tuple(summary.id for summary in before.packs())
    assert damaged.store.artifacts.adopt(damaged.store.tx) == ()
    after = damaged.store.tx.artifacts
    assert after.packs() == before.packs()
    for summary in before.packs():
        assert after.footer(summary.id) == before.footer(summary.id)
        assert read_footer(damaged.packs, summary.id) == (before.footer(summary.id), summary.size)
    assert damaged.verify().sound
    for tree in trees:
        assert damaged.readable(tree) == set(tree)


def test_what_cannot_be_adopted_is_reported(damaged: Damaged) -> None:
    damaged.store.push({"model": model()})
    damaged.store.push(SMALL)
    broken, whole = [summary.id for summary in damaged.store.tx.artifacts.packs()]
    file = damaged.file(broken)
    file.write_bytes(file.read_bytes()[:-1])
    damaged.store.tx = damaged.store.new_index()
    ((pack, _, _, what),) = [
        (item.pack, item.offset, item.length, item.what) for item in damaged.store.artifacts.adopt(damaged.store.tx)
    ]
    assert pack == broken
    assert "torn or truncated" in what
    assert [summary.id for summary in damaged.store.tx.artifacts.packs()] == [whole]


# -- the form itself ---------------------------------------------------------------------------------------------------


def test_an_unknown_codec_is_unsupported_not_corrupt(damaged: Damaged) -> None:
    damaged.store.push({"a": b"abc" * 100})
    block = damaged.store.tx.artifacts.footer(damaged.only_pack()).blocks[0]
    for newer in (replace(block, codec=7), replace(block, base=block.id)):
        with pytest.raises(UnsupportedError):
            decode_block(newer, b"", place="somewhere")


def test_a_pack_of_a_newer_release_is_unsupported_and_everything_else_is_read(damaged: Damaged) -> None:
    """A whole pack, rightly built, whose one block is written by codec 200."""
    damaged.store.push(SMALL)
    content = b"xyz" * 50
    block = StoredBlock(form_block(content), HEADER_SIZE, 4, len(content), 200, form.check_of(b"????"))
    recipe, segment = recipe_of(content)
    footer = Footer("me", (block,), (segment,), (recipe,)).encode()
    data = form.HEADER + block.header() + b"????" + footer + form.encode_trailer(footer, block.end)
    pack = form.pack_id(footer)
    damaged.file(pack).parent.mkdir(exist_ok=True)
    damaged.file(pack).write_bytes(data)
    assert damaged.store.artifacts.adopt(damaged.store.tx) == ()
    with pytest.raises(UnsupportedError, match="codec 200"):
        damaged.store.content(recipe.digest)
    report = damaged.verify()
    assert report.sound
    assert len(report.unsupported) == 1
    assert damaged.readable(SMALL) == set(SMALL)


def form_block(content: bytes) -> BlockId:
    return BlockId(blake3(content).digest())


def recipe_of(content: bytes) -> tuple[Recipe, Segment]:
    blocks = (form_block(content),)
    segment = Segment(SegmentId(blake3(b"stemma segment v1\0" + blocks[0]).digest()), blocks)
    return Recipe(Digest.of(content), len(content), "", (Piece(segment.id, len(content)),)), segment


def test_a_newer_format_version_is_unsupported(damaged: Damaged) -> None:
    damaged.store.push(SMALL)
    pack = damaged.only_pack()
    file = damaged.file(pack)
    data = bytearray(file.read_bytes())
    struct.pack_into("<H", data, 8, 2)
    file.write_bytes(data)
    with pytest.raises(CorruptError, match="offset 0"):  # only one of the two places says so
        read_footer(damaged.packs, pack)
    struct.pack_into("<H", data, len(data) - 16, 2)
    file.write_bytes(data)
    with pytest.raises(UnsupportedError, match="pack format 2"):
        read_footer(damaged.packs, pack)
    assert damaged.verify().unsupported


def test_a_block_cannot_grow(damaged: Damaged) -> None:
    """A small frame that announces 100 MB is refused before anything is allocated."""
    damaged.store.push({"a": b"abc" * 100})
    block = damaged.store.tx.artifacts.footer(damaged.only_pack()).blocks[0]
    frame = zstandard.ZstdCompressor().compress(bytes(100 << 20))
    for raw in (block.raw, 100 << 20):
        with pytest.raises(CorruptError):
            decode_block(replace(block, codec=1, raw=raw, stored=len(frame)), frame, place="somewhere")


RECIPE = Recipe(
    Digest.of(b"x"),
    300,
    "safetensors",
    tuple(Piece(SegmentId(bytes([n]) * 32), 50, kind, "näme" * n, "BF16", (n,) * n) for n, kind in enumerate(KINDS)),
)


def test_recipes_read_back() -> None:
    data = RECIPE.encode()
    assert Recipe.decode(data, place="here") == RECIPE
    for end in range(len(data)):
        with pytest.raises(CorruptError):
            Recipe.decode(data[:end], place="here")
    with pytest.raises(CorruptError):
        Recipe.decode(data + b"\0", place="here")


def test_a_recipe_with_any_changed_byte_is_another_or_corrupt() -> None:
    data = RECIPE.encode()
    for position in range(len(data)):
        for flip in (1, 0x80):
            changed = bytearray(data)
            changed[position] ^= flip
            try:
                other = Recipe.decode(bytes(changed), place="here")
            except CorruptError:
                continue
            assert other != RECIPE


def test_a_footer_with_any_end_is_corrupt() -> None:
    footer = Footer("me", (), (), (RECIPE,))
    data = footer.encode()
    assert Footer.decode(data, place="here") == footer
    for end in range(len(data)):
        with pytest.raises(CorruptError):
            Footer.decode(data[:end], place="here")
    block = StoredBlock(form_block(b""), HEADER_SIZE + 1, 0, 0, 0, bytes(8))
    with pytest.raises(CorruptError, match="offset"):
        Footer.decode(Footer("me", (block,), (), ()).encode(), place="here")
    assert block.end == HEADER_SIZE + 1 + RECORD_HEADER_SIZE


def test_ids_that_are_no_ids(damaged: Damaged) -> None:
    for bad in ("../../etc", "", "A" * 32, "0" * 31):
        with pytest.raises(InvalidError):
            damaged.packs.size(PackId(bad))
    for bad in ("../../etc", "", "A" * 32, "0" * 65):
        with pytest.raises(InvalidError):
            damaged.packs.create(bad)
