"""Killed at any moment, a backup is the old one whole or the new one whole."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stemma.app import open_folder, restore_folder, verify_backup
from stemma.backends.backup.listing import read_listing
from stemma.client import Repository
from stemma.errors import NotFoundError
from tests.backup.stories import check, log_of, make, tell

MAX_BOUNDARIES = 400
MOMENTS = 25


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository, a backup of it, and one more version."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    root = tmp_path / "work"
    tell(root, tmp_path / "files", pushes=1, size=20_000)
    folder = open_folder(root)
    make(folder, tmp_path / "backup")
    folder.close()
    (tmp_path / "files" / "weights.bin").write_bytes(random.Random(3).randbytes(30_000))
    with Repository.open(root) as repository:
        repository.push("bank/loans", tmp_path / "files", message="After the backup")
    return root


def start(root: Path, target: Path, backups: int, boundary: int = 0) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.backup.killed", str(root), str(target), str(backups), str(boundary)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_killed_at_each_boundary(root: Path, tmp_path: Path) -> None:
    old = read_listing(tmp_path / "backup")
    events: list[str] = []
    seen: set[str] = set()
    step = 2  # one before each rename and removal is met, one way or the other
    for boundary in range(1, MAX_BOUNDARIES, step):
        target = tmp_path / "target"
        shutil.copytree(tmp_path / "backup", target)
        program = start(root, target, 1, boundary)
        output, errors = program.communicate(timeout=60)
        if program.returncode == 0:
            break
        assert program.returncode == -signal.SIGKILL, errors
        events.append(output.splitlines()[-1])
        found = verify_backup(target)
        seen.add("old" if found == old else "new")
        if found != old:
            assert found.packs.keys() > old.packs.keys()
        shutil.rmtree(target)
    assert len(events) > 10, events
    assert seen == {"old", "new"}, events


@pytest.mark.slow
def test_killed_at_random_moments_and_then_completed(root: Path, tmp_path: Path) -> None:
    generator = random.Random(20261124)
    target = tmp_path / "target"
    for _ in range(MOMENTS):
        program = start(root, target, 1000)
        assert program.stdout is not None
        assert program.stderr is not None
        first = program.stdout.readline()
        time.sleep(generator.uniform(0.0, 0.3))
        program.kill()
        rest = program.stdout.read()
        errors = program.stderr.read()
        program.wait()
        program.stdout.close()
        program.stderr.close()
        assert first == "begin\n", errors
        ended = [line.removeprefix("end ") for line in rest.splitlines() if line.startswith("end ")]
        try:
            found = verify_backup(target)
        except NotFoundError:
            assert ended == []
            continue
        if ended:
            assert found.state >= ended[-1][:16]
    folder = open_folder(root)
    made = make(folder, target)
    folder.close()
    assert [path.name for path in (target / "states").iterdir()] == [made.listing.state]
    assert not list(target.rglob("*.tmp"))
    restore_folder(target, tmp_path / "again")
    check(tmp_path / "again")
    assert log_of(tmp_path / "again") == log_of(root)


RESTORING = """
import sys
from pathlib import Path
from stemma.app import restore_folder
print("begin", flush=True)
restore_folder(Path(sys.argv[1]), Path(sys.argv[2]))
print("end", flush=True)
"""


@pytest.mark.slow
def test_a_restore_that_is_killed_shows_nothing(root: Path, tmp_path: Path) -> None:
    generator = random.Random(4)
    backup = tmp_path / "backup"
    began = time.monotonic()
    restore_folder(backup, tmp_path / "whole")
    takes = time.monotonic() - began
    killed = 0
    for turn in range(12):
        where = tmp_path / f"again-{turn}"
        with subprocess.Popen(
            [sys.executable, "-c", RESTORING, str(backup), str(where)], stdout=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "begin\n"
            time.sleep(generator.uniform(0.0, 1.2 * takes))
            program.kill()
            ended = "end" in program.stdout.read()
        killed += not ended
        if (where / ".stemma").exists():
            shutil.rmtree(tmp_path / "home", ignore_errors=True)
            check(where)
        else:
            assert not ended
            restore_folder(backup, where)
    assert killed > 2
    assert root.is_dir()
