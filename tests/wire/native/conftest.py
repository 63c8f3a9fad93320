"""A repository with one version, served in a thread: once open, once with users."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stemma.app import open_folder
from stemma.client.repository import Repository
from stemma.http.running import Limits
from stemma.operations import BY_NAME
from stemma.operations.people.values import AddPrincipal, CreateToken
from tests.serving import serving

MODEL = "bank/loans"


@dataclass(frozen=True)
class Served:
    """A server: its URL, what is in it, and a token of its admin where it has users."""

    url: str
    root: Path
    manifest: str
    digest: str
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an admin's request."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


def make(root: Path) -> tuple[str, str]:
    """Make a repository with a version and an alias; return the digests of its manifest and of itself."""
    (root / "files").mkdir(parents=True)
    (root / "files" / "model.bin").write_bytes(b"weights")
    with Repository.init(root) as repository:
        pushed = repository.push(MODEL, root / "files", message="Baseline").version
        repository.aliases.set(MODEL, "production", "1.0.0")
        return pushed.manifest, pushed.digest


def add_admin(root: Path, name: str = "ada") -> str:
    """Make somebody admin everywhere, and return a token of theirs."""
    folder = open_folder(root)
    try:
        owner = folder.owner("tester")
        folder.system.run(BY_NAME["user.add"], owner, AddPrincipal(name=name, role="admin", namespace="*"))
        return str(folder.system.run(BY_NAME["token.create"], owner, CreateToken(principal=name)).secret)
    finally:
        folder.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve what nobody has a role in, with little patience."""
    root = tmp_path_factory.mktemp("open")
    manifest, digest = make(root)
    limits = Limits(header=1.0, body=1.5, body_stall=1.0, shutdown=3)
    with serving(root, limits=limits) as url:
        yield Served(url, root, manifest, digest)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve what has users."""
    root = tmp_path_factory.mktemp("guarded")
    manifest, digest = make(root)
    token = add_admin(root)
    with serving(root) as url:
        yield Served(url, root, manifest, digest, token)
