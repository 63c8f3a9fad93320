"""What every pack store must do. Subclass `PackStoreSuite` in a test module and say how to open a store.

class TestMine(PackStoreSuite):
    def open(self, place: Path) -> PackStore: ...
"""

# ruff: noqa: S101 - a suite of tests asserts

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import PackDraft, PackStore
from stemma.errors import InvalidError, NotFoundError

UPLOAD, OTHER = "0a" * 16, "0b" * 16
ONE, TWO = PackId("11" * 16), PackId("22" * 16)


class PackStoreSuite(ABC):
    """The contract of `PackStore` and `PackDraft`, as tests. `open` opens the same store each time for one place."""

    @abstractmethod
    def open(self, place: Path) -> PackStore:
        """Return a store that keeps its packs at `place`."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> PackStore:
        """Return an empty store."""
        return self.open(tmp_path)

    def test_an_empty_store(self, store: PackStore) -> None:
        """Nothing is there, and asking changes nothing."""
        assert list(store.packs()) == []
        assert list(store.uploads()) == []
        store.remove(ONE)
        store.discard(UPLOAD)
        for ask in (store.size, lambda pack: store.read(pack, 0, 1)):
            with pytest.raises(NotFoundError):
                ask(ONE)

    def test_a_draft_is_private_until_it_is_published(self, store: PackStore) -> None:
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

    def test_reads_are_exact_or_end_with_the_pack(self, store: PackStore) -> None:
        """A range is what was asked for, shorter only where the pack ends."""
        data = bytes(range(256)) * 5_000
        self._publish(store, UPLOAD, {ONE: data})
        for offset, length in [(0, 0), (0, len(data)), (77, 1_000_000), (len(data) - 3, 10), (len(data) + 5, 10)]:
            assert store.read(ONE, offset, length) == data[offset : offset + length]

    def test_a_sealed_draft_takes_no_more(self, store: PackStore) -> None:
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

    def test_several_packs_of_one_upload(self, store: PackStore) -> None:
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

    def test_publishing_again_changes_nothing(self, store: PackStore) -> None:
        """The same bytes under the same id, from two uploads."""
        self._publish(store, UPLOAD, {ONE: b"same"})
        self._publish(store, OTHER, {ONE: b"same"})
        assert list(store.packs()) == [ONE]
        assert store.read(ONE, 0, 9) == b"same"

    def test_removing(self, store: PackStore) -> None:
        """A removed pack is gone, and may come again."""
        self._publish(store, UPLOAD, {ONE: b"one", TWO: b"two"})
        store.remove(ONE)
        store.remove(ONE)
        assert list(store.packs()) == [TWO]
        with pytest.raises(NotFoundError):
            store.read(ONE, 0, 1)
        self._publish(store, UPLOAD, {ONE: b"one"})
        assert store.read(ONE, 0, 9) == b"one"

    def test_many_readers(self, store: PackStore) -> None:
        """Threads read at once and get what is theirs."""
        data = bytes(range(256)) * 1_000
        self._publish(store, UPLOAD, {ONE: data})
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda number: store.read(ONE, number * 100, 100), range(2_000))
            assert b"".join(found) == data[:200_000]

    def test_another_opening_sees_what_was_published(self, store: PackStore, tmp_path: Path) -> None:
        """A store is its place, not the object."""
        self._publish(store, UPLOAD, {ONE: b"one"})
        again = self.open(tmp_path)
        assert list(again.packs()) == [ONE]
        assert again.read(ONE, 0, 3) == b"one"

    @staticmethod
    def _publish(store: PackStore, upload: str, packs: dict[PackId, bytes]) -> None:
        drafts: list[tuple[PackDraft, PackId]] = []
        for pack, data in packs.items():
            draft = store.create(upload)
            draft.append(data)
            draft.seal()
            drafts.append((draft, pack))
        store.publish(drafts)
        for draft, _ in drafts:
            draft.close()
