"""From what people push to a folder of files: a path as it is, a model object in a format that runs no code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def saved(source: object) -> Iterator[Path]:
    """Yield the folder or file that holds `source`."""
    yield Path(str(source))
