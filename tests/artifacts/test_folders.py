"""Folders of this machine: everything in them is stored and comes back, and nothing outside is ever touched."""

import os
import socket
import stat
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.backends.blobs.local import LocalPackStore
from stemma.client.files.beneath import Beneath
from stemma.client.files.checkout import WORK, Checkout, check_out
from stemma.client.files.folders import FolderFile, describe, list_folder
from stemma.errors import ConflictError, CorruptError, InvalidError, NotFoundError, TooLargeError
from stemma.records import Digest
from tests.artifacts.support import OWNER, Store
from tests.artifacts.test_store import hostile_tree, model

RNG = np.random.default_rng(17)
OLD = 1_600_000_000


def write(root: Path, tree: dict[str, bytes], *, age: bool = True) -> Path:
    for path, data in tree.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        if age:
            os.utime(file, (OLD, OLD))
    root.mkdir(exist_ok=True)
    return root


def read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def push(store: Store, root: Path, *, follow_links: bool = False) -> Manifest:
    with list_folder(root, follow_links=follow_links) as folder:
        with store.artifacts.intake(store.begin(), store.read) as intake:
            added = intake.add(folder.files)
            addition = intake.finish()
        store.artifacts.commit(store.tx, addition, owner=OWNER)
        manifest = describe(folder, added)
    store.artifacts.store_manifest(store.tx, manifest, namespace="me")
    return manifest


def pull(store: Store, manifest: Manifest, destination: Path, *, overwrite: bool = False) -> Checkout:
    located = store.artifacts.locate(store.tx, manifest.digests())
    return check_out(manifest, located, store.artifacts.reader, destination, overwrite=overwrite)


@pytest.mark.parametrize("seed", range(100, 110))
def test_hostile_folders_come_back(tmp_path: Path, seed: int) -> None:
    tree = hostile_tree(seed)
    root = write(tmp_path / "in", tree)
    store = Store(LocalPackStore(tmp_path / "store"))
    manifest = push(store, root)
    done = pull(store, manifest, tmp_path / "out")
    assert read(tmp_path / "out") == tree
    assert set(done.written) == set(tree)
    assert done.kept == done.extra == ()
    assert push(store, tmp_path / "out").digest == manifest.digest


def test_bits_and_empty_directories_come_back(tmp_path: Path) -> None:
    root = write(tmp_path / "in", {"run.sh": b"#!/bin/sh", "data": b"x", "big": model()})
    (root / "run.sh").chmod(0o755)
    (root / "big").chmod(0o700)
    (root / "empty" / "in" / "it").mkdir(parents=True)
    store = Store()
    manifest = push(store, root)
    assert manifest.directories == ("empty/in/it",)
    pull(store, manifest, tmp_path / "out")
    executable = {
        path.name for path in (tmp_path / "out").iterdir() if path.stat().st_mode & stat.S_IXUSR and path.is_file()
    }
    assert executable == {"run.sh", "big"}
    assert (tmp_path / "out" / "empty" / "in" / "it").is_dir()
    assert not (tmp_path / "out" / WORK).exists()


def test_an_empty_folder_and_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    store = Store()
    manifest = push(store, tmp_path / "in")
    assert manifest.files == ()
    pull(store, manifest, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "in" / "a").write_bytes(b"a")
    assert [file.path for file in push(store, tmp_path / "in" / "a").files] == ["a"]
    with pytest.raises(NotFoundError):
        list_folder(tmp_path / "nothing")


def test_deep_trees(tmp_path: Path) -> None:
    """Deeper than a path may be long for one system call, and than there may be open files."""
    root = tmp_path / "in"
    root.mkdir()
    with Beneath(root) as folder:
        deep = "/".join(["d"] * 2_000)
        folder.make_directories(deep)
        descriptor = folder.open(f"{deep}/leaf", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"leaf")
        os.close(descriptor)
    store = Store()
    manifest = push(store, root)
    assert [file.path for file in manifest.files] == [f"{deep}/leaf"]
    pull(store, manifest, tmp_path / "out")
    assert push(store, tmp_path / "out").digest == manifest.digest
    with Beneath(root) as folder:
        folder.make_directories("/".join(["d"] * 2_100))
    with pytest.raises(TooLargeError):
        list_folder(root)
    # Python's own rmtree, which clears up behind the tests, does not reach so deep.
    subprocess.run(["/bin/rm", "-rf", root, tmp_path / "out"], check=True)


