"""Repositories made by the command itself: in a folder, and behind a real server over a real socket."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import stemma
from tests.serving import serving


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest) -> str:
    """Say where the repository is; tests about one of both choose it with `in_a_folder` or `on_a_server`."""
    return str(request.param)


@pytest.fixture
def folder(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an empty repository in the current folder; served, where the place is a server, and used by its URL."""
    here = tmp_path / "work"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert stemma("init", here).code == 0
    monkeypatch.chdir(here)
    if place == "folder":
        yield here
        return
    with serving(here) as url:
        monkeypatch.setenv("STEMMA_REPO", url)
        yield here


@pytest.fixture
def model(folder: Path) -> Path:
    """Make two versions of `bank/loans`, 1.0.0 and 1.1.0, and return the folder that was pushed last."""
    files = folder.parent / "model"
    files.mkdir()
    (files / "weights.bin").write_bytes(random.Random(7).randbytes(100_000))
    (files / "card.md").write_text("# Loans\n")
    assert stemma("push", "bank/loans", files, "-m", "Baseline").code == 0
    (files / "card.md").write_text("# Loans, better\n")
    assert (
        stemma("push", "bank/loans", files, "-m", "Better card", "--metric", "auc=0.81", "--label", "team=risk").code
        == 0
    )
    return files
