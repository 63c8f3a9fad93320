"""Repositories made by the command itself."""

import random
from pathlib import Path

import pytest

from tests.cli.running import stemma


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty repository, which is the current folder."""
    here = tmp_path / "work"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    assert stemma("init", here).code == 0
    monkeypatch.chdir(here)
    return here


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
