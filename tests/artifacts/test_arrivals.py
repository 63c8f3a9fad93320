"""Packs that a stranger made: what is whole is taken, whatever is not what it says is refused, and nothing is seen."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import zstandard
from safetensors.numpy import save

from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.artifacts.packs.block import EncodedBlock, encode_block
from stemma.artifacts.packs.pack import (
    HEADER,
    HEADER_SIZE,
    RECORD_HEADER_SIZE,
    TRAILER_SIZE,
    Footer,
    PackId,
    StoredBlock,
    check_of,
    encode_trailer,
    pack_id,
)
from stemma.artifacts.packs.recipe import (
    BLOCK_SIZE,
    BlockId,
    Piece,
    Recipe,
    Segment,
    SegmentId,
    block_id,
    segment_id,
)
from stemma.artifacts.ports import Upload
from stemma.artifacts.uploads.arrivals import Arrivals
from stemma.artifacts.uploads.intake import IndexKnown
from stemma.artifacts.uploads.limits import Limits
from stemma.artifacts.uploads.packing import Packing
from stemma.artifacts.uploads.writing import PackWriter
from stemma.backends.blobs.memory import MemoryPackDraft, MemoryPackStore
from stemma.conformance.faults import Faults, FaultyPackStore
from stemma.errors import (
    ConflictError,
    CorruptError,
    InvalidError,
    NotFoundError,
    StemmaError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from stemma.records import Digest
from tests.artifacts.support import OWNER, Bytes, Store

MINE = frozenset({"me"})
RNG = np.random.default_rng(5)
LARGE = RNG.bytes(3 << 20)
TREE = {"model.safetensors": save({"a": np.zeros(40_000, np.float32), "b": RNG.random(50_000)}), "x": b"x", "none": b""}


def packed(
    store: Store, tree: dict[str, bytes], scope: str = "me", known: frozenset[str] | None = MINE
) -> dict[PackId, bytes]:
    """Return the packs that a client would send."""
    drafts: list[MemoryPackDraft] = []

    def create() -> MemoryPackDraft:
        drafts.append(MemoryPackDraft(bytearray()))
        return drafts[-1]

    with Packing(PackWriter(create, scope), IndexKnown(store.read, known)) as packing:
        packing.add([Bytes(path, data) for path, data in tree.items()])
        packs = packing.finish()
    return {pack.id: bytes(draft.data) for pack, draft in zip(packs, drafts, strict=True)}


def manifest_of(tree: dict[str, bytes]) -> Manifest:
    return Manifest.of(ManifestFile(path, len(data), Digest.of(data)) for path, data in tree.items())


def send(store: Store, packs: dict[PackId, bytes], namespace: str = "me") -> Upload:
    upload = store.begin(namespace)
    for pack, data in packs.items():
        assert store.artifacts.arrivals.extend(upload, pack, 0, data[:100]) == 0
        assert store.artifacts.arrivals.extend(upload, pack, 100, data[100:]) == len(data[:100])
    return upload


def commit(
    store: Store,
    upload: Upload,
    packs: Iterable[PackId],
    manifest: Manifest,
    scopes: frozenset[str] | None = MINE,
) -> Digest:
    arrivals = store.artifacts.arrivals
    addition = arrivals.accept(upload, list(packs), store.read, scopes=scopes)
    digest = arrivals.conclude(store.tx, addition, manifest, owner=OWNER, scopes=scopes)
    arrivals.discard(upload)
    return digest


def refused(store: Store, packs: dict[PackId, bytes], kinds: type[StemmaError] | tuple[type[StemmaError], ...]) -> str:
    """Assert that packs are refused as one of `kinds` and that nothing of them is seen; return the message."""
    upload = send(store, packs)
    before = (list(store.packs.packs()), store.tx.artifacts.packs())
    with pytest.raises(kinds) as caught:
        store.artifacts.arrivals.accept(upload, list(packs), store.read, scopes=MINE)
    assert (list(store.packs.packs()), store.tx.artifacts.packs()) == before
    store.artifacts.abandon(store.tx, upload.id, owner=OWNER)
    assert list(store.packs.uploads()) == []
    return str(caught.value)


def test_packs_of_a_client_are_taken() -> None:
    store = Store()
    tree = TREE | {"large": LARGE}
    packs = packed(store, tree)
    digest = commit(store, send(store, packs), packs, manifest_of(tree))
    assert store.pull(digest) == tree
    assert store.tx.artifacts.manifests.of(digest) == {"me"}
    assert store.artifacts.verify(store.tx, deep=True).sound
    assert list(store.packs.uploads()) == []
    assert packed(store, tree) == {}, "all of it is known now"


def test_the_same_files_make_the_same_packs() -> None:
    assert packed(Store(), TREE | {"large": LARGE}) == packed(Store(), TREE | {"large": LARGE})


def test_what_is_known_is_built_upon() -> None:
    store = Store()
    packs = packed(store, {"large": LARGE})
    commit(store, send(store, packs), packs, manifest_of({"large": LARGE}))
    longer = {"longer": LARGE + b"more", "large": LARGE}
    more = packed(store, longer)
    assert sum(map(len, more.values())) < BLOCK_SIZE + 10_000
    assert store.pull(commit(store, send(store, more), more, manifest_of(longer))) == longer


def test_the_same_upload_twice_at_once_is_fine() -> None:
    store = Store()
    packs = packed(store, TREE)
    uploads = [send(store, packs) for _ in range(2)]
    digests = {commit(store, upload, packs, manifest_of(TREE)) for upload in uploads}
    assert len(digests) == 1
    assert len(list(store.packs.packs())) == 1
    assert store.artifacts.verify(store.tx, deep=True).sound


def test_an_interrupted_commit_is_made_again() -> None:
    store = Store()
    packs = packed(store, TREE)
    upload = send(store, packs)
    store.artifacts.arrivals.accept(upload, list(packs), store.read, scopes=MINE)  # and killed before the transaction
    assert store.tx.artifacts.packs() == []
    assert store.pull(commit(store, upload, packs, manifest_of(TREE))) == TREE


def test_who_asks_again_is_told_the_same() -> None:
    store = Store()
    packs = packed(store, TREE)
    upload = send(store, packs)
    digest = commit(store, upload, packs, manifest_of(TREE))
    arrivals = store.artifacts.arrivals
    assert arrivals.session(store.tx, upload.id, owner=OWNER).manifest == digest
    for act in (arrivals.renew, store.artifacts.abandon):
        with pytest.raises(NotFoundError):
            act(store.tx, upload.id, owner=OWNER)
    store.tx.now = upload.expires
    assert store.artifacts.sweep(store.tx) == 0
    with pytest.raises(NotFoundError):
        arrivals.session(store.tx, upload.id, owner=OWNER)


def test_another_s_session_is_like_none() -> None:
    store = Store()
    upload = store.begin()
    told = []
    for id_, owner in [(upload.id, "u_thief"), ("00" * 16, OWNER)]:
        with pytest.raises(NotFoundError) as caught:
            store.artifacts.arrivals.session(store.tx, id_, owner=owner)
        told.append(str(caught.value).replace(id_, "…"))
    assert len(set(told)) == 1


def test_a_portion_that_was_torn_by_a_full_disk_is_gone_on_from() -> None:
    store = Store(FaultyPackStore(MemoryPackStore(), Faults(fail_at=2, torn=True)))
    packs = packed(Store(), TREE)
    ((pack, data),) = packs.items()
    upload, extend = store.begin(), store.artifacts.arrivals.extend
    assert extend(upload, pack, 0, data[:1000]) == 0
    with pytest.raises(UnavailableError):
        extend(upload, pack, 1000, data[1000:3000])
    assert extend(upload, pack, 1000, data[1000:]) == 2000
    assert store.artifacts.arrivals.arrived(upload) == {pack: 2000}
    assert extend(upload, pack, 2000, data[2000:]) == 2000
    assert store.pull(commit(store, upload, packs, manifest_of(TREE))) == TREE


# -- damage -------------------------------------------------------------------------------------------------------


def interesting(data: bytes) -> list[int]:
    """Return offsets in every part of a pack: header, record headers, stored bytes, footer, trailer."""
    (footer, length) = struct.unpack_from("<QQ", data, len(data) - TRAILER_SIZE)
    first = HEADER_SIZE + RECORD_HEADER_SIZE
    return sorted(
        {
            *range(HEADER_SIZE + RECORD_HEADER_SIZE),
            first,
            first + 1,
            footer // 2,
            footer - 1,
            *range(footer, min(footer + 140, footer + length)),
            *range(footer + length - 160, len(data)),
        }
    )


def test_a_flipped_bit_anywhere_is_refused() -> None:
    store = Store()
    ((pack, data),) = packed(store, TREE).items()
    for offset in interesting(data):
        damaged = bytearray(data)
        damaged[offset] ^= 1 << (offset % 8)
        refused(store, {pack: bytes(damaged)}, (CorruptError, UnsupportedError, TooLargeError))
    packs = {pack: data}
    assert store.pull(commit(store, send(store, packs), packs, manifest_of(TREE))) == TREE


@pytest.mark.parametrize("keep", [0, 1, 15, 16, 17, 63, 64, 80, 200, -65, -64, -1])
def test_a_pack_that_is_cut_short_is_refused(keep: int) -> None:
    store = Store()
    ((pack, data),) = packed(store, TREE).items()
    refused(store, {pack: data[:keep]}, CorruptError)


@pytest.mark.parametrize("more", [b"\0", bytes(64), b"KCAPMETS"])
def test_bytes_behind_the_end_are_refused(more: bytes) -> None:
    store = Store()
    ((pack, data),) = packed(store, TREE).items()
    refused(store, {pack: data + more}, CorruptError)


def test_a_pack_that_never_came_is_told() -> None:
    store = Store()
    upload = store.begin()
    with pytest.raises(NotFoundError, match="has arrived"):
        store.artifacts.arrivals.accept(upload, [PackId("11" * 16)], store.read, scopes=MINE)


def test_a_pack_listed_twice_is_refused() -> None:
    store = Store()
    packs = packed(store, TREE)
    with pytest.raises(InvalidError):
        store.artifacts.arrivals.accept(send(store, packs), [*packs, *packs], store.read, scopes=MINE)


# -- forgeries: every check sum is right, what it says is not --------------------------------------------------------


@dataclass
class Forgery:
    """A pack with one file of `contents`, a block each; whatever is changed before `build` is signed for rightly."""

    contents: tuple[bytes, ...] = (bytes(BLOCK_SIZE), b"tail")
    scope: str = "me"
    encoded: list[EncodedBlock] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    recipes: list[Recipe] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.encoded = [encode_block(block_id(data), data) for data in self.contents]
        ids = tuple(each.id for each in self.encoded)
        self.segments = [Segment(segment_id(ids), ids)]
        whole = b"".join(self.contents)
        self.recipes = [Recipe(Digest.of(whole), len(whole), "", (Piece(self.segments[0].id, len(whole)),))]

    def build(self, change: Callable[[StoredBlock], StoredBlock] = lambda block: block) -> dict[PackId, bytes]:
        data, rows = bytearray(HEADER), []
        for each in self.encoded:
            block = change(each.at(len(data)))
            rows.append(block)
            data += block.header() + each.stored
        footer = Footer(self.scope, tuple(rows), tuple(self.segments), tuple(self.recipes)).encode()
        return {pack_id(footer): bytes(data + footer + encode_trailer(footer, len(data)))}


def test_an_honest_forgery_is_no_forgery() -> None:
    store = Store()
    packs = Forgery().build()
    tree = {"a": bytes(BLOCK_SIZE) + b"tail"}
    assert store.pull(commit(store, send(store, packs), packs, manifest_of(tree))) == tree


def _with_recipe(**changes: object) -> Callable[[Forgery], None]:
    def forge(pack: Forgery) -> None:
        pack.recipes = [replace(pack.recipes[0], **changes)]  # type: ignore[arg-type]  # each test knows its field

    return forge


def _with_pieces(change: Callable[[Piece], tuple[Piece, ...]], grow: int = 0) -> Callable[[Forgery], None]:
    def forge(pack: Forgery) -> None:
        recipe = pack.recipes[0]
        pack.recipes = [replace(recipe, pieces=change(recipe.pieces[0]), size=recipe.size + grow)]

    return forge


def _renamed_segment(pack: Forgery) -> None:
    pack.segments = [Segment(SegmentId(bytes(32)), pack.segments[0].blocks)]


def _no_segment(pack: Forgery) -> None:
    pack.segments = []


def _empty_segment(pack: Forgery) -> None:
    pack.segments = [Segment(segment_id(()), ()), *pack.segments]


def _short_first(pack: Forgery) -> None:
    ids = tuple(reversed(pack.segments[0].blocks))
    whole = b"tail" + bytes(BLOCK_SIZE)
    pack.segments = [Segment(segment_id(ids), ids)]
    pack.recipes = [Recipe(Digest.of(whole), len(whole), "", (Piece(pack.segments[0].id, len(whole)),))]


def _wrong_content(pack: Forgery) -> None:
    pack.encoded[1] = replace(pack.encoded[1], stored=b"liar", check=check_of(b"liar"))


def _wrong_content_that_no_file_needs(pack: Forgery) -> None:
    lie = encode_block(block_id(b"true"), b"lies")
    pack.encoded.append(lie)


def _wrong_copy(pack: Forgery) -> None:
    pack.encoded.append(replace(pack.encoded[1], stored=b"liar", check=check_of(b"liar")))


def _bomb(pack: Forgery) -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(64 << 20))
    pack.encoded[0] = replace(pack.encoded[0], codec=1, stored=frame, check=check_of(frame))


def _silent_bomb(pack: Forgery) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    frame = compressor.compress(bytes(64 << 20))
    pack.encoded[0] = replace(pack.encoded[0], codec=1, stored=frame, check=check_of(frame))


def _large_window(pack: Forgery) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, source_size=BLOCK_SIZE)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(BLOCK_SIZE)) + bytes(10)
    pack.encoded[0] = replace(pack.encoded[0], codec=1, stored=frame, check=check_of(frame))


def _padded(pack: Forgery) -> None:
    stored = bytes(BLOCK_SIZE) + bytes(1 << 20)
    pack.encoded[0] = replace(pack.encoded[0], codec=0, stored=stored, check=check_of(stored))


def _unknown_codec(pack: Forgery) -> None:
    pack.encoded[1] = replace(pack.encoded[1], codec=77)


def _other_scope(pack: Forgery) -> None:
    pack.scope = "theirs"


def _empty_block(pack: Forgery) -> None:
    pack.encoded.append(EncodedBlock(block_id(b""), 0, 0, b"", check_of(b"")))


FORGERIES: dict[str, Callable[[Forgery], None]] = {
    "another digest": _with_recipe(digest=Digest.of(b"another")),
    "a larger size": _with_pieces(lambda piece: (replace(piece, length=piece.length + 1),), grow=1),
    "a smaller size": _with_pieces(lambda piece: (replace(piece, length=piece.length - 1),), grow=-1),
    "a size of 2^63": _with_pieces(lambda piece: (replace(piece, length=2**63),), grow=2**63 - BLOCK_SIZE - 4),
    "twice the piece": _with_pieces(lambda piece: (piece, piece), grow=BLOCK_SIZE + 4),
    "no pieces, some size": _with_pieces(lambda piece: (replace(piece, length=0), piece)),
    "a segment under another id": _renamed_segment,
    "no segment": _no_segment,
    "a segment without blocks": _empty_segment,
    "a short block before the last": _short_first,
    "content of another block": _wrong_content,
    "content of another block, needed by none": _wrong_content_that_no_file_needs,
    "a second copy with other content": _wrong_copy,
    "a frame that announces 64 MiB": _bomb,
    "a frame that announces nothing": _silent_bomb,
    "a frame with a window of 128 MiB and bytes behind it": _large_window,
    "stored bytes behind the content": _padded,
    "a codec of tomorrow": _unknown_codec,
    "another namespace's pack": _other_scope,
    "a block of nothing": _empty_block,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    pack = Forgery()
    FORGERIES[name](pack)
    refused(Store(), pack.build(), (CorruptError, UnsupportedError, TooLargeError))


ROWS: dict[str, Callable[[StoredBlock], StoredBlock]] = {
    "a raw size of 4 GiB": lambda block: replace(block, raw=2**32 - 1),
    "a raw size of one more": lambda block: replace(block, raw=block.raw + 1),
    "a raw size of nothing": lambda block: replace(block, raw=0),
    "a base": lambda block: replace(block, base=BlockId(b"\1" * 32)),
    "itself as base": lambda block: replace(block, base=block.id),
    "another check": lambda block: replace(block, check=b"\0" * 8),
    "another id": lambda block: replace(block, id=BlockId(bytes(32))),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_lies_is_refused(name: str) -> None:
    refused(Store(), Forgery().build(ROWS[name]), (CorruptError, UnsupportedError, NotFoundError))


def test_blocks_that_one_may_not_read_are_like_blocks_that_are_not_there() -> None:
    store = Store()
    theirs = store.begin("theirs")
    with store.artifacts.intake(theirs, store.read) as intake:
        intake.add([Bytes("secret", b"a secret of theirs")])
        store.artifacts.commit(store.tx, intake.finish(), owner=OWNER)
    told = []
    for content in (b"a secret of theirs", b"what nobody has!!!"):
        pack = Forgery((content,))
        pack.encoded = []
        told.append(refused(store, pack.build(), NotFoundError).replace(block_id(content).hex(), "…"))
    assert len(set(told)) == 1
    with pytest.raises(NotFoundError, match="not stored"):
        commit(store, store.begin(), [], manifest_of({"a": b"a secret of theirs"}))
    both = frozenset({"me", "theirs"})
    digest = commit(store, store.begin(), [], manifest_of({"a": b"a secret of theirs"}), scopes=both)
    assert store.tx.artifacts.manifests.of(digest) == {"me"}


def test_a_manifest_that_is_not_all_there_takes_nothing_in() -> None:
    store = Store()
    packs = packed(store, TREE)
    arrivals = store.artifacts.arrivals
    addition = arrivals.accept(send(store, packs), list(packs), store.read, scopes=MINE)
    with pytest.raises(NotFoundError):
        arrivals.conclude(store.tx, addition, manifest_of(TREE | {"more": b"more"}), owner=OWNER, scopes=MINE)
    lying = Manifest.of([ManifestFile("x", 2, Digest.of(b"x"))])
    with pytest.raises((InvalidError, NotFoundError)):
        arrivals.conclude(store.tx, addition, lying, owner=OWNER, scopes=MINE)


# -- limits -------------------------------------------------------------------------------------------------------


def test_limits_are_kept() -> None:
    store = Store()
    packs = packed(store, TREE)
    upload = send(store, packs)
    for limits in (Limits(footers=100), Limits(content=1000), Limits(packs=0)):
        with pytest.raises(TooLargeError):
            Arrivals(store.packs, limits).accept(upload, list(packs), store.read, scopes=MINE)
    with pytest.raises(TooLargeError):
        Arrivals(store.packs, Limits(pack=10)).extend(upload, PackId("11" * 16), 5, b"123456")
    assert list(store.packs.packs()) == []


def test_one_owner_holds_so_many_sessions() -> None:
    store = Store()
    for _ in range(Limits().sessions):
        last = store.begin()
    with pytest.raises(TooLargeError, match="64 uploads are open"):
        store.begin()
    store.artifacts.abandon(store.tx, last.id, owner=OWNER)
    store.begin()
    store.tx.now = last.expires
    store.begin()


def test_a_check_can_be_stopped() -> None:
    store = Store()
    packs = packed(store, {"large": LARGE * 4})

    def stop(_: int) -> None:
        raise UnavailableError("the server is ending")

    with pytest.raises(UnavailableError):
        store.artifacts.arrivals.accept(send(store, packs), list(packs), store.read, scopes=MINE, progress=stop)
    assert list(store.packs.packs()) == []


def test_a_pack_of_another_s_upload_does_not_count() -> None:
    store = Store()
    packs = packed(store, TREE)
    send(store, packs)
    with pytest.raises(NotFoundError, match="has arrived"):
        store.artifacts.arrivals.accept(store.begin(), list(packs), store.read, scopes=MINE)
    with pytest.raises((NotFoundError, ConflictError)):
        store.artifacts.commit(
            store.tx,
            replace(store.add([Bytes("a", b"a")]), upload=replace(store.begin("other"), owner="u_thief")),
            owner=OWNER,
        )
