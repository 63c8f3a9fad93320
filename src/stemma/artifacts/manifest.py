"""A manifest: which files a version consists of, by path, size and SHA-256, and which directories are empty.

A frozen record (schema `stemma/manifest/1`) whose digest names the whole folder. Files are sorted by path,
paths obey `stemma.artifacts.paths`, and one folder has exactly one manifest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from stemma.artifacts.paths import check_paths, portability_warnings
from stemma.errors import CorruptError, InvalidError, NotFoundError, StemmaError, TooLargeError, UnsupportedError
from stemma.records import MAX_SAFE_INTEGER, Digest, Json, canonical, read_record

SCHEMA = "stemma/manifest/1"
MAX_FILES = 1_000_000
_FILE_FIELDS = frozenset({"path", "size", "digest", "executable"})
_FIELDS = frozenset({"schema", "files", "directories"})


@dataclass(frozen=True, slots=True, order=True)
class ManifestFile:
    """One file: `size` in bytes, `digest` the SHA-256 of its content, `executable` its owner's x bit."""

    path: str
    size: int
    digest: Digest
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a folder, sorted by path, and its empty directories; built by `of`, read by `decode`."""

    files: tuple[ManifestFile, ...]
    directories: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Iterable[ManifestFile], directories: Iterable[str] = ()) -> Self:
        """Sort and check: an InvalidError names the path that may not be, or that stands twice."""
        manifest = cls(tuple(sorted(files)), tuple(sorted(directories)))
        count = len(manifest.files) + len(manifest.directories)
        if count > MAX_FILES:
            raise TooLargeError(
                f"{count} files; a manifest holds at most {MAX_FILES}", hint="Pack small files together."
            )
        for file in manifest.files:
            if not 0 <= file.size <= MAX_SAFE_INTEGER:
                raise InvalidError(f"{file.size} is not the size of a file", place=ascii(file.path))
        check_paths([file.path for file in manifest.files], manifest.directories)
        return manifest

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the record strictly: what `encode` would not write is a CorruptError, a newer schema Unsupported."""
        record = read_record(data, place="manifest")
        schema = record.get("schema")
        if schema != SCHEMA:
            raise UnsupportedError(
                f"the manifest has schema {str(schema)[:80]!r}, and this release reads {SCHEMA!r}",
                hint="Use a newer Stemma to read it.",
            )
        files, directories = record.get("files"), record.get("directories")
        if record.keys() != _FIELDS or not isinstance(files, list) or not isinstance(directories, list):
            raise CorruptError("not the fields of a manifest", place="manifest")
        try:
            manifest = cls.of((_read_file(item) for item in files), (_text(item) for item in directories))
        except StemmaError as error:
            raise CorruptError(error.message, place="manifest") from error
        if manifest.encode() != data:
            raise CorruptError("the paths are not in order", place="manifest")
        return manifest

    def encode(self) -> bytes:
        """Return the canonical bytes of the record."""
        files: list[Json] = [
            {"path": file.path, "size": file.size, "digest": str(file.digest), "executable": file.executable}
            for file in self.files
        ]
        return canonical({"schema": SCHEMA, "files": files, "directories": list(self.directories)})

    @property
    def digest(self) -> Digest:
        """The digest of the record: the id of the whole folder."""
        return Digest.of(self.encode())

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(file.size for file in self.files)

    def file(self, path: str) -> ManifestFile:
        """Return the file at `path`, or a NotFoundError."""
        for file in self.files:
            if file.path == path:
                return file
        raise NotFoundError(f"there is no file {path[:200]!a}", hint="List the paths with `stemma ls`.")

    def digests(self) -> frozenset[Digest]:
        """Return the distinct contents."""
        return frozenset(file.digest for file in self.files)

    def warnings(self) -> Iterator[str]:
        """Say what another operating system could not carry, one sentence each."""
        yield from portability_warnings([*(file.path for file in self.files), *self.directories])


def _read_file(item: Json) -> ManifestFile:
    if not isinstance(item, Mapping) or item.keys() != _FILE_FIELDS:
        raise CorruptError("not the fields of a file")
    size, executable = item["size"], item["executable"]
    if not isinstance(size, int) or isinstance(size, bool) or not isinstance(executable, bool):
        raise CorruptError("a size is an integer, executable is true or false")
    return ManifestFile(_text(item["path"]), size, Digest.parse(_text(item["digest"])), executable)


def _text(item: Json) -> str:
    if not isinstance(item, str):
        raise CorruptError("a path or digest is a string")
    return item
