"""The command line and a server: the real `stemma serve`, as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stemma.cli.answers import Pulled, Status
from stemma.client.answers import Audited, Verified
from tests.cli.running import on_a_server, process, stemma


@contextmanager
def served(root: Path, *options: str) -> Iterator[str]:
    """Run `stemma serve` on a free port and give its URL; it must end well when it is told to."""
    program = [sys.executable, "-m", "stemma", "serve", "--port", "0", "--repo", str(root), *options]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        try:
            assert url.startswith("http://"), url
            yield url
        finally:
            running.send_signal(signal.SIGTERM)
            _, log = running.communicate(timeout=30)
            assert running.returncode == 0, log
            assert "Traceback" not in log


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository, and a folder `m` to push, in a home of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STEMMA_SERVER_PATIENCE", "1")
    monkeypatch.chdir(tmp_path)
    assert stemma("init", tmp_path / "work").code == 0
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").write_bytes(os.urandom(50_000))
    return tmp_path / "work"


def test_a_server_is_named_in_three_ways(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served(root) as url:
        assert stemma("push", "bank/loans", "m", "-m", "One", "--repo", url).out == "bank/loans@1.0.0\n"
        assert process("show", "bank/loans", "--repo", url, cwd=tmp_path).code == 0
        assert stemma("show", "bank/loans").code == 3, "nothing says where it is"
        monkeypatch.setenv("STEMMA_REPO", url)
        assert stemma("show", "bank/loans").code == 0
        monkeypatch.delenv("STEMMA_REPO")
        assert stemma("config", "set", "repo", url, "--user").code == 0
        assert stemma("show", "bank/loans").code == 0
        assert stemma("status", "--json").read(Status).place == url
        assert url in stemma("status").out
    assert stemma("audit", "verify", "--repo", root, "--json").read(Audited).logs[0].unsigned == 0, (
        "it signed at its end"
    )


def test_a_token_says_who_one_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_REPO", str(root))
    assert stemma("user", "add", "ada", "--role", "admin", "--everywhere").code == 0
    token = stemma("token", "create", "--for", "ada", "-q").out.strip()
    assert token.startswith("stm_")
    with served(root) as url:
        monkeypatch.setenv("STEMMA_REPO", url)
        refused = stemma("push", "bank/loans", "m", "-m", "One")
        assert (refused.code, refused.out) == (4, "")
        assert "login" in refused.err
        monkeypatch.setenv("STEMMA_TOKEN", f"{token[:-1]}x")
        assert stemma("ls").code == 4
        monkeypatch.setenv("STEMMA_TOKEN", token)
        assert stemma("push", "bank/loans", "m", "-m", "One").code == 0
        assert "ada" in stemma("log", "bank/loans", "--json").out
        monkeypatch.delenv("STEMMA_TOKEN")
        assert stemma("ls").code == 4
        assert stemma("login", url, given=token).code == 0
        assert stemma("ls").code == 0


def test_a_token_does_not_travel_where_others_can_read_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_TOKEN", "stm_0_secret")
    ran = stemma("ls", "--repo", "http://models.example")
    assert ran.code == 4
    assert "https" in ran.err
    assert "secret" not in ran.err
    ran = stemma("init", "http://models.example/x")
    assert ran.code == 1
    del root


@on_a_server
def test_what_is_for_folders_says_so(model: Path) -> None:
    for line in (
        ["verify"], ["verify", "--all"], ["db", "check"], ["db", "migrate"], ["db", "rebuild"], ["backup", "out"],
    ):  # fmt: skip
        ran = stemma(*line)
        assert (ran.code, ran.out) == (1, ""), line
        assert "this is a server" in ran.err
        assert "hint: " in ran.err
    del model


@on_a_server
def test_versions_are_verified_by_what_the_server_sends(model: Path, folder: Path) -> None:
    found = stemma("verify", "bank/loans@1.0.0", "bank/loans@latest", "--json").read(Verified)
    assert (found.sound, found.deep, found.files, found.packs) == (True, True, 4, None)
    assert stemma("verify", "bank/loans", "--all").code == 2
    pack = max(folder.rglob("*.pack"), key=lambda file: file.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    ran = stemma("verify", "bank/loans@1.0.0")
    assert ran.code == 7
    assert "bank/loans@1.0.0:weights.bin" in ran.out
    del model


def test_what_was_pulled_once_is_pulled_again_without_the_server(root: Path, tmp_path: Path) -> None:
    with served(root) as url:
        assert stemma("push", "bank/loans", "m", "-m", "One", "--repo", url).code == 0
        assert stemma("alias", "set", "bank/loans", "production", "1.0.0", "--repo", url).code == 0
        assert stemma("pull", "bank/loans@production", "first", "--repo", url).code == 0
    weights = (tmp_path / "m" / "weights.bin").read_bytes()
    exact = stemma("pull", "bank/loans@1.0.0", "second", "--repo", url)
    assert (exact.code, exact.out) == (0, "bank/loans@1.0.0\n")
    assert "warning" not in exact.err
    moving = stemma("pull", "bank/loans@production", "third", "--repo", url)
    assert moving.code == 0
    assert "warning: " in moving.err
    assert " UTC" in moving.err
    for name in ("first", "second", "third"):
        assert (tmp_path / name / "weights.bin").read_bytes() == weights
    told = stemma("pull", "bank/loans@production", "fourth", "--repo", url, "--json")
    assert told.read(Pulled).version.number == "1.0.0"
    assert told.err.startswith("warning: "), "a program must not take it for fresh"
    for line in (["ls"], ["push", "bank/loans", "m", "-m", "Two"], ["withdraw", "bank/loans@1.0.0", "-m", "x"]):
        ran = stemma(*line, "--repo", url)
        assert (ran.code, ran.out) == (8, ""), line
        assert url in ran.err


def test_a_cache_that_was_tampered_with_is_not_believed(root: Path, tmp_path: Path) -> None:
    with served(root) as url:
        assert stemma("push", "bank/loans", "m", "-m", "One", "--repo", url).code == 0
        assert stemma("pull", "bank/loans@1.0.0", "first", "--repo", url).code == 0
        kept = next((tmp_path / "cache").rglob("weights.bin"))
        kept.chmod(0o644)
        kept.write_bytes(b"forged")
        assert stemma("pull", "bank/loans@1.0.0", "second", "--repo", url).code == 0
        assert (tmp_path / "second" / "weights.bin").read_bytes() == (tmp_path / "m" / "weights.bin").read_bytes()
        kept.chmod(0o644)
        kept.write_bytes(b"forged")
    ran = stemma("pull", "bank/loans@1.0.0", "third", "--repo", url)
    assert ran.code == 8
    assert not (tmp_path / "third" / "weights.bin").exists()
