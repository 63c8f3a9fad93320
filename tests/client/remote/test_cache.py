"""The cache: whose answers it holds, that it is bounded, and that nothing in it is believed."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from stemma.client.remote import cache as module
from stemma.client.remote.cache import Cache, asker_of
from stemma.records import Digest

HERE, THERE = "0" * 32, "1" * 32
AT = "https://models.example"
ADA, BOB = asker_of(AT, "stm_ada_secret"), asker_of(AT, "stm_bob_secret")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Make a cache for a thousand bytes."""
    return Cache(tmp_path / "cache", 1000)


def test_an_answer_is_for_its_server_its_asker_and_its_question(cache: Cache) -> None:
    cache.keep(HERE, ADA, "resolve a", b'{"a": 1}')
    found = cache.find(HERE, ADA, "resolve a")
    assert found is not None
    assert found[0] == b'{"a": 1}'
    assert abs(time.time() - found[1]) < 60
    assert cache.find(THERE, ADA, "resolve a") is None
    assert cache.find(HERE, BOB, "resolve a") is None
    assert cache.find(HERE, asker_of(AT, None), "resolve a") is None
    assert cache.find(HERE, ADA, "resolve b") is None


def test_no_token_stands_in_the_cache(cache: Cache) -> None:
    cache.keep(HERE, ADA, "q", b"{}")
    cache.note_identity("https://models.example", HERE)
    names = "".join(str(path) for path in cache.root.rglob("*"))
    texts = b"".join(path.read_bytes() for path in cache.root.rglob("*") if path.is_file())
    assert "secret" not in names
    assert b"secret" not in texts


def test_others_cannot_read_it(cache: Cache) -> None:
    cache.keep(HERE, ADA, "q", b"{}")
    with cache.using(HERE, Digest.of(b"m"), 10):
        for path in cache.root.rglob("*"):
            if path.is_file():
                assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[" * 10_000, b"\xff", b'{"question": "other", "time": 1, "answer": {}}']
)
def test_what_is_damaged_is_as_good_as_absent(cache: Cache, damage: bytes) -> None:
    cache.keep(HERE, ADA, "q", b"{}")
    cache.note_identity("https://models.example", HERE)
    for path in cache.root.rglob("*.json"):
        path.write_bytes(damage)
    assert cache.find(HERE, ADA, "q") is None
    assert cache.identity_at("https://models.example") is None
    cache.keep(HERE, ADA, "q", b"{}")
    assert cache.find(HERE, ADA, "q") is not None


@pytest.mark.parametrize("identity", ["../../etc", "", "A" * 32, "0" * 31, "0" * 31 + "/"])
def test_a_server_cannot_choose_where_it_is_kept(cache: Cache, identity: str) -> None:
    cache.note_identity("https://models.example", identity)
    assert cache.identity_at("https://models.example") is None


def test_another_server_at_the_same_address_is_another(cache: Cache) -> None:
    cache.note_identity("https://models.example", HERE)
    assert cache.identity_at("https://models.example") == HERE
    cache.note_identity("https://models.example", THERE)
    assert cache.identity_at("https://models.example") == THERE


def fill(cache: Cache, name: bytes, size: int) -> Path:
    with cache.using(HERE, Digest.of(name), size) as place:
        place.mkdir(exist_ok=True)
        (place / "file").write_bytes(bytes(size))
    os.utime(place.with_name(f"{place.name}.used"), (fill.time, fill.time))  # type: ignore[attr-defined]  # a counter
    fill.time += 1  # type: ignore[attr-defined]  # a counter
    return place


fill.time = 1_000_000_000  # type: ignore[attr-defined]  # a counter


def test_what_was_used_longest_ago_goes_first(cache: Cache) -> None:
    places = [fill(cache, name, 400) for name in (b"a", b"b")]
    fill(cache, b"a", 400)
    third = fill(cache, b"c", 400)
    assert [place.exists() for place in (*places, third)] == [True, False, True]
    assert not places[1].with_name(f"{places[1].name}.used").exists()


def test_what_is_in_use_stays(cache: Cache) -> None:
    first = fill(cache, b"a", 900)
    with cache.using(HERE, Digest.of(b"a"), 900):
        os.utime(first.with_name(f"{first.name}.used"), (1, 1))
        second = fill(cache, b"b", 900)
        assert first.exists()
        assert second.exists()
    fill(cache, b"c", 900)
    assert not first.exists()
    assert not second.exists()


def _work(root: Path, number: int) -> None:
    cache = Cache(root, 1000)
    for turn in range(50):
        cache.keep(HERE, ADA, f"q{turn % 5}", b'{"by": %d}' % number)
        found = cache.find(HERE, ADA, f"q{turn % 5}")
        assert found is not None, "an answer is replaced, never absent"
        with cache.using(HERE, Digest.of(b"%d" % (turn % 4)), 400) as place:
            place.mkdir(exist_ok=True)
            (place / f"{number}").write_bytes(b"x")
            assert (place / f"{number}").exists(), "nobody clears away what is in use"


def test_several_processes_share_it(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(_work, [(tmp_path / "cache", number) for number in range(3)])


def test_answers_are_bounded(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_ANSWERS", 50)
    for number in range(300):
        cache.keep(HERE, ADA, f"q{number}", b"{}")
    assert len(list(cache.root.rglob("*.json"))) <= 50 + module._SURVEY  # noqa: SLF001  # what it promises
    assert cache.find(HERE, ADA, "q299") is not None


def test_a_cache_that_cannot_be_written_to_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    cache = Cache(tmp_path / "cache", 1000)
    cache.keep(HERE, ADA, "q", b"{}")
    cache.note_identity("https://models.example", HERE)
    assert cache.find(HERE, ADA, "q") is None
