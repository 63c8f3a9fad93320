"""The files of versions on their way from one repository to another: only content that the target lacks is moved.

They go before the entries that register the versions, and many versions' together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from stemma.artifacts.manifest import Manifest
from stemma.client.calls import Calls
from stemma.client.files.wanted import Wanted
from stemma.client.local.calls import LocalCalls
from stemma.records import Digest

_REMEMBERED = 100_000
_TOGETHER = 1 << 30
"""Bytes of files that are moved at once, unless one version has more: what may lie on this machine for the while."""


@dataclass(slots=True)
class Content:
    """Moves the files of versions; `bytes` counts what the target lacked."""

    source: Calls
    target: Calls
    namespace: str
    bytes: int = 0
    _seen: set[Digest] = field(default_factory=set)

    def send(self, versions: Iterable[Wanted]) -> tuple[str, ...]:
        """Send the contents that the target lacks; return the manifests, to go with the entries."""
        wanted = {each.manifest: each for each in versions if self._is_new(each.manifest)}
        manifests = {digest: self.source.files.manifest(each) for digest, each in wanted.items()}
        for some in _portions(manifests):
            self.bytes += self.target.files.take(
                self.namespace,
                [manifests[digest] for digest in some],
                lambda digests, some=some: self.source.files.opened([wanted[each] for each in some], digests),  # type: ignore[misc]  # mypy cannot type a default
            )
        return tuple(manifest.encode().decode() for manifest in manifests.values())

    def measure(self, versions: Iterable[Wanted]) -> None:
        """Count what `send` would send, at most: a server is not asked what it has."""
        for each in versions:
            files = self.source.files.manifest(each).files if self._is_new(each.manifest) else ()
            sizes = {file.digest: file.size for file in files if self._is_new(file.digest)}
            known = self._known(sizes)
            self.bytes += sum(size for digest, size in sizes.items() if digest not in known)

    def _is_new(self, digest: Digest) -> bool:
        """Note a manifest or a content; return whether it was not met before, as far as that is remembered."""
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        is_new = digest not in self._seen
        self._seen.add(digest)
        return is_new

    def _known(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        if not isinstance(self.target, LocalCalls):
            return frozenset()
        system = self.target.folder.system
        return frozenset(system.executor.read(lambda tx: system.subjects.artifacts.recipes(tx, digests).keys()))


def _portions(manifests: dict[Digest, Manifest]) -> Iterator[Sequence[Digest]]:
    """Yield digests of manifests, as many together as may be moved at once."""
    portion: list[Digest] = []
    size = 0
    for digest, manifest in manifests.items():
        if portion and size + manifest.size > _TOGETHER:
            yield portion
            portion, size = [], 0
        portion.append(digest)
        size += manifest.size
    if portion:
        yield portion
