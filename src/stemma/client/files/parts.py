"""Unfinished files: written from the front, so that their length says how far they are, and gone on with from there."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator

from stemma.artifacts.manifest import ManifestFile
from stemma.client.files.beneath import Beneath, file_errors
from stemma.errors import ConflictError, CorruptError

_PORTION = 1 << 20
_X_BITS = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def go_on(
    folder: Beneath,
    name: str,
    file: ManifestFile,
    rest: Callable[[int], Iterator[bytes]],
    progress: Callable[[int], None],
) -> None:
    """Make `name` the content of `file`, of which `rest` yields what follows an offset.

    What was there and does not make it so is thrown away and fetched once; a CorruptError if it still is not, and then
    nothing stays.
    """
    place = folder.root / file.path
    descriptor = folder.open(name, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o777 if file.executable else 0o666)
    try:
        with file_errors(place):
            start = _start(descriptor, name, file)
            if _fill(descriptor, start, file, rest, progress) or (start and _fill(descriptor, 0, file, rest, progress)):
                _set_executable(descriptor, executable=file.executable)
                return
        folder.remove(name)
        raise CorruptError(
            f"what comes for {file.path!a} is not {file.digest}",
            hint="Try again; if it comes so again, the server's store is damaged, or something stands in between.",
        )
    finally:
        os.close(descriptor)


def _start(descriptor: int, name: str, file: ManifestFile) -> int:
    """Return how much is there already, nothing where it cannot be the file's."""
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        raise ConflictError("this is no file", place=name, hint="Remove it.")
    return state.st_size if state.st_size <= file.size else 0


def _fill(
    descriptor: int,
    start: int,
    file: ManifestFile,
    rest: Callable[[int], Iterator[bytes]],
    progress: Callable[[int], None],
) -> bool:
    """Write all from `start` on, and return whether the whole has the digest; what has not is emptied."""
    hasher = hashlib.sha256()
    for offset in range(0, start, _PORTION):
        hasher.update(os.pread(descriptor, min(_PORTION, start - offset), offset))
    progress(start)
    os.ftruncate(descriptor, start)
    os.lseek(descriptor, start, os.SEEK_SET)
    for data in rest(start):
        hasher.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        progress(len(data))
    if hasher.digest() == file.digest.raw:
        return True
    os.ftruncate(descriptor, 0)
    return False


def _set_executable(descriptor: int, *, executable: bool) -> None:
    """Set the x bits of a file that was begun for another version."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if bool(mode & stat.S_IXUSR) != executable:
        readers = (mode & (stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)) >> 2
        os.fchmod(descriptor, mode | readers if executable else mode & ~_X_BITS)
