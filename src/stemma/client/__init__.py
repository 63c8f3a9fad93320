"""The Python SDK: a repository as an object, and shortcuts that work on the default one."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from stemma.client.address import is_address
from stemma.client.answers import PushResult
from stemma.client.repository import Repository
from stemma.client.syncing.answers import Synced
from stemma.names import SYSTEM_NAMESPACE
from stemma.operations.views import TreeNode, VersionView
from stemma.registry import Parameter
from stemma.settings import REPOSITORY_FOLDER

__all__ = ["Repository", "history", "init", "load", "open", "path", "pull", "push", "sync", "tree"]


def init(where: str | Path = ".") -> Repository:
    """Make a folder a repository, and open it."""
    return Repository.init(where)


def open(where: str | Path | None = None) -> Repository:  # noqa: A001  # `stemma.open`
    """Open the repository in a folder, by default the default one."""
    return Repository.open(where)


def push(  # noqa: PLR0913  # the commonest things that can be said of a version
    model: str,
    source: object,
    *,
    message: str,
    why: str | None = None,
    version: str | None = None,
    parents: Sequence[str | tuple[str, str]] = (),
    params: Mapping[str, Parameter] | None = None,
    metrics: Mapping[str, float] | None = None,
    if_changed: bool = False,
) -> PushResult:
    """Store a folder, a file or a model object as a new version; `Repository.push` takes more."""
    with open() as repository:
        return repository.push(
            model,
            source,
            message=message,
            why=why,
            version=version,
            parents=parents,
            params=params,
            metrics=metrics,
            if_changed=if_changed,
        )


def pull(reference: str, folder: str | Path, *, overwrite: bool = False) -> VersionView:
    """Write the files of a version into `folder`, each verified."""
    with open() as repository:
        return repository.pull(reference, folder, overwrite=overwrite)


def path(reference: str) -> Path:
    """Return a verified folder with the files of a version, shared and not to be written to."""
    with open() as repository:
        return repository.path(reference)


def load(reference: str, *, trust: bool = False) -> object:
    """Return the model of a version; what could run code when it is read needs `trust`."""
    with open() as repository:
        return repository.load(reference, trust=trust)


def history(model: str) -> list[VersionView]:
    """Return all versions of a model, newest first."""
    with open() as repository:
        return repository.history(model)


def tree(model: str) -> list[TreeNode]:
    """Return the family of a model."""
    with open() as repository:
        return repository.tree(model)


def sync(
    source: str | Path,
    target: str | Path,
    *,
    namespaces: Sequence[str] = (),
    plan: bool = False,
    trust_keys: Sequence[str] = (),
) -> Synced:
    """Bring the repository `target`, a folder or a server's URL, up to what `source` has.

    A folder that is not there or is empty becomes a repository.
    """
    with Repository.open(source) as repository, open_target(target, plan=plan) as to:
        return repository.sync_to(to, namespaces=namespaces, plan=plan, trust_keys=trust_keys)


@contextmanager
def open_target(
    where: str | Path, *, plan: bool = False, warn: Callable[[str], None] | None = None
) -> Iterator[Repository]:
    """Open a repository to synchronise to; a folder that is not there or is empty becomes one, but not for a plan.

    Where nothing arrived in a new one, it is taken away again.
    """
    folder = Path(where)
    if is_address(where) or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        with Repository.open(where, warn=warn) as repository:
            yield repository
    elif plan:
        with tempfile.TemporaryDirectory(prefix="stemma-plan-") as aside, Repository.init(aside) as repository:
            yield repository
    else:
        existed, arrived = folder.exists(), True
        try:
            with Repository.init(where) as repository:
                try:
                    yield repository
                finally:
                    arrived = _holds_anything(repository)
        finally:
            if not arrived:
                rmtree(folder / REPOSITORY_FOLDER, ignore_errors=True)
                if not existed:
                    folder.rmdir()


def _holds_anything(repository: Repository) -> bool:
    """Whether any log but that of the repository itself has begun, or any file is there: files go first."""
    logs = set(repository._calls.logs().namespaces())  # noqa: SLF001  # of this package
    return bool(logs - {SYSTEM_NAMESPACE}) or any((repository.root / REPOSITORY_FOLDER / "packs").rglob("*.pack"))
