"""Pushes and pulls over HTTP, killed at any moment, on either side: they go on, and nothing half-done is seen."""

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stemma.client import Repository
from stemma.client.remote import patience
from stemma.client.remote.bytes.sending import AT_ONCE, PORTION
from tests.serving import free_port, serving

MOMENTS = 50
SIZE = 96 << 20
MARGIN = 2 << 20  # headers of blocks, footers, what small files add
UNDER_WAY = AT_ONCE * PORTION  # what may still arrive of a killed client, while the next one sends it too


def content(seed: int, size: int) -> bytes:
    return hashlib.shake_256(f"{seed}".encode()).digest(size)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Repository.init(tmp_path / "root").close()
    return tmp_path / "root"


def start(act: str, url: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.carrying", act, url, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(program: "subprocess.Popen[str]", seconds: float = 120) -> tuple[int, int]:
    """Wait until it has ended well; return how many bytes went over the wire, and the most memory it had in bytes."""
    output, errors = program.communicate(timeout=seconds)
    assert program.returncode == 0, errors
    _, sent, peak = output.splitlines()[-1].split()
    return int(sent), int(peak) << 10


def kill(program: "subprocess.Popen[str]", seconds: float) -> bool:
    """Kill it so many seconds after it began; return whether it was killed before it was done."""
    assert program.stdout is not None
    assert program.stdout.readline() == "begin\n"
    time.sleep(seconds)
    program.kill()
    output, _ = program.communicate(timeout=60)
    return "end" not in output


def arrived(root: Path) -> int:
    """Return the bytes of all packs, published or private, each once."""
    states = [path.stat() for path in (root / ".stemma").rglob("*.pa[cr][kt]")]
    return sum({state.st_ino: state.st_size for state in states}.values())


def check(root: Path) -> None:
    with Repository.open(root) as repository:
        assert repository.database.check() == ()
        assert repository.database.rebuild().differences == ()
        assert repository.verify(deep=True).sound
        repository.audit.verify()


@pytest.mark.slow
def test_a_push_whose_client_is_killed_goes_on(root: Path, tmp_path: Path) -> None:
    generator = random.Random(20261124)
    source = tmp_path / "source"
    source.mkdir()
    killed = went_on = 0
    with serving(root) as url:
        seed = 0
        while killed < MOMENTS:
            (source / "weights.bin").write_bytes(content(seed, SIZE))
            seed += 1
            base = before = arrived(root)
            for _ in range(3):
                if not kill(start("push", url, source), generator.uniform(0.0, 0.7)):
                    break
                killed += 1
                time.sleep(0.1)  # what was under way arrives, or is lost with its connection
                assert arrived(root) >= before, "what had arrived is gone"
                before = arrived(root)
            else:
                sent, _ = finish(start("push", url, source))
                assert sent <= max(SIZE - (before - base), 0) + UNDER_WAY + MARGIN, "what had arrived was sent again"
                went_on += before - base > UNDER_WAY
        sent, _ = finish(start("push", url, source))
        with Repository.open(url) as repository:
            repository.pull("bank/loans@latest", tmp_path / "out")
            versions = repository.history("bank/loans")
        assert (tmp_path / "out" / "weights.bin").read_bytes() == content(seed - 1, SIZE)
        assert len({version.manifest for version in versions}) <= seed
    assert went_on
    check(root)


@pytest.mark.slow
def test_a_pull_that_is_killed_goes_on(root: Path, tmp_path: Path) -> None:
    generator = random.Random(20261125)
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights.bin").write_bytes(content(0, 2 * SIZE))
    with Repository.open(root) as repository:
        repository.push("bank/loans", source, message="x")
    checkouts = tmp_path / "cache" / "stemma"
    went_on = 0
    with serving(root) as url:
        for number in range(4):
            place = tmp_path / f"out-{number}"
            there = 0
            for _ in range(8):
                if not kill(start("pull", url, place), generator.uniform(0.0, 0.4)):
                    break
                assert not (place / "weights.bin").exists() or (place / "weights.bin").stat().st_size == 2 * SIZE
                parts = [path for path in checkouts.rglob(".stemma-checkout/*.1") if path.is_file()]
                there = max(there, *(path.stat().st_size for path in parts), 0) if parts else there
            got, _ = finish(start("pull", url, place))
            assert got <= 2 * SIZE - there + MARGIN, "what was there was fetched again"
            went_on += there > 0
            assert (place / "weights.bin").read_bytes() == content(0, 2 * SIZE)
            shutil.rmtree(place)
            shutil.rmtree(checkouts)
    assert went_on


@contextmanager
def server(root: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Start a server as a process of its own, and kill it at the end."""
    command = [sys.executable, "-m", "stemma", "serve", "--repo", str(root), "--port", str(port)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert program.stdout is not None
        assert program.stdout.readline()
        yield program
    finally:
        program.send_signal(signal.SIGKILL)
        program.communicate(timeout=30)


@pytest.mark.slow
def test_pushes_through_a_server_that_is_killed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_SERVER_PATIENCE", "600")  # the server is more often away than there
    monkeypatch.setattr(patience, "LONGEST", 0.5)  # else the client sleeps through most of what this is about
    generator = random.Random(20261126)
    port, stopped = free_port(), threading.Event()
    pushed: dict[str, bytes] = {}
    failures: list[BaseException] = []

    def push() -> None:
        try:
            with Repository.open(f"http://127.0.0.1:{port}") as repository:
                for number in range(10_000):
                    if stopped.is_set():
                        return
                    source = tmp_path / "source"
                    source.mkdir(exist_ok=True)
                    data = content(number, 12 << 20)
                    (source / "weights.bin").write_bytes(data)
                    done = repository.push("bank/loans", source, message=f"push {number}")
                    pushed[done.version.digest] = data
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    client = threading.Thread(target=push)
    with server(root, port):
        client.start()
        time.sleep(1.0)
    for moment in range(MOMENTS):
        with server(root, port):
            time.sleep(generator.uniform(0.0, 0.8))
            if moment == MOMENTS - 1:
                stopped.set()
                client.join(120)
    assert failures == []
    assert not client.is_alive()
    check(root)
    assert len(pushed) > 2
    with Repository.open(root) as repository:
        versions = {version.digest for version in repository.history("bank/loans")}
        assert versions == set(pushed), "a version that nobody was told of, or one too few"
        for number, (digest, data) in enumerate(list(pushed.items())[::5]):
            repository.pull(f"bank/loans@{digest}", tmp_path / f"out-{number}")
            assert (tmp_path / f"out-{number}" / "weights.bin").read_bytes() == data


@pytest.mark.slow
def test_a_gigabyte_takes_little_memory(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "weights.bin").open("wb") as file:
        for number in range(64):
            file.write(content(number, 16 << 20))
    port = free_port()
    with server(root, port) as served:
        url = f"http://127.0.0.1:{port}"
        _, sending = finish(start("push", url, source), 300)
        _, fetching = finish(start("pull", url, tmp_path / "out"), 300)
        peak = next(line for line in Path(f"/proc/{served.pid}/status").read_text().splitlines() if "VmHWM" in line)
    serving_peak = int(peak.split()[1]) << 10
    assert sending < 300 << 20
    assert fetching < 300 << 20
    assert serving_peak < 300 << 20
    with (source / "weights.bin").open("rb") as one, (tmp_path / "out" / "weights.bin").open("rb") as other:
        assert hashlib.file_digest(one, "sha256").digest() == hashlib.file_digest(other, "sha256").digest()
    print(f"most memory: sending {sending >> 20}, fetching {fetching >> 20}, serving {serving_peak >> 20} MiB")  # noqa: T201
