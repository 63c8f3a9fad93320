"""What is stored comes back byte for byte, once for equal content, whatever it is."""

import random
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from stemma.artifacts.cutting import SMALL_FILE
from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.artifacts.ports import BlobStore
from stemma.artifacts.uploads.intake import Addition
from stemma.artifacts.uploads.sessions import LEASE
from stemma.backends.blobs.local import LocalPackStore
from stemma.backends.blobs.memory import MemoryPackStore
from stemma.conformance.faults import Faults, FaultyPackStore
from stemma.errors import ConflictError, CorruptError, InvalidError, NotFoundError, UnavailableError
from stemma.records import Digest
from tests.artifacts.support import OWNER, Bytes, Store
from tests.artifacts.test_formats import torch_file

pytestmark = pytest.mark.usefixtures("each_database")

RNG = np.random.default_rng(11)


def model(scale: float = 1.0) -> bytes:
    values = np.random.default_rng(3).standard_normal((4, 300_000)).astype(np.float32)
    values[3] *= scale
    return save({f"layer.{number}": row for number, row in enumerate(values)})


def damaged_torch_file(rng: random.Random) -> bytes:
    data = bytearray(torch_file())
    for _ in range(rng.randrange(3)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def lying_safetensors(rng: random.Random) -> bytes:
    header = b'{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}'
    length = rng.choice([len(header), 2**63, 99_999_999, 3])
    return struct.pack("<Q", length) + header + rng.randbytes(200_000)


HOSTILE: tuple[Callable[[random.Random], bytes], ...] = (
    lambda _: b"",
    lambda rng: rng.randbytes(rng.randrange(1, 200)),
    lambda rng: bytes(rng.randrange(SMALL_FILE - 2, SMALL_FILE + 3)),
    lambda rng: rng.randbytes(rng.randrange(1 << 20, (1 << 20) + 3)),
    lambda rng: model(rng.random())[: rng.randrange(100, 2_000_000)],  # truncated
    damaged_torch_file,
    lying_safetensors,
    lambda rng: (rng.randbytes(rng.randrange(1, 40)) * 100_000)[: rng.randrange(1, 1_500_000)],
    lambda rng: b"\x80\x04" + rng.randbytes(100_000) + b"PK\x05\x06" + bytes(18),
)


def hostile_tree(seed: int) -> dict[str, bytes]:
    rng = random.Random(seed)
    alphabet = ["a", "B", ".", " ", "é", "e\u0301x", "模", "🙂", "-", "%2e", ";", "'", '"', "$x", "~", "CON", "…"]
    tree: dict[str, bytes] = {}
    taken: set[str] = set()
    for _ in range(rng.randrange(1, 12)):
        depth = rng.choice([1, 1, 2, 3, 40])
        path = "/".join("".join(rng.choices(alphabet, k=rng.randrange(1, 6))) + "x" for _ in range(depth))
        data = rng.choice(list(tree.values())) if tree and rng.random() < 0.3 else rng.choice(HOSTILE)(rng)
        try:
            Manifest.of([ManifestFile(other, 0, Digest.of(b"")) for other in (*taken, path)])
        except InvalidError:
            continue  # collides with another
        taken.add(path)
        tree[path] = data
    return tree


@pytest.mark.parametrize("decade", range(10))
def test_a_hundred_hostile_folders_come_back(decade: int) -> None:
    store = Store()
    pushed = [(store.push(tree), tree) for tree in map(hostile_tree, range(10 * decade, 10 * decade + 10))]
    for digest, tree in pushed:
        assert store.pull(digest) == tree
    assert store.artifacts.verify(store.tx, deep=True).sound


def test_equal_content_is_stored_once() -> None:
    store = Store()
    data = model()
    first = store.add([Bytes("a", data), Bytes("copy of a", data)])
    assert first.written < len(data) * 1.05
    assert len(first.files) == 2
    assert first.files[1].written == 0
    again = store.add([Bytes("b", data)])
    assert again.written == 0
    assert again.packs == ()
    changed = store.add([Bytes("one tensor changed", model(2.0))])
    assert changed.written < len(data) * 0.3


def test_an_insertion_into_plain_bytes_costs_a_few_chunks() -> None:
    store = Store()
    data = RNG.bytes(8 << 20)
    store.add([Bytes("a", data)])
    assert store.add([Bytes("a", data[: 4 << 20] + b"!" + data[4 << 20 :])]).written < 1 << 20


def test_small_blocks_of_small_files_are_shared_across_batches() -> None:
    store = Store()
    addition = store.add([Bytes(f"{number}", b"%d" % (number % 7) * 1000) for number in range(1_000)])
    assert len({file.digest for file in addition.files}) == 7
    ((_, footer, _),) = addition.packs
    assert len(footer.blocks) == len(footer.recipes) == 7
    assert [file.path for file in addition.files] == [str(number) for number in range(1_000)]


def test_results_come_in_the_order_of_the_files() -> None:
    contents = [RNG.bytes(size) for size in (10, 70_000, 20, 3_000_000, 0, 70_001, 5)]
    added = Store().add([Bytes(str(number), data) for number, data in enumerate(contents)]).files
    assert [(file.path, file.digest) for file in added] == [
        (str(number), Digest.of(data)) for number, data in enumerate(contents)
    ]


def test_what_is_malformed_is_stored_and_reported() -> None:
    store = Store()
    data = struct.pack("<Q", 2**63) + b'{"' + bytes(100_000)
    (file,) = store.add([Bytes("model.safetensors", data)]).files
    assert "not a valid safetensors file" in file.malformed
    assert store.content(file.digest) == data


def test_tensors_are_found_in_recipes() -> None:
    store = Store()
    data = model()
    store.add([Bytes("m", data)])
    recipe = store.artifacts.recipes(store.tx, [Digest.of(data)])[Digest.of(data)]
    named = {piece.name: (offset, piece) for offset, piece in recipe.spans()}
    offset, piece = named["layer.2"]
    assert (piece.kind, piece.dtype, piece.shape, piece.length) == ("tensor", "F32", (300_000,), 1_200_000)
    (file,) = store.artifacts.locate(store.tx, [Digest.of(data)]).values()
    read = store.artifacts.reader.range(file, offset, piece.length)
    assert np.array_equal(
        np.frombuffer(read, np.float32), np.random.default_rng(3).standard_normal((4, 300_000)).astype(np.float32)[2]
    )


@given(st.data())
@settings(max_examples=60)
def test_ranges(data: st.DataObject) -> None:
    content = RANGED.data
    offset = data.draw(st.integers(0, len(content) + 10))
    length = data.draw(st.integers(0, len(content) + 10))
    assert RANGED.source.read(offset, length) == content[offset : offset + length]


class _Ranged:
    def __init__(self) -> None:
        self.data = model()[:3_000_000] + RNG.bytes(1_000_001)
        store = Store()
        store.add([Bytes("x", self.data)])
        (file,) = store.artifacts.locate(store.tx, [Digest.of(self.data)]).values()
        self.source = store.artifacts.source(file)


RANGED = _Ranged()


def test_a_range_that_is_not_one() -> None:
    with pytest.raises(InvalidError):
        RANGED.source.read(-1, 10)


similar = st.lists(st.integers(0, 5), min_size=0, max_size=12)


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), similar, max_size=4), min_size=1, max_size=5))
@settings(max_examples=40)
def test_random_trees_of_similar_files(trees: list[dict[str, list[int]]]) -> None:
    """Files are built of few bricks in random order, so that they share blocks in every way."""
    store = Store()
    pushed = []
    for tree in trees:
        contents = {path: b"".join(BRICKS[number] for number in bricks) for path, bricks in tree.items()}
        pushed.append((store.push(contents), contents))
    for digest, contents in pushed:
        assert store.pull(digest) == contents