# -- what is refused -------------------------------------------------------------------------------------------------


def test_links_are_refused_and_followed_only_to_files(tmp_path: Path) -> None:
    root = write(tmp_path / "in", {"a": b"a"})
    (tmp_path / "blob").write_bytes(b"blob")
    (root / "link").symlink_to(tmp_path / "blob")
    with pytest.raises(InvalidError, match="'link' is a symbolic link to") as caught:
        list_folder(root)
    assert "--follow-links" in caught.value.hint
    store = Store()
    pull(store, push(store, root, follow_links=True), tmp_path / "out")
    assert read(tmp_path / "out") == {"a": b"a", "link": b"blob"}
    assert not (tmp_path / "out" / "link").is_symlink()
    for target in (tmp_path, root, Path("nowhere"), Path("link2"), Path("/dev/null")):
        (root / "link2").symlink_to(target)
        with pytest.raises(InvalidError, match="link2"):
            list_folder(root, follow_links=True)
        (root / "link2").unlink()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "in", {"a": b"a"})
    os.mkfifo(root / "pipe")
    with pytest.raises(InvalidError, match="'pipe' is a pipe"):
        list_folder(root)
    (root / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        with pytest.raises(InvalidError, match="'socket' is a socket"):
            list_folder(root)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"a\\b", "a\u202eb".encode(), "\u200b".encode()], ids=ascii)
def test_names_that_a_manifest_cannot_hold_are_refused(tmp_path: Path, name: bytes) -> None:
    root = write(tmp_path / "in", {"a": b"a"})
    (root / os.fsdecode(name)).write_bytes(b"")
    with pytest.raises(InvalidError) as caught:
        list_folder(root)
    assert ascii(os.fsdecode(name)) in str(caught.value)


def test_only_a_repository_is_skipped_and_that_is_said(tmp_path: Path) -> None:
    root = write(
        tmp_path / "in", {".stemma/format.json": b"{}", ".git/HEAD": b"ref", "sub/.stemma/x": b"x", ".env": b""}
    )
    with list_folder(root) as folder:
        assert [file.path for file in folder.files] == [".env", ".git/HEAD", "sub/.stemma/x"]
        assert folder.skipped == (".stemma",)


# -- what changes meanwhile --------------------------------------------------------------------------------------------


def changes() -> Iterable[object]:
    def grow(path: Path) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    def shrink(path: Path) -> None:
        os.truncate(path, 3)

    def rewrite(path: Path) -> None:
        path.write_bytes(b"x" * path.stat().st_size)
        os.utime(path, (OLD, OLD))  # hides it from the modification time, not from the change time

    def replace(path: Path) -> None:
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        os.utime(other, (OLD, OLD))
        other.rename(path)

    def link(path: Path) -> None:
        secret = path.parent.parent / "secret"
        secret.write_bytes(b"s" * path.stat().st_size)
        path.unlink()
        path.symlink_to(secret)

    def pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    return [grow, shrink, rewrite, replace, link, pipe]


@pytest.mark.parametrize("change", changes())
@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_a_file_that_changes_after_it_was_listed_is_a_conflict(tmp_path: Path, change: object, size: int) -> None:
    assert callable(change)
    root = write(tmp_path / "in", {"a": RNG.bytes(size)})
    store = Store()
    with list_folder(root) as folder:
        change(root / "a")
        with store.artifacts.intake(store.begin(), store.read) as intake, pytest.raises(ConflictError) as caught:
            intake.add(folder.files)
    assert caught.value.hint


@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_that_changes_while_it_is_read_is_a_conflict(tmp_path: Path, *, fresh: bool) -> None:
    root = write(tmp_path / "in", {"a": b"a" * 100}, age=not fresh)

    def read_and_change(file: FolderFile) -> None:
        with file.open() as source:
            assert source.read(0, 100) == b"a" * 100
            state = (root / "a").stat()
            (root / "a").write_bytes(b"b" * 100)
            os.utime(root / "a", ns=(state.st_atime_ns, state.st_mtime_ns))

    with list_folder(root) as folder, pytest.raises(ConflictError, match="changed while it was read"):
        read_and_change(folder.files[0])


