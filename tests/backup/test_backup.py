"""Backup and restore: consistent while written to, whole or not at all, checked to the last byte."""

import hashlib
import random
import resource
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stemma.app import open_folder, restore_folder, verify_backup
from stemma.backends.backup.listing import FILE, Listing, read_listing
from stemma.backends.blobs.disk import Disk
from stemma.client import Repository
from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    NotFoundError,
    StemmaError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)
from stemma.settings import REPOSITORY_FOLDER
from tests.backup.stories import check, log_of, make, tell

PASSPHRASE = "open sesame"  # noqa: S105  # of keys made here


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository once; tests copy it."""
    folder = tmp_path_factory.mktemp("told")
    tell(folder / "work", folder / "files")
    return folder / "work"


@pytest.fixture
def root(told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    shutil.copytree(told, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def made(root: Path, tmp_path: Path) -> Path:
    folder = open_folder(root)
    make(folder, tmp_path / "backup")
    folder.close()
    return tmp_path / "backup"


def test_what_comes_back_is_what_was(root: Path, made: Path, tmp_path: Path) -> None:
    restore_folder(made, tmp_path / "again")
    check(tmp_path / "again")
    assert log_of(tmp_path / "again") == log_of(root)
    with Repository.open(root) as before, Repository.open(tmp_path / "again") as after:
        assert list(after.models("bank")) == list(before.models("bank"))
        assert after.history("bank/loans") == before.history("bank/loans")
        assert [hook.url for hook in after.webhooks.all("bank")] == ["https://hooks.example.com/in"]
        after.pull("bank/loans@production", tmp_path / "files")
        assert after.push("bank/loans", tmp_path / "files", message="Goes on").version.sequence == 4
    check(tmp_path / "again")
    for name in ("keys/log.pem", "keys/paging.key"):
        assert stat.S_IMODE((tmp_path / "again" / REPOSITORY_FOLDER / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.slow
def test_four_writers_go_on_while_it_is_made(root: Path, tmp_path: Path) -> None:
    ending = threading.Event()
    pushed: list[str] = []
    problems: list[BaseException] = []

    def write(number: int) -> None:
        generator = random.Random(number)
        files = tmp_path / f"files-{number}"
        files.mkdir()
        try:
            with Repository.open(root) as repository:
                while not ending.is_set():
                    (files / "weights.bin").write_bytes(generator.randbytes(80_000))
                    done = repository.push(f"team{number % 2}/model{number}", files, message="On and on")
                    repository.aliases.set(f"team{number % 2}/model{number}", "production", done.version.digest)
                    pushed.append(done.version.digest)
        except BaseException as error:  # noqa: BLE001  # it is told at the end
            problems.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    folder = open_folder(root)
    counts = []
    for turn in range(3):
        while len(pushed) < 4 * (turn + 1):
            assert not problems, problems
        counts.append(len(pushed))
        make(folder, tmp_path / "backup")
        verify_backup(tmp_path / "backup")
        restore_folder(tmp_path / "backup", tmp_path / f"again-{turn}")
    ending.set()
    for writer in writers:
        writer.join()
    folder.close()
    assert not problems, problems
    whole = log_of(root)
    versions: list[int] = []
    for turn in range(3):
        again = tmp_path / f"again-{turn}"
        shutil.rmtree(tmp_path / "home", ignore_errors=True)  # each copy goes its own way
        check(again)
        log = log_of(again)
        assert whole.continues(log)
        versions.append(sum(b'"version.register"' in entry for entries in log.entries.values() for entry in entries))
    assert versions == sorted(versions)
    assert all(found >= count for found, count in zip(versions, counts, strict=True)), "what was acknowledged before"
    check(root)


def test_only_new_packs_are_copied_and_old_states_go(root: Path, made: Path, tmp_path: Path) -> None:
    first = read_listing(made)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "weights.bin").write_bytes(random.Random(99).randbytes(70_000))
    with Repository.open(root) as repository:
        repository.push("bank/loans", tmp_path / "files", message="New")
    folder = open_folder(root)
    done = make(folder, made)
    assert done.copied == 1
    assert done.copied_bytes < 80_000
    assert make(folder, made).copied == 0
    folder.close()
    assert [path.name for path in (made / "states").iterdir()] == [read_listing(made).state]
    assert read_listing(made).packs.keys() > first.packs.keys()
    (made / "packs" / "ab").mkdir(exist_ok=True)
    (made / "packs" / "ab" / ("ab" + "0" * 30 + ".pack")).write_bytes(b"left by nobody")
    folder = open_folder(root)
    make(folder, made)
    folder.close()
    assert verify_backup(made) == read_listing(made)
    assert not (made / "packs" / "ab" / ("ab" + "0" * 30 + ".pack")).exists()


def test_keys_are_taken_only_if_they_are_encrypted_or_asked_for(root: Path, tmp_path: Path) -> None:
    folder = open_folder(root)
    make(folder, tmp_path / "backup", keys=False)
    folder.close()
    assert not read_listing(tmp_path / "backup").holds_keys
    assert not list((tmp_path / "backup").rglob("*.pem"))
    with pytest.raises(NotFoundError, match="keys"):
        restore_folder(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again" / REPOSITORY_FOLDER).exists()
    shutil.copytree(root / REPOSITORY_FOLDER / "keys", tmp_path / "safe")
    restore_folder(tmp_path / "backup", tmp_path / "again", keys=tmp_path / "safe")
    check(tmp_path / "again")


def test_keys_of_others_are_refused(made: Path, tmp_path: Path) -> None:
    Repository.init(tmp_path / "other").close()
    with pytest.raises(CorruptError):
        restore_folder(made, tmp_path / "again", keys=tmp_path / "other" / REPOSITORY_FOLDER / "keys")
    assert list((tmp_path / "again").iterdir()) == []


def test_encrypted_keys_are_taken_and_ask_for_their_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STEMMA_KEY_PASSPHRASE", PASSPHRASE)
    with Repository.init(tmp_path / "work") as repository:
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "a").write_text("a")
        repository.push("bank/loans", tmp_path / "files", message="First")
        assert repository.upkeep.back_up(tmp_path / "backup").backup.keys
    with pytest.raises(UnauthenticatedError):
        restore_folder(tmp_path / "backup", tmp_path / "again")
    restore_folder(tmp_path / "backup", tmp_path / "again", passphrase=PASSPHRASE)
    check(tmp_path / "again")


def damaged(made: Path) -> Iterator[tuple[Path, int]]:
    """Yield places of bytes in every file of a backup: all of small files, some of large ones."""
    generator = random.Random(5)
    for path in sorted(made.rglob("*")):
        if path.is_file() and path.name != "backup.lock":
            size = path.stat().st_size
            few = range(size) if size <= 16 else sorted({0, size - 1, *(generator.randrange(size) for _ in range(6))})
            yield from ((path, offset) for offset in few)


def test_a_changed_byte_anywhere_is_found_and_told_where(made: Path, tmp_path: Path) -> None:
    checked = 0
    for path, offset in damaged(made):
        data = path.read_bytes()
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 0x20]) + data[offset + 1 :])
        with pytest.raises(CorruptError) as caught:
            verify_backup(made)
        place = caught.value.place
        assert path.name in place or path.stem in place, f"{path.name} at {offset}: {caught.value}"
        path.write_bytes(data)
        checked += 1
    verify_backup(made)
    assert checked > 100
    packs = sorted((made / "packs").rglob("*.pack"))
    data = packs[0].read_bytes()
    packs[0].write_bytes(data[:500] + b"!" + data[501:])
    with pytest.raises(CorruptError):
        restore_folder(made, tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []


def test_missing_and_cut_files_are_found(made: Path) -> None:
    for path in sorted(made.rglob("*")):
        if not path.is_file() or path.name == "backup.lock":
            continue
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        with pytest.raises(CorruptError):
            verify_backup(made)
        path.write_bytes(data + b"\n")
        with pytest.raises(CorruptError):
            verify_backup(made)
        path.unlink()
        with pytest.raises((CorruptError, NotFoundError)):
            verify_backup(made)
        path.write_bytes(data)
    verify_backup(made)


def test_places_that_are_taken_are_refused(root: Path, made: Path, tmp_path: Path) -> None:
    folder = open_folder(root)
    with pytest.raises(AlreadyExistsError):
        restore_folder(made, root)
    (tmp_path / "something" / REPOSITORY_FOLDER).mkdir(parents=True)
    (tmp_path / "something" / REPOSITORY_FOLDER / "file").write_text("mine")
    with pytest.raises(CorruptError, match="something here"):
        restore_folder(made, tmp_path / "something")
    with pytest.raises(NotFoundError, match="no backup"):
        restore_folder(root, tmp_path / "again")
    with pytest.raises(ConflictError, match="something else"):
        make(folder, tmp_path / "something")
    with pytest.raises(ConflictError, match="inside the repository"):
        make(folder, root / REPOSITORY_FOLDER / "backup")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StemmaError):
        make(folder, tmp_path / "file")
    folder.close()
    Repository.init(tmp_path / "other").close()
    other = open_folder(tmp_path / "other")
    with pytest.raises(ConflictError, match="another repository"):
        make(other, made)
    other.close()


def test_two_backups_into_one_folder_take_turns(root: Path, made: Path) -> None:
    folder = open_folder(root)

    def boundary(event: str, /) -> None:
        if event.startswith("rename backup.json"):
            with pytest.raises(ConflictError, match="another backup"):
                make(folder, made)
            met.append(event)

    met: list[str] = []
    make(folder, made, Disk(boundary))
    assert met
    folder.close()


def test_links_share_the_file(root: Path, tmp_path: Path) -> None:
    with Repository.open(root) as repository:
        done = repository.upkeep.back_up(tmp_path / "backup", keys=True, link=True)
    assert done.copied == done.backup.packs
    for path in (tmp_path / "backup" / "packs").rglob("*.pack"):
        assert path.stat().st_nlink == 2
    verify_backup(tmp_path / "backup")
    restore_folder(tmp_path / "backup", tmp_path / "again")
    check(tmp_path / "again")


def test_when_it_was_made_is_remembered(root: Path, tmp_path: Path) -> None:
    with Repository.open(root) as repository:
        assert repository.upkeep.health().backup is None
        done = repository.upkeep.back_up(tmp_path / "backup")
        assert (repository.upkeep.health().backup or "")[:19] == done.backup.time[:19]


def test_a_damaged_pack_is_not_backed_up(root: Path, made: Path, tmp_path: Path) -> None:
    before = read_listing(made)
    pack = next((root / REPOSITORY_FOLDER / "packs").rglob("*.pack"))
    data = pack.read_bytes()
    pack.write_bytes(data[:700] + b"!" + data[701:])
    folder = open_folder(root)
    with pytest.raises(CorruptError, match="block"):
        make(folder, tmp_path / "new")
    assert not (tmp_path / "new" / FILE).exists()
    pack.unlink()
    with pytest.raises(CorruptError, match="missing"):
        make(folder, tmp_path / "new")
    folder.close()
    assert read_listing(made) == before


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file grow beyond `size`, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_backup(root: Path, made: Path, tmp_path: Path) -> None:
    before = read_listing(made)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "weights.bin").write_bytes(random.Random(98).randbytes(3_000_000))
    with Repository.open(root) as repository:
        repository.push("bank/loans", tmp_path / "files", message="Large")
    folder = open_folder(root)
    with limited(1_000_000), pytest.raises(UnavailableError) as caught:
        make(folder, made)
    assert caught.value.hint == "Free some space, then try again."
    assert read_listing(made) == before
    verify_backup(made)
    make(folder, made)
    folder.close()
    with limited(1_000_000), pytest.raises(UnavailableError):
        restore_folder(made, tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []
    restore_folder(made, tmp_path / "again")
    check(tmp_path / "again")


def test_a_listing_of_another_level_or_format_is_not_guessed_at(made: Path, tmp_path: Path) -> None:
    listing = read_listing(made)
    older = Listing(
        listing.identity, listing.time, "0.0.1", "0000", listing.state, listing.tables, listing.files, listing.packs
    )
    (made / FILE).write_bytes(older.encode())
    with pytest.raises(UnsupportedError, match="level 0000"):
        restore_folder(made, tmp_path / "again")
    line = listing.encode().partition(b"\n")[0].replace(b"stemma/backup/1", b"stemma/backup/2")
    (made / FILE).write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")
    with pytest.raises(UnsupportedError, match="stemma/backup/2"):
        read_listing(made)
    for hostile in (b"{}", b"[]", b'{"schema":"stemma/backup/1"}', b"\xff", b"[" * 100_000):
        (made / FILE).write_bytes(hostile + b"\n" + hashlib.sha256(hostile).hexdigest().encode() + b"\n")
        with pytest.raises((CorruptError, UnsupportedError)):
            read_listing(made)
    whole = listing.encode().partition(b"\n")[0]
    for honest, hostile in ((b'"identity"', b'"../../etc/x"'), (listing.state.encode(), b"../../../../etc/passwd")):
        line = whole.replace(honest, hostile)
        (made / FILE).write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")
        with pytest.raises(CorruptError):
            read_listing(made)
