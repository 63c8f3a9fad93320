"""Pack stores: each keeps the contract, and a local disk keeps its promises when the process is killed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stemma.artifacts.ports import BlobStore
from stemma.backends.blobs.disk import Disk
from stemma.backends.blobs.local import LocalPackStore
from stemma.backends.blobs.memory import MemoryPackStore
from stemma.conformance.blobs import ONE, UPLOAD, PackStoreSuite
from stemma.conformance.faults import Faults, FaultyPackStore
from stemma.errors import UnavailableError
from tests.artifacts.support import Bytes, Store


class TestLocal(PackStoreSuite):
    def open(self, place: Path) -> BlobStore:
        return LocalPackStore(place)


class TestMemory(PackStoreSuite):
    stores: dict[Path, MemoryPackStore]

    def open(self, place: Path) -> BlobStore:
        self.stores = getattr(self, "stores", {})
        return self.stores.setdefault(place, MemoryPackStore())


class TestFaultyWithoutFaults(PackStoreSuite):
    def open(self, place: Path) -> BlobStore:
        return FaultyPackStore(LocalPackStore(place), Faults())


def test_boundaries_come_in_the_order_that_keeps_data(tmp_path: Path) -> None:
    steps: list[str] = []
    store = LocalPackStore(tmp_path, Disk(steps.append))
    draft = store.create(UPLOAD)
    draft.append(b"data")
    steps.clear()
    draft.seal()
    store.publish([(draft, ONE)])
    draft.close()
    assert steps == [
        "fsync 000000.pack",
        f"fsync directory {tmp_path.name}",  # packs/ was made
        "fsync directory packs",  # packs/11/ was made
        f"rename {ONE}.pack",
        "fsync directory 11",
    ]


def test_a_full_disk_is_unavailable_and_says_so(tmp_path: Path) -> None:
    def full(step: str) -> None:
        if step.startswith("rename"):
            raise OSError(errno.ENOSPC, "full")

    tiny = Path("/dev/full")
    descriptor = os.open(tiny, os.O_WRONLY)
    try:
        with pytest.raises(UnavailableError, match="No space left") as caught:
            Disk().append(descriptor, b"x" * 100_000, tiny)
    finally:
        os.close(descriptor)
    assert "Free some space" in caught.value.hint
    assert caught.value.place == "/dev/full"
    store = LocalPackStore(tmp_path, Disk(full))
    with pytest.raises(OSError, match="full"):
        Store(store).add([Bytes("a", b"abc")])
    assert list(store.packs()) == []
    assert list(store.uploads()) == []


def test_strangers_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "packs" / "ab").mkdir(parents=True)
    (tmp_path / "packs" / "ab" / "notes.pack").write_text("mine")
    (tmp_path / "packs" / "ab" / f"{ONE}.pack").write_text("in the wrong folder")
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "notes").mkdir()
    store = LocalPackStore(tmp_path)
    assert list(store.packs()) == []
    assert list(store.uploads()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "packs" / "11").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "packs" / "11" / f"{ONE}.pack").symlink_to(secret)
    with pytest.raises(UnavailableError):
        LocalPackStore(tmp_path / ".").read(ONE, 0, 6)


KILLED = """
import os, signal, sys
from pathlib import Path
from stemma.backends.blobs.disk import Disk
from stemma.backends.blobs.local import LocalPackStore
from tests.artifacts.support import Bytes, Store
root, last = Path(sys.argv[1]), int(sys.argv[2])
count = 0
def boundary(step):
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
Store(LocalPackStore(root, Disk(boundary))).add(
    [Bytes(str(number), str(number).encode() * 50_000) for number in range(20)]
)
print(count)
"""


def run_killed(root: Path, last: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED, str(root), str(last)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_kill_at_every_boundary_leaves_whole_packs_or_none(tmp_path: Path) -> None:
    whole = run_killed(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    count = int(whole.stdout)
    assert count >= 6
    tree = [Bytes(str(number), str(number).encode() * 50_000) for number in range(20)]
    for last in range(1, count + 1):
        root = tmp_path / str(last)
        assert run_killed(root, last).returncode == -signal.SIGKILL
        store = Store(LocalPackStore(root))
        assert store.artifacts.adopt(store.tx) == ()
        assert store.artifacts.verify(store.tx, deep=True).sound
        # Whoever comes next can push the same, and what the dead one left is swept.
        store.add(tree)
        for file in tree:
            content = store.tx.artifacts.recipes([store.add([file]).files[0].digest], None)
            assert len(content) == 1
        store.artifacts.sweep(store.tx)
        assert list(store.packs.uploads()) == []
        assert store.artifacts.verify(store.tx, deep=True).sound
