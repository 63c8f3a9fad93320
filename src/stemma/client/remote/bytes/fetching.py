"""Fetching: the content of files in portions, several at once, gone on with where a connection broke.

What comes is not believed: the whole is compared with the file's SHA-256 by whoever writes it.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from stemma.artifacts.manifest import ManifestFile
from stemma.artifacts.pipeline import ordered_map
from stemma.client.remote.bytes.sending import BINARY
from stemma.client.remote.transport import Stream, Transport
from stemma.errors import CorruptError, UnavailableError

PORTION = 8 << 20
AHEAD = 6
_READ = 1 << 20
_PARTIAL = 206


@dataclass(frozen=True, slots=True)
class RemoteContents:
    """Fetches files of one version; `reference` names it so that it can mean no other."""

    transport: Transport
    reference: str

    def rest(self, file: ManifestFile, start: int, pool: Executor | None) -> Iterator[bytes]:
        """Yield the content from `start` on; with a `pool`, later portions are fetched meanwhile."""
        spans = [(file, at, min(PORTION, file.size - at)) for at in range(start, file.size, PORTION)]
        if pool is None or len(spans) == 1:
            yield from map(self._fetch, spans)
        else:
            yield from ordered_map(pool, self._fetch, spans, ahead=AHEAD)

    def _fetch(self, span: tuple[ManifestFile, int, int]) -> bytes:
        """Return one portion, asked for again from where it broke off, as long as there is any progress."""
        file, start, length = span
        portion = bytearray()
        while len(portion) < length:
            before = len(portion)
            try:
                self.transport.patience.call(lambda: self._read(file, start, length, portion))
            except UnavailableError:
                if len(portion) == before:
                    raise
        return bytes(portion)

    def _read(self, file: ManifestFile, start: int, length: int, portion: bytearray) -> None:
        at, end = start + len(portion), start + length
        headers = {"Accept": BINARY, "Range": f"bytes={at}-{end - 1}", "If-Range": f'"{file.digest.hex}"'}
        query = (("reference", self.reference), ("path", file.path))
        with self.transport.stream("GET", "/content", query=query, headers=headers) as stream:
            self._check(stream, file, at, end)
            while len(portion) < length and (data := stream.read(_READ)):
                portion += data
                if len(portion) > length:
                    raise self._wrong(file, "more comes than was asked for")
        if len(portion) < length:
            raise UnavailableError("the answer was cut short", place=str(self.transport.address), hint="Try again.")

    def _check(self, stream: Stream, file: ManifestFile, at: int, end: int) -> None:
        span = stream.headers.get("Content-Range")
        if stream.status != _PARTIAL or span != f"bytes {at}-{end - 1}/{file.size}":
            raise self._wrong(file, f"the answer is {stream.status} {span}, not bytes {at}-{end - 1}/{file.size}")

    def _wrong(self, file: ManifestFile, what: str) -> CorruptError:
        return CorruptError(what[:200], place=f"{self.transport.address} {file.path!a}", hint="Tell its administrator.")
