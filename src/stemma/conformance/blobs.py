"""What every pack store must do. Subclass `PackStoreSuite` in a test module and say how to open a store.

class TestMine(PackStoreSuite):
    def open(self, place: Path) -> BlobStore: ...
"""

# ruff: noqa: S101, PLR2004 - a suite of tests asserts, with the figures that it expects

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import BlobStore, PackDraft
from stemma.errors import ConflictError, InvalidError, NotFoundError

UPLOAD, OTHER = "0a" * 16, "0b" * 16
ONE, TWO = PackId("11" * 16), PackId("22" * 16)


class PackStoreSuite(ABC):
    """The contract of `BlobStore` and `PackDraft`, as tests. `open` opens the same store each time for one place."""

    @abstractmethod
    def open(self, place: Path) -> BlobStore:
        """Return a store that keeps its packs at `place`."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        """Return an empty store."""
        return self.open(tmp_path)

    def test_an_empty_store(self, store: BlobStore) -> None:
        """Nothing is there, and asking changes nothing."""
        assert list(store.packs()) == []
        assert list(store.uploads()) == []
        store.remove(ONE)
        store.discard(UPLOAD)
        for ask in (store.size, lambda pack: store.read(pack, 0, 1)):
            with pytest.raises(NotFoundError):
                ask(ONE)

    def test_a_draft_is_private_until_it_is_published(self, store: BlobStore) -> None:
        """Bytes appended are read back from the draft, and from the store only when they are published."""
        draft = store.create(UPLOAD)
        draft.append(b"hello ")
        draft.append(b"world")
        assert draft.read(6, 100) == b"world"
        assert list(store.packs()) == []
        assert list(store.uploads()) == [UPLOAD]
        draft.seal()
        assert draft.read(0, 5) == b"hello"
        assert list(store.packs()) == []
        store.publish([(draft, ONE)])
        draft.close()
        draft.close()
        assert list(store.packs()) == [ONE]
        assert store.size(ONE) == len(b"hello world")
        assert store.read(ONE, 0, 100) == b"hello world"

    def test_reads_are_exact_or_end_with_the_pack(self, store: BlobStore) -> None:
        """A range is what was asked for, shorter only where the pack ends."""
        data = bytes(range(256)) * 5_000
        self._publish(store, UPLOAD, {ONE: data})
        for offset, length in [(0, 0), (0, len(data)), (77, 1_000_000), (len(data) - 3, 10), (len(data) + 5, 10)]:
            assert store.read(ONE, offset, length) == data[offset : offset + length]

    def test_a_sealed_draft_takes_no_more(self, store: BlobStore) -> None:
        """And an unsealed one is not published."""
        draft = store.create(UPLOAD)
        draft.append(b"a")
        with pytest.raises(InvalidError):
            store.publish([(draft, ONE)])
        draft.seal()
        with pytest.raises(InvalidError):
            draft.append(b"b")
        draft.close()
        assert list(store.packs()) == []

    def test_several_packs_of_one_upload(self, store: BlobStore) -> None:
        """They are published together, and what is left of the upload is discarded."""
        self._publish(store, UPLOAD, {ONE: b"one", TWO: b"two"})
        left = store.create(UPLOAD)
        left.append(b"left")
        left.close()
        other = store.create(OTHER)
        other.append(b"other")
        store.discard(UPLOAD)
        assert list(store.uploads()) == [OTHER]
        assert other.read(0, 5) == b"other"
        other.close()
        assert sorted(store.packs()) == [ONE, TWO]
        assert (store.read(ONE, 0, 9), store.read(TWO, 0, 9)) == (b"one", b"two")

    def test_publishing_again_changes_nothing(self, store: BlobStore) -> None:
        """The same bytes under the same id, from two uploads."""
        self._publish(store, UPLOAD, {ONE: b"same"})
        self._publish(store, OTHER, {ONE: b"same"})
        assert list(store.packs()) == [ONE]
        assert store.read(ONE, 0, 9) == b"same"

    def test_a_pack_arrives_in_portions(self, store: BlobStore, tmp_path: Path) -> None:
        """Each only where the one before ended; what is there is told, also to another opening."""
        assert store.arrived(UPLOAD) == {}
        assert store.extend(UPLOAD, ONE, 5, b"too early") == 0
        assert store.extend(UPLOAD, ONE, 0, b"hello ") == 0
        assert store.extend(UPLOAD, ONE, 0, b"again") == 6
        assert store.extend(UPLOAD, ONE, 7, b"a hole") == 6
        assert store.extend(UPLOAD, TWO, 0, b"") == 0
        again = self.open(tmp_path)
        assert again.arrived(UPLOAD) == {ONE: 6, TWO: 0}
        assert again.extend(UPLOAD, ONE, 6, b"world") == 6
        assert store.arrived(UPLOAD)[ONE] == 11
        assert again.arrived(OTHER) == {}
        assert list(again.packs()) == []
        assert list(again.uploads()) == [UPLOAD]
        again.discard(UPLOAD)
        assert store.arrived(UPLOAD) == {}
        with pytest.raises(NotFoundError):
            store.seal(UPLOAD, ONE)

    def test_what_arrived_is_sealed_and_published_as_often_as_need_be(self, store: BlobStore, tmp_path: Path) -> None:
        """Nothing is added to a sealed pack, and whoever was interrupted after publishing does it again."""
        store.extend(UPLOAD, ONE, 0, b"one")
        for opened in (store, self.open(tmp_path)):
            draft = opened.seal(UPLOAD, ONE)
            with pytest.raises(InvalidError):
                draft.append(b"more")
            draft.seal()
            assert draft.read(0, 9) == b"one"
            for offset in (0, 3):
                with pytest.raises(ConflictError):
                    opened.extend(UPLOAD, ONE, offset, b"more")
            opened.publish([(draft, ONE)])
            draft.close()
            assert opened.arrived(UPLOAD) == {ONE: 3}
        store.discard(UPLOAD)
        assert list(store.uploads()) == []
        assert list(store.packs()) == [ONE]
        assert store.read(ONE, 0, 9) == b"one"

    def test_of_portions_sent_at_once_one_is_taken(self, store: BlobStore) -> None:
        """Whoever comes second is told how much is there."""
        with ThreadPoolExecutor(8) as pool:
            for start in range(0, 80, 4):
                sizes = pool.map(
                    store.extend, [UPLOAD] * 8, [ONE] * 8, [start] * 8, [b"%04d" % each for each in range(8)]
                )
                assert sorted(sizes) == [start, *[start + 4] * 7]
        draft = store.seal(UPLOAD, ONE)
        assert len(draft.read(0, 1000)) == 80
        draft.close()

    @pytest.mark.parametrize("pack", ["", "../../packs/aa", "A" * 32, "1" * 31, "11" * 16 + "\n"])
    def test_a_name_that_is_no_pack_reaches_nothing(self, store: BlobStore, pack: str) -> None:
        """Also where names come from outside."""
        with pytest.raises((InvalidError, NotFoundError)):
            store.seal(UPLOAD, PackId(pack))

    def test_removing(self, store: BlobStore) -> None:
        """A removed pack is gone, and may come again."""
        self._publish(store, UPLOAD, {ONE: b"one", TWO: b"two"})
        store.remove(ONE)
        store.remove(ONE)
        assert list(store.packs()) == [TWO]
        with pytest.raises(NotFoundError):
            store.read(ONE, 0, 1)
        self._publish(store, UPLOAD, {ONE: b"one"})
        assert store.read(ONE, 0, 9) == b"one"

    def test_many_readers(self, store: BlobStore) -> None:
        """Threads read at once and get what is theirs."""
        data = bytes(range(256)) * 1_000
        self._publish(store, UPLOAD, {ONE: data})
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda number: store.read(ONE, number * 100, 100), range(2_000))
            assert b"".join(found) == data[:200_000]

    def test_another_opening_sees_what_was_published(self, store: BlobStore, tmp_path: Path) -> None:
        """A store is its place, not the object."""
        self._publish(store, UPLOAD, {ONE: b"one"})
        again = self.open(tmp_path)
        assert list(again.packs()) == [ONE]
        assert again.read(ONE, 0, 3) == b"one"

    @staticmethod
    def _publish(store: BlobStore, upload: str, packs: dict[PackId, bytes]) -> None:
        drafts: list[tuple[PackDraft, PackId]] = []
        for pack, data in packs.items():
            draft = store.create(upload)
            draft.append(data)
            draft.seal()
            drafts.append((draft, pack))
        store.publish(drafts)
        for draft, _ in drafts:
            draft.close()