BRICKS = [RNG.bytes(40_000), bytes(70_000), b"ab" * 10_000, RNG.bytes(1), RNG.bytes(65_536), b"{" * 30_000]


def test_a_large_file_in_bounded_memory() -> None:
    """Several packs, blocks across portions, and the same data again: 160 MB, of which half is new."""
    store = Store()
    brick = RNG.bytes(80 << 20)
    addition = store.add([Bytes("large", brick + brick)])
    assert len(addition.packs) == 2
    assert store.content(addition.files[0].digest) == brick + brick


def test_uploads_at_once_do_not_meet(tmp_path: Path) -> None:
    """Four writers store overlapping trees in one place; each commits, and all comes back."""
    packs = LocalPackStore(tmp_path)
    store = Store(packs)
    trees = [hostile_tree(seed) | {"shared": model(), "own": RNG.bytes(200_000)} for seed in range(4)]
    sessions = [store.begin() for _ in trees]

    def upload(number: int) -> Addition:
        # Each sees an empty index: what the others store meanwhile is not known to it.
        alone = Store(packs)
        with alone.artifacts.intake(sessions[number], alone.read) as open_intake:
            open_intake.add([Bytes(path, data) for path, data in trees[number].items()])
            return open_intake.finish()

    with ThreadPoolExecutor(4) as pool:
        for addition in pool.map(upload, range(4)):
            store.artifacts.commit(store.tx, addition, owner=OWNER)
    for tree in trees:
        assert all(store.content(Digest.of(data)) == data for data in tree.values())
    report = store.artifacts.verify(store.tx, deep=True)
    assert report.sound
    assert report.unindexed == ()
    assert list(packs.uploads()) == []


