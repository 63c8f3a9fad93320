"""Contents on their way from one repository to another."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from stemma.artifacts.artifacts import Artifacts
from stemma.artifacts.ports import Source
from stemma.artifacts.reading import StoredFile, StoredSource
from stemma.artifacts.uploads.packing import AddedFile
from stemma.errors import CorruptError
from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file in the packs of a repository, as something to store elsewhere."""

    path: str
    artifacts: Artifacts
    stored: StoredFile

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.stored.size

    @contextmanager
    def open(self) -> Iterator[Source]:
        """Open it; every block is verified when it is read."""
        yield StoredSource(self.artifacts.reader, self.stored)


def check_taken(added: Sequence[AddedFile], wanted: Collection[Digest]) -> None:
    """Check that exactly the wanted contents were taken; else a CorruptError names one."""
    found = {file.digest for file in added}
    if different := found ^ set(wanted):
        raise CorruptError(f"{min(different)} is not what was to come", hint="Verify the repository it comes from.")
