"""Files of a version that lie in a folder, as a source of their content: checked while they are read."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.client.files.beneath import Beneath, file_errors
from stemma.errors import CorruptError
from stemma.records import Digest

_PORTION = 1 << 20


@dataclass(frozen=True, slots=True)
class Copies:
    """Reads files of a manifest from `folder`; nothing there is believed but what has the digest of the manifest."""

    folder: Beneath

    @staticmethod
    def of(manifest: Manifest) -> Mapping[Digest, ManifestFile]:
        """Return where each content lies: at one of its paths."""
        return {file.digest: file for file in manifest.files}

    def stream(self, file: ManifestFile, pool: Executor | None = None) -> Iterator[bytes]:
        """Yield the content; CorruptError where it is not, any more, what the manifest says."""
        del pool
        hasher = hashlib.sha256()
        place = self.folder.root / file.path
        descriptor = self.folder.open(file.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with file_errors(place):
                state = os.fstat(descriptor)
                if not stat.S_ISREG(state.st_mode) or state.st_size != file.size:
                    raise CorruptError("the copy is not what was kept", place=str(place))
                while data := os.read(descriptor, _PORTION):
                    hasher.update(data)
                    yield data
        finally:
            os.close(descriptor)
        if hasher.digest() != file.digest.raw:
            raise CorruptError("the copy is not what was kept", place=str(place))
