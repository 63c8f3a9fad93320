"""Work through a network that fails: whatever it loses, a change happens once, and nothing ends in a traceback."""

import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stemma.client import Repository
from stemma.errors import ConflictError, NotFoundError, UnavailableError
from tests.faults import SOON, Fault, Weather, answer, scripted, weather
from tests.serving import serving

FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty repository, and a folder to push."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("STEMMA_SERVER_TIMEOUT", "5")
    Repository.init(tmp_path / "work").close()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").write_bytes(random.Random(5).randbytes(300_000))
    (tmp_path / "m" / "card.md").write_text("# Loans\n")
    return tmp_path / "work"


@contextmanager
def under(root: Path, faults: Iterable[Fault]) -> Iterator[tuple[Repository, Weather]]:
    with serving(root) as url, weather(url, faults) as (there, sky), Repository.open(there) as repository:
        yield repository, sky


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_a_push_registers_one_version_whatever_one_request_meets(root: Path, tmp_path: Path, fault: Fault) -> None:
    with under(root, ()) as (repository, sky):
        repository.push("bank/loans", tmp_path / "m", message="as a rule")
        requests = len(sky.seen)
    for position in range(requests):
        (tmp_path / "m" / "card.md").write_text(f"{fault.name} {position}\n")
        with under(root, [Fault.NONE] * position + [fault]) as (repository, sky):
            before = len(repository.history("bank/loans"))
            sky.faults = iter([Fault.NONE] * position + [fault])
            done = repository.push("bank/loans", tmp_path / "m", message=f"through {fault.name} at {position}")
            history = repository.history("bank/loans")
            assert len(history) == before + 1, f"request {position}: {sky.seen}"
            assert history[0].reference == done.version.reference
    with Repository.open(root) as folder:
        numbers = [version.sequence for version in folder.history("bank/loans")]
        assert numbers == list(range(len(numbers), 0, -1))
        assert folder.verify(deep=True).sound
        assert folder.database.check() == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_storm_of_faults_loses_and_doubles_nothing(root: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    faults = (chance.choice(FAULTS) if chance.random() < 0.35 else Fault.NONE for _ in range(2000))
    with under(root, faults) as (repository, sky):
        for number in range(3):
            (tmp_path / "m" / "card.md").write_text(f"{seed} {number}\n")
            repository.push("bank/loans", tmp_path / "m", message=f"push {number}")
            repository.aliases.set("bank/loans", "production", f"1.{number}.0")
            out = tmp_path / f"out{number}"
            repository.pull("bank/loans@production", out)
            assert read(out) == read(tmp_path / "m")
        assert sum(fault is not Fault.NONE for fault, _ in sky.seen) > 5
    with Repository.open(root) as folder:
        assert [version.message.what for version in folder.history("bank/loans")] == ["push 2", "push 1", "push 0"]
        assert [move.after for move in folder.aliases.history("bank/loans", "production")] == [
            "bank/loans@1.2.0",
            "bank/loans@1.1.0",
            "bank/loans@1.0.0",
        ]
        actions = [entry.action for entry in folder.audit.log("bank")]
        assert actions.count("version.register") == 3


def test_a_comparison_is_judged_once(root: Path, tmp_path: Path) -> None:
    with under(root, ()) as (repository, sky):
        repository.push("bank/loans", tmp_path / "m", message="one")
        sky.faults = iter([Fault.LOST_ANSWER] * 3)
        moved = repository.aliases.set("bank/loans", "production", "1.0.0", expected="none")
        assert moved.changed, "the move that was answered is the one that was made"
        with pytest.raises(ConflictError):
            repository.aliases.set("bank/loans", "production", "1.0.0", expected="none")
        sky.faults = iter([Fault.LOST_ANSWER] * 2)
        with pytest.raises(NotFoundError):
            repository.aliases.set("bank/loans", "production", "9.9.9")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_a_network_that_never_works_is_given_up_in_time(
    root: Path, tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault in {Fault.DELAYED, Fault.REPEATED_REQUEST, Fault.REPEATED_ANSWER}:
        pytest.skip("it works, in the end")
    monkeypatch.setenv("STEMMA_SERVER_PATIENCE", "1")
    with under(root, [fault] * 10_000) as (repository, _):
        begun = time.monotonic()
        with pytest.raises(UnavailableError) as given_up:
            repository.push("bank/loans", tmp_path / "m", message="never")
        assert time.monotonic() - begun < SOON
        assert given_up.value.place == repository.place
        assert given_up.value.hint


def test_a_server_that_fails_all_the_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_SERVER_PATIENCE", "1")
    for status in (500, 502, 503, 504, 429):
        with (
            scripted(answer(status, b"<html>sorry</html>", "text/html")) as (url, script),
            Repository.open(url) as there,
        ):
            begun = time.monotonic()
            with pytest.raises(UnavailableError, match=str(status)):
                there.show("bank/loans@1.0.0")
            assert time.monotonic() - begun < SOON
            assert len(script.requests) < 40


def test_the_command_line_tells_it_in_two_lines(root: Path, tmp_path: Path) -> None:
    def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stemma", *arguments, "--repo", url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "", "HOME": str(tmp_path), "STEMMA_SERVER_PATIENCE": "1", "PYTHONPATH": ":".join(sys.path)},
        )

    with scripted(answer(200, b"<html>Sign in</html>", "text/html")) as (url, _):
        ran = run(url, "show", "bank/loans")
        assert (ran.returncode, ran.stdout) == (8, "")
        assert ran.stderr.startswith(f"error: {url}: what answers there is no Stemma server")
    ran = run(url, "push", "bank/loans", "m", "-m", "x")
    assert (ran.returncode, ran.stdout) == (8, "")
    assert ran.stderr.startswith(f"error: {url}: it cannot be reached: connection refused")
    ran = run("https://nobody:secret@models.example", "ls")
    assert ran.returncode == 2
    assert "secret" not in ran.stderr
    for ran in (run("https://", "ls"), run("ftp://x", "ls")):
        assert ran.returncode == 2
        assert "Traceback" not in ran.stderr
    del root