def test_a_known_block_that_is_damaged_is_not_built_upon(tmp_path: Path) -> None:
    store = Store(LocalPackStore(tmp_path))
    store.add([Bytes("a", model())])
    (pack,) = store.tx.artifacts.packs()
    file = tmp_path / "packs" / pack.id[:2] / f"{pack.id}.pack"
    file.write_bytes(bytes(pack.size))
    with pytest.raises(CorruptError, match=pack.id):
        store.add([Bytes("b", model(2.0))])
    assert [summary.id for summary in store.tx.artifacts.packs()] == [pack.id]


# -- sessions --------------------------------------------------------------------------------------------------------


def intake(store: Store) -> Addition:
    with store.artifacts.intake(store.begin(), store.read) as open_intake:
        open_intake.add([Bytes("secret", model())])
        return open_intake.finish()


def test_nothing_is_visible_before_the_commit() -> None:
    store = Store()
    addition = intake(store)
    digest = addition.files[0].digest
    assert store.artifacts.recipes(store.tx, [digest]) == {}
    with pytest.raises(NotFoundError):
        store.artifacts.locate(store.tx, [digest])
    missing = Manifest.of([ManifestFile("a", addition.files[0].size, digest)])
    with pytest.raises(NotFoundError):
        store.artifacts.store_manifest(store.tx, missing, namespace="me")
    store.artifacts.commit(store.tx, addition, owner=OWNER)
    assert store.content(digest) == model()


def _expire(store: Store) -> None:
    store.tx.now += LEASE


def _commit_first(store: Store) -> None:
    store.artifacts.abandon(store.tx, store.tx.artifacts.uploads.expired(2**62)[0].id, owner=OWNER)


@pytest.mark.parametrize("end", [_expire, _commit_first])
def test_a_session_that_ended_cannot_be_committed(end: Callable[[Store], None]) -> None:
    store = Store()
    addition = intake(store)
    end(store)
    with pytest.raises(NotFoundError):
        store.artifacts.commit(store.tx, addition, owner=OWNER)


def test_a_session_belongs_to_its_owner() -> None:
    store = Store()
    addition = intake(store)
    for steal in (store.artifacts.arrivals.renew, store.artifacts.abandon):
        with pytest.raises(NotFoundError):
            steal(store.tx, addition.upload.id, owner="u_thief")
    with pytest.raises(NotFoundError):
        store.artifacts.commit(store.tx, addition, owner="u_thief")
    store.tx.now += LEASE - 1
    store.artifacts.arrivals.renew(store.tx, addition.upload.id, owner=OWNER)
    store.tx.now += LEASE - 1
    store.artifacts.commit(store.tx, addition, owner=OWNER)
    with pytest.raises(NotFoundError):
        store.artifacts.commit(store.tx, addition, owner=OWNER)


