"""From a verified folder of files to a model."""

from pathlib import Path


def load_folder(folder: Path, *, trust: bool, reference: str) -> object:
    """Return the folder."""
    del trust, reference
    return folder