def test_a_directory_that_becomes_a_link_leads_nowhere(tmp_path: Path) -> None:
    # So many folders that the handle of the first is not kept open.
    root = write(tmp_path / "in", {"sub/a": b"inside"} | {f"z{number}/b": b"b" for number in range(50)})
    outside = write(tmp_path / "outside", {"a": b"secret"})
    store = Store()
    with list_folder(root) as folder:
        (root / "sub").rename(root / "moved")
        (root / "sub").symlink_to(outside)
        with store.artifacts.intake(store.begin(), store.read) as intake, pytest.raises(ConflictError):
            intake.add(folder.files)


# -- checkout ----------------------------------------------------------------------------------------------------------


class Pulled:
    def __init__(self, place: Path) -> None:
        self.store = Store(LocalPackStore(place / "store"))
        self.tree = {"a": b"a" * 100, "sub/b": model(), "sub/deep/c": b"", "run": b"#!"}
        root = write(place / "in", self.tree)
        (root / "run").chmod(0o755)
        self.manifest = push(self.store, root)
        self.out = place / "out"

    def pull(self, *, overwrite: bool = False) -> Checkout:
        return pull(self.store, self.manifest, self.out, overwrite=overwrite)


@pytest.fixture
def pulled(tmp_path: Path) -> Pulled:
    return Pulled(tmp_path)


def test_a_checkout_can_be_repeated_and_resumed(pulled: Pulled) -> None:
    pulled.pull()
    before = (pulled.out / "sub" / "b").stat()
    again = pulled.pull()
    assert again.written == ()
    assert (pulled.out / "sub" / "b").stat().st_mtime_ns == before.st_mtime_ns
    (pulled.out / "a").unlink()
    (pulled.out / "run").chmod(0o644)
    (pulled.out / WORK).mkdir()
    (pulled.out / WORK / "3").write_bytes(b"left by one that was killed")
    assert pulled.pull().written == ("a",)
    assert read(pulled.out) == pulled.tree
    assert (pulled.out / "run").stat().st_mode & stat.S_IXUSR
    assert not (pulled.out / WORK).exists()


@pytest.mark.parametrize("extra", ["other", "sub/other", "sub/deep/c/inside", "z/y"])
def test_a_folder_with_other_files_is_refused_untouched(pulled: Pulled, extra: str) -> None:
    file = pulled.out / extra
    file.parent.mkdir(parents=True)
    file.write_bytes(b"mine")
    with pytest.raises(ConflictError) as caught:
        pulled.pull()
    assert "not empty" in str(caught.value) or "is there with other content" in str(caught.value)
    assert read(pulled.out) == {extra: b"mine"}


def test_other_content_is_replaced_only_on_request(pulled: Pulled) -> None:
    write(pulled.out, {"a": b"mine", "extra": b"mine"})
    with pytest.raises(ConflictError):
        pulled.pull()
    done = pulled.pull(overwrite=True)
    assert done.extra == ("extra",)
    assert read(pulled.out) == {**pulled.tree, "extra": b"mine"}


def test_links_in_the_destination_are_never_written_through(pulled: Pulled, tmp_path: Path) -> None:
    victim = write(tmp_path / "victim", {"a": b"safe"})
    pulled.out.mkdir()
    (pulled.out / "a").symlink_to(victim / "a")
    with pytest.raises(ConflictError):
        pulled.pull()
    pulled.pull(overwrite=True)  # replaces the link itself
    assert not (pulled.out / "a").is_symlink()
    (pulled.out / "sub" / "b").unlink()
    (pulled.out / "sub" / "deep" / "c").unlink()
    (pulled.out / "sub" / "deep").rmdir()
    (pulled.out / "sub").rmdir()
    (pulled.out / "sub").symlink_to(victim)
    for overwrite in (False, True):
        with pytest.raises(ConflictError):
            pulled.pull(overwrite=overwrite)
    (pulled.out / "sub").unlink()
    (pulled.out / WORK).symlink_to(victim)
    with pytest.raises(ConflictError):
        pulled.pull()
    assert read(victim) == {"a": b"safe"}