def test_packs_for_one_namespace_are_not_committed_to_another() -> None:
    store = Store()
    addition = intake(store)
    other = store.begin("other")
    with pytest.raises(ConflictError):
        store.artifacts.commit(store.tx, Addition(other, addition.packs, addition.files), owner=OWNER)


def test_digests_cannot_be_used_to_probe_or_take() -> None:
    store = Store()
    data = model()
    store.add([Bytes("secret", data)], namespace="ours")
    digest = Digest.of(data)
    theirs = frozenset({"theirs"})
    assert store.artifacts.recipes(store.tx, [digest], scopes=theirs) == {}
    manifest = Manifest.of([ManifestFile("stolen", len(data), digest)])
    with pytest.raises(NotFoundError):
        store.artifacts.store_manifest(store.tx, manifest, namespace="me", scopes=theirs)
    addition = store.add([Bytes("mine", data)], namespace="theirs", scopes=theirs)
    assert addition.written > 0.9 * len(data) * 0.9
    store.artifacts.store_manifest(store.tx, manifest, namespace="me", scopes=theirs)


def test_a_manifest_must_state_the_sizes() -> None:
    store = Store()
    store.add([Bytes("a", b"abc")])
    with pytest.raises(InvalidError):
        store.artifacts.store_manifest(store.tx, Manifest.of([ManifestFile("a", 4, Digest.of(b"abc"))]), namespace="me")


def test_leftovers_are_swept() -> None:
    packs = MemoryPackStore()
    store = Store(packs)
    upload = store.begin()
    packs.create(upload.id).append(b"half a pack")
    packs.create("00" * 16).append(b"of a session that nobody knows")
    assert store.artifacts.sweep(store.tx) == 1
    assert list(packs.uploads()) == [upload.id]
    store.tx.now += LEASE
    assert store.artifacts.sweep(store.tx) == 1
    assert list(packs.uploads()) == []


def test_an_intake_that_is_left_keeps_nothing() -> None:
    packs = MemoryPackStore()
    store = Store(packs)
    with store.artifacts.intake(store.begin(), store.read) as abandoned:
        abandoned.add([Bytes("a", model())])
    assert list(packs.uploads()) == []
    assert list(packs.packs()) == []
    with store.artifacts.intake(store.begin(), store.read) as finished:
        finished.finish()
        with pytest.raises(InvalidError):
            finished.add([Bytes("a", b"")])


# -- failures --------------------------------------------------------------------------------------------------------

TREE = [Bytes("model", model()), *(Bytes(f"small/{number}", RNG.bytes(500)) for number in range(20))]


def attempts(**options: bool) -> Callable[[int], tuple[Faults, BlobStore, MemoryPackStore]]:
    def make(fail_at: int) -> tuple[Faults, BlobStore, MemoryPackStore]:
        inner = MemoryPackStore()
        faults = Faults(fail_at, **options)
        return faults, FaultyPackStore(inner, faults), inner

    return make


@pytest.mark.parametrize("make", [attempts(), attempts(torn=True), attempts(stays=True)], ids=["once", "torn", "full"])
def test_a_failure_at_any_step_leaves_nothing_half_done(
    make: Callable[[int], tuple[Faults, BlobStore, MemoryPackStore]],
) -> None:
    faults, packs, _ = make(0)
    Store(packs).add(TREE)
    assert faults.calls > 20
    for step in range(1, faults.calls + 1):
        _, packs, inner = make(step)
        store = Store(packs)
        with pytest.raises(UnavailableError):
            store.add(TREE)
        assert list(inner.uploads()) == []
        assert store.tx.artifacts.packs() == []
        report = store.artifacts.verify(store.tx, deep=True)
        assert report.sound
        assert report.unindexed == tuple(inner.packs())


def test_a_byte_that_changes_on_its_way_is_noticed_before_the_commit() -> None:
    make = attempts(silent=True)
    faults, packs, _ = make(0)
    Store(packs).add(TREE)
    for step in range(1, faults.calls + 1):
        _, packs, inner = make(step)
        with pytest.raises((CorruptError, UnavailableError)):  # the latter where the step was no append
            Store(packs).add(TREE)
        assert list(inner.packs()) == []
