"""Killed at any moment: nothing acknowledged is lost, nothing half-done is seen, and what is there is whole."""

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stemma.client import Repository

MAX_BOUNDARIES = 200
MOMENTS = 50


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Make a repository with one version, beside the folder that it was pushed from."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights.bin").write_bytes(random.Random(1).randbytes(300_000))
    (source / "number.txt").write_text("first")
    with Repository.init(tmp_path / "base") as repository:
        repository.push("bank/loans", source, message="first")
        repository.aliases.set("bank/loans", "production", "latest")
    return tmp_path / "base"


def start(root: Path, source: Path, pushes: int, boundary: int = 0) -> "subprocess.Popen[str]":
    """Start the program that pushes."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.pushing", str(root), str(source), str(pushes), str(boundary)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(root: Path, output: str, scratch: Path) -> None:
    """Assert that the repository is whole and holds every version that `output` acknowledges."""
    acknowledged = [line.removeprefix("end ") for line in output.splitlines() if line.startswith("end ")]
    with Repository.open(root) as repository:
        assert repository.database.check() == ()
        assert repository.database.rebuild().differences == ()
        assert repository.verify(deep=True).sound
        repository.audit.verify()
        versions = {version.digest: version for version in repository.versions("bank/loans")}
        assert set(acknowledged) <= versions.keys()
        assert len(versions) <= len(acknowledged) + 2, "a version that nobody pushed"
        for version in list(versions.values())[:2]:
            shutil.rmtree(scratch, ignore_errors=True)
            repository.pull(f"bank/loans@{version.digest}", scratch)
            for file in repository.files(f"bank/loans@{version.digest}"):
                assert file.digest == "sha256:" + hashlib.sha256((scratch / file.path).read_bytes()).hexdigest()
        if acknowledged:
            held = repository.resolve("bank/loans@production").digest
            newest = max(versions.values(), key=lambda version: version.sequence).digest
            assert held in {acknowledged[-1], newest}


@pytest.mark.slow
def test_a_push_killed_at_each_boundary(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    for boundary in range(1, MAX_BOUNDARIES):
        # Each copy of the repository goes its own way: pins of another's log would rightly refuse it.
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / f"home-{boundary}"))
        root, source = tmp_path / "work", tmp_path / "work-source"
        shutil.copytree(base, root)
        shutil.copytree(base.parent / "source", source)
        program = start(root, source, 1, boundary)
        output, errors = program.communicate(timeout=60)
        if program.returncode == 0:
            break
        assert program.returncode == -signal.SIGKILL, errors
        events.append(output.splitlines()[-1])
        check(root, output, tmp_path / "out")
        with Repository.open(root) as repository:
            again = repository.push("bank/loans", source, message="again")
            assert repository.resolve("bank/loans@latest").digest == again.version.digest
        shutil.rmtree(root)
        shutil.rmtree(source)
    assert len(events) > 15, events
    for kind in ("fsync", "rename", "commit"):
        assert any(kind in event for event in events), events


@pytest.mark.slow
def test_pushes_killed_at_random_moments(base: Path, tmp_path: Path) -> None:
    generator = random.Random(20261124)
    source = base.parent / "source"
    inside = 0
    output = ""
    for _ in range(MOMENTS):
        program = start(base, source, 10_000)
        assert program.stdout is not None
        assert program.stderr is not None
        first = program.stdout.readline()
        time.sleep(generator.uniform(0.0, 0.25))
        program.kill()
        rest = program.stdout.read()
        errors = program.stderr.read()
        program.wait()
        program.stdout.close()
        program.stderr.close()
        assert first == "begin\n", errors
        lines = (first + rest).splitlines()
        inside += lines[-1] == "begin"
        output += first + rest
    check_all(base, output, tmp_path / "out")
    assert inside >= MOMENTS * 0.8


def check_all(root: Path, output: str, scratch: Path) -> None:
    """Assert like `check`, where every killed program may have left a version that it could not acknowledge."""
    acknowledged = [line.removeprefix("end ") for line in output.splitlines() if line.startswith("end ")]
    with Repository.open(root) as repository:
        assert repository.database.check() == ()
        assert repository.database.rebuild().differences == ()
        assert repository.verify(deep=True).sound
        repository.audit.verify()
        versions = {version.digest for version in repository.versions("bank/loans")}
        assert set(acknowledged) <= versions
        assert len(versions) <= len(acknowledged) + 1 + MOMENTS
        repository.pull("bank/loans@latest", scratch)
