"""Whether the keys of a source's log are those that its owner says: pinned before, named by the operator, or confirmed.

Pins are those of `stemma audit verify`, in the user's configuration folder. A log that is shorter than it was seen, or
does not continue it, is refused whoever signed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from stemma.client.audit import load_pins, store_pins
from stemma.client.calls import Calls
from stemma.client.syncing.standing import Standing, root_at
from stemma.errors import CorruptError, RefusedError
from stemma.ledger.evidence.pins import Pin
from stemma.registry.exchange.origin import Origin

Confirm = Callable[[str, tuple[str, ...]], bool]
"""Asks a person whether the log at a place is signed by keys with these fingerprints."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What the operator vouches for: `keys` are fingerprints that count instead of pinned ones."""

    keys: Collection[str] = ()
    confirm: Confirm | None = None

    def check(self, source: Calls, standing: Standing) -> None:
        """Return if the source's log may be taken over; RefusedError for keys that nobody vouches for."""
        origin = standing.origin
        pinned = load_pins().of_repository(origin.repository)
        self._check_keys(source, origin, pinned)
        pin = pinned.get(origin.checkpoint.origin)
        if pin is None or pin.size == 0:
            return
        if pin.size > origin.checkpoint.size:
            message = f"the log has {origin.checkpoint.size} signed entries where {pin.size} were seen before"
            raise CorruptError(message, place=source.place, hint="Entries are missing there: restore a backup.")
        if root_at(source, origin, pin.size) != pin.root:
            message = f"the log does not continue what was seen before at size {pin.size}"
            raise CorruptError(message, place=source.place, hint="It was rewritten: restore a backup.")

    def _check_keys(self, source: Calls, origin: Origin, pinned: dict[str, Pin]) -> None:
        found = frozenset(map(str, origin.fingerprints))
        listed = ", ".join(sorted(found))
        flags = " ".join(f"--trust-key {key}" for key in origin.fingerprints)
        compare = f"Compare them with its owner's ('stemma audit verify' prints them there), then add {flags}."
        if self.keys:
            if frozenset(self.keys) != found:
                raise RefusedError(f"the log is signed by other keys: {listed}", place=source.place, hint=compare)
        elif pinned:
            if any(frozenset(map(str, pin.fingerprints)) != found for pin in pinned.values()):
                message = f"the log is signed by other keys than the pinned ones: {listed}"
                raise RefusedError(message, place=source.place, hint=compare)
        elif self.confirm is None or not self.confirm(source.place, tuple(map(str, origin.fingerprints))):
            message = f"nobody has confirmed yet that these keys sign the log: {listed}"
            raise RefusedError(message, place=source.place, hint=compare)


def remember(origin: Origin) -> None:
    """Pin what was seen of a log, for the next time."""
    store_pins(load_pins().seen(origin.checkpoint, origin.keys))
