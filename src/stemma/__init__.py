"""Stemma: versions, lineage and releases of machine-learning models.

    repository = stemma.open()
    stemma.push("bank/loans", "model/", message="Baseline")
    model = stemma.load("bank/loans@production")

The functions here work on the default repository: `STEMMA_REPO`, else the nearest at or above the current folder.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemma.client import Repository, history, init, load, open, path, pull, push, sync, tree  # noqa: A004  # `stemma.open`

__all__ = ["Repository", "history", "init", "load", "open", "path", "pull", "push", "sync", "tree"]


def __getattr__(name: str) -> object:
    """Import the SDK when it is first used, so that `import stemma` stays fast."""
    if name not in __all__:
        raise AttributeError(f"module 'stemma' has no attribute {name!r}")
    from stemma import client

    return getattr(client, name)
