"""What somebody with access to a disk could do to a copy: change one bit and hope that nobody notices."""

import shutil
from pathlib import Path

from stemma.errors import NotFoundError


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder, with the folders above it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target)


def largest_file(folder: Path) -> Path:
    """Return the largest file at any depth of a folder; NotFoundError where there is none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise NotFoundError("there is no file", place=str(folder))
    return max(files, key=lambda path: path.stat().st_size)


def flip_bit(file: Path) -> int:
    """Flip one bit in the middle of a file and return the offset of its byte."""
    data = bytearray(file.read_bytes())
    offset = len(data) // 2
    data[offset] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    return offset
