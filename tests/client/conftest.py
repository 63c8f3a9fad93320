"""Repositories as the SDK opens them: in a folder, and behind a real server over a real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stemma.client import Repository
from tests.serving import serving


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest) -> str:
    """Say where the repository is; tests about folders choose it with `in_a_folder`."""
    return str(request.param)


@pytest.fixture
def where(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a repository in the folder `work`, and say what opens it: the folder, or the URL of its server."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Repository.init(tmp_path / "work").close()
    if place == "folder":
        yield str(tmp_path / "work")
        return
    with serving(tmp_path / "work") as url:
        yield url


@pytest.fixture
def repository(where: str) -> Iterator[Repository]:
    """Open the repository."""
    with Repository.open(where) as repository:
        yield repository
