"""Knowing: which blocks and files the server has already, asked for many at once."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from stemma.artifacts.packs.recipe import BlockId
from stemma.client.remote.bytes.sending import BINARY
from stemma.client.remote.bytes.sessions import Session
from stemma.client.remote.transport import Transport
from stemma.errors import CorruptError
from stemma.records import Digest

_AT_ONCE = 16_384
Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True)
class RemoteKnown:
    """Asks the server, which answers for what the caller can read. Tasks of 16 MiB make one question."""

    transport: Transport
    session: Session
    together: int = 4

    def blocks(self, ids: Sequence[BlockId]) -> AbstractSet[BlockId]:
        """Ask for blocks."""
        return self._ask("blocks", ids, bytes)

    def files(self, digests: Sequence[Digest]) -> AbstractSet[Digest]:
        """Ask for files."""
        return self._ask("files", digests, lambda digest: digest.raw)

    def _ask(self, kind: str, asked: Sequence[Asked], raw: Callable[[Asked], bytes]) -> frozenset[Asked]:
        found: list[Asked] = []
        for at in range(0, len(asked), _AT_ONCE):
            some = asked[at : at + _AT_ONCE]
            answer = self.transport.ask(
                "POST",
                f"/uploads/{self.session.id}/known",
                query=(("kind", kind),),
                body=b"".join(map(raw, some)),
                headers={"Content-Type": BINARY},
                type=BINARY,
                largest=_AT_ONCE,
            ).data
            if len(answer) != len(some):
                raise CorruptError("the answer is not one for each", place=f"{self.transport.address} {kind}")
            found += [each for each, there in zip(some, answer, strict=True) if there]
        return frozenset(found)
