"""How two logs of one namespace stand to each other, found out by their roots; the source must prove its own."""

import time
from dataclasses import dataclass
from enum import StrEnum

from stemma.client.calls import Calls
from stemma.errors import ConflictError, CorruptError, InvalidError, NotFoundError
from stemma.ledger.proof import verify_consistency
from stemma.ledger.tree import EMPTY_ROOT
from stemma.operations.exchange.offering import OFFER, ROOT
from stemma.operations.exchange.values import LogOffer, ReadRoot
from stemma.operations.requests import OfNamespace
from stemma.registry.exchange.origin import Origin

_PATIENCE = 5.0
_PAUSE = 0.2


class Relation(StrEnum):
    """What the target's log is to the source's."""

    NEW = "new"
    """The target has none: it moves whole."""
    BEHIND = "behind"
    """It is a beginning of the source's: the rest goes over."""
    SAME = "same"
    AHEAD = "ahead"
    """The source's is a beginning of it: there is nothing to do."""
    PARTED = "parted"
    """Both were written to: versions are entered one by one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A source's verified log, the sizes of both, and of how many entries they have the same."""

    relation: Relation
    origin: Origin
    offer: LogOffer
    size: int
    shared: int

    @property
    def unsigned(self) -> int:
        """How many entries at the end of the source's log nobody signed yet; they stay."""
        return self.offer.size - self.offer.signed


def offered(source: Calls, namespace: str) -> tuple[LogOffer, Origin]:
    """Return what the source has, its signatures verified; ConflictError where nothing was signed yet.

    A server signs within moments of a change, so it is waited for.
    """
    offer = source.run(OFFER, OfNamespace(namespace=namespace))
    size, deadline = offer.size, time.monotonic() + _PATIENCE
    while offer.signed < size and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        offer = source.run(OFFER, OfNamespace(namespace=namespace))
    if offer.note is None:
        raise ConflictError(
            f"the log of {namespace} was not signed yet",
            place=source.place,
            hint="A server signs within a second of a change, a folder when it is closed: try again.",
        )
    origin = Origin.verify(namespace, offer.note, offer.keys)
    if origin.repository != offer.repository or origin.checkpoint.size != offer.signed:
        raise CorruptError("it offers a log that its checkpoint is not over", place=source.place)
    return offer, origin


def compare(source: Calls, target: Calls, namespace: str) -> Standing:
    """Find out how the logs of a namespace stand to each other."""
    offer, origin = offered(source, namespace)
    there = _held(target, namespace)
    if there is not None and there.repository == offer.repository:
        raise InvalidError(f"{source.place} and {target.place} are the same repository", hint="Name two.")
    size = 0 if there is None else there.size
    signed = origin.checkpoint.size
    common = min(size, signed)
    if there is None or size == 0 or (not there.exists and _is_shared(source, target, origin, size)):
        return Standing(Relation.NEW, origin, offer, size, size)
    if _is_shared(source, target, origin, common):
        relation = Relation.BEHIND if size < signed else Relation.SAME if size == signed else Relation.AHEAD
        return Standing(relation, origin, offer, size, common)
    low, high = 0, common  # the same up to low, not up to high
    while high - low > 1:
        middle = (low + high) // 2
        if _is_shared(source, target, origin, middle):
            low = middle
        else:
            high = middle
    return Standing(Relation.PARTED, origin, offer, size, low)


def root_at(source: Calls, origin: Origin, size: int) -> bytes:
    """Return the source's root at a size, proven to lead to what it signed."""
    signed = origin.checkpoint
    if size == 0:
        return EMPTY_ROOT
    if size == signed.size:
        return signed.root
    answer = source.run(ROOT, ReadRoot(namespace=origin.namespace, size=size, until=signed.size))
    try:
        root, path = bytes.fromhex(answer.root), [bytes.fromhex(each) for each in answer.path]
        verify_consistency(old=size, old_root=root, new=signed.size, new_root=signed.root, path=path)
    except (CorruptError, ValueError) as error:
        message = f"its log at size {size} is not what its checkpoint continues: {error}"
        raise CorruptError(message, place=source.place) from error
    return root


def _is_shared(source: Calls, target: Calls, origin: Origin, size: int) -> bool:
    """Return whether both logs have the same first `size` entries."""
    if size == 0:
        return True
    if size > origin.checkpoint.size:
        return False
    answer = target.run(ROOT, ReadRoot(namespace=origin.namespace, size=size, until=size))
    return answer.root == root_at(source, origin, size).hex()


def _held(target: Calls, namespace: str) -> LogOffer | None:
    try:
        return target.run(OFFER, OfNamespace(namespace=namespace))
    except NotFoundError:
        return None


def offered_size(source: Calls, namespace: str) -> int:
    """Return how many entries the source's log has."""
    return source.run(OFFER, OfNamespace(namespace=namespace)).size