def test_a_manifest_that_wants_the_work_folder_is_refused(pulled: Pulled) -> None:
    bad = Manifest.of([ManifestFile(f"{WORK}/lock", 0, Digest.of(b""))])
    with pytest.raises(InvalidError):
        check_out(bad, {}, pulled.store.artifacts.reader, pulled.out)


def test_damage_is_noticed_before_anything_wrong_is_seen(pulled: Pulled, tmp_path: Path) -> None:
    (pack,) = pulled.store.tx.artifacts.packs()
    file = tmp_path / "store" / "packs" / pack.id[:2] / f"{pack.id}.pack"
    block = max(pulled.store.tx.artifacts.footer(pack.id).blocks, key=lambda block: block.raw)
    data = bytearray(file.read_bytes())
    data[block.data_offset + 100] ^= 4
    file.write_bytes(data)
    with pytest.raises(CorruptError) as caught:
        pulled.pull()
    assert caught.value.place == f"pack {pack.id}, offset {block.offset}"
    left = read(pulled.out)
    assert "sub/b" not in left
    assert all(pulled.tree[path] == content for path, content in left.items())
    data[block.data_offset + 100] ^= 4
    file.write_bytes(data)
    pulled.pull()
    assert read(pulled.out) == pulled.tree


def test_two_checkouts_at_once_are_refused(pulled: Pulled) -> None:
    def again(_: int) -> None:
        with pytest.raises(ConflictError, match="another checkout"):
            pulled.pull()

    located = pulled.store.artifacts.locate(pulled.store.tx, pulled.manifest.digests())
    check_out(pulled.manifest, located, pulled.store.artifacts.reader, pulled.out, progress=again)
    assert read(pulled.out) == pulled.tree


def test_progress_adds_up(pulled: Pulled) -> None:
    told: list[int] = []
    located = pulled.store.artifacts.locate(pulled.store.tx, pulled.manifest.digests())
    check_out(pulled.manifest, located, pulled.store.artifacts.reader, pulled.out, progress=told.append)
    assert sum(told) == pulled.manifest.size


parts = st.sampled_from(["a", "b", "c", "ü"])
trees = st.dictionaries(st.lists(parts, min_size=1, max_size=3).map("/".join), st.binary(max_size=50), max_size=6)


@given(trees, trees)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_folder_onto_any_other(
    tmp_path_factory: pytest.TempPathFactory, first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    """Overwriting ends with exactly the wanted files, or with a refusal, and never loses what it was not told to."""
    place = tmp_path_factory.mktemp("onto")
    for tree in (first, second):
        for path in list(tree):
            if any(other.startswith(f"{path}/") for other in tree):
                del tree[path]
    store = Store()
    one = push(store, write(place / "one", first))
    two = push(store, write(place / "two", second))
    pull(store, one, place / "out")
    try:
        done = pull(store, two, place / "out", overwrite=True)
    except ConflictError:
        now = read(place / "out")
        assert all(now[path] == data for path, data in first.items() if path not in second)
        return
    assert read(place / "out") == {**first, **second}
    assert {path for path in done.extra if (place / "out" / path).is_file()} == first.keys() - second.keys()


@pytest.mark.slow
def test_a_gibibyte_file(tmp_path: Path) -> None:
    """Half holes, half random: stored in bounded time and memory, and back."""
    root = tmp_path / "in"
    root.mkdir()
    brick = RNG.bytes(64 << 20)
    with (root / "large").open("wb") as file:
        file.truncate(512 << 20)
        file.seek(512 << 20)
        for number in range(8):
            file.write(brick[number:] + brick[:number])
    os.utime(root / "large", (OLD, OLD))
    assert (root / "large").stat().st_size == 1 << 30
    store = Store(LocalPackStore(tmp_path / "store"))
    started = time.monotonic()
    manifest = push(store, root)
    pull(store, manifest, tmp_path / "out")
    assert time.monotonic() - started < 120
    assert push(store, tmp_path / "out").digest == manifest.digest
