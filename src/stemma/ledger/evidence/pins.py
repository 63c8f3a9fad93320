"""Pins: what a verifier knows of logs from before, kept outside the logs.

For each origin the fingerprints of its keys, and the size and root last seen. A log that is signed by other keys, is
shorter, or does not continue what was seen is refused. The bytes are canonical JSON, schema `stemma/pins/1`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from stemma.errors import CorruptError, StemmaError
from stemma.ledger.evidence.checkpoint import Checkpoint
from stemma.ledger.evidence.note import PublicKey
from stemma.ledger.fields import Members, required
from stemma.records import Digest, Json, canonical

SCHEMA = "stemma/pins/1"


@dataclass(frozen=True, slots=True)
class Pin:
    """What is known of one log: the fingerprints of its keys in the order of their algorithms, and its last root."""

    fingerprints: tuple[Digest, ...]
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Pins:
    """Pins by origin. `parse` and `encode` are inverses."""

    logs: Mapping[str, Pin] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, *, place: str) -> Self:
        """Read pins; anything but what `encode` writes is a CorruptError."""
        try:
            members = Members.read(data)
            if members.text("schema") != SCHEMA:
                raise CorruptError(f"not pins: the schema is not {SCHEMA!r}", place=place)
            logs = required(members.object("logs"), "logs")
            pins = cls({origin: _read_pin(origin, Members({"log": log})) for origin, log in logs.items()})
        except (StemmaError, ValueError, RecursionError) as error:
            raise CorruptError(f"not pins: {error}", place=place) from error
        if pins.encode() != data:
            raise CorruptError("not pins: there are other members", place=place)
        return pins

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        logs: dict[str, Json] = {
            origin: {"keys": list(pin.fingerprints), "root": pin.root.hex(), "size": pin.size}
            for origin, pin in self.logs.items()
        }
        return canonical({"logs": logs, "schema": SCHEMA})

    def seen(self, checkpoint: Checkpoint, keys: Sequence[PublicKey]) -> "Pins":
        """Return the pins with `checkpoint` as the last that was seen of its log, signed by `keys`."""
        pin = Pin(fingerprints_of(keys), checkpoint.size, checkpoint.root)
        return Pins({**self.logs, checkpoint.origin: pin})

    def of_repository(self, name: str) -> dict[str, Pin]:
        """Return the pins of the logs whose origin is `name/…`."""
        return {origin: pin for origin, pin in self.logs.items() if origin.startswith(f"{name}/")}


def fingerprints_of(keys: Sequence[PublicKey]) -> tuple[Digest, ...]:
    """Return the fingerprints of `keys` in the order of their algorithms."""
    return tuple(key.fingerprint for key in sorted(keys, key=lambda key: key.algorithm))


def _read_pin(origin: str, members: Members) -> Pin:
    log = Members(required(members.object("log"), origin))
    checkpoint = Checkpoint(origin, log.integer("size"), bytes.fromhex(log.text("root")))
    return Pin(log.digests("keys"), checkpoint.size, checkpoint.root)
