"""The origin of what arrives: another repository's log, as far as a checkpoint signs it, and whether its keys count.

Trust is entered in `_system` as `log.trust`, what arrives as `log.arrive`: which log, up to which root, by which
signed note (kept as a record, schema `stemma/checkpoint/1`), under which keys.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from stemma.access import Caller, Permission, require
from stemma.errors import CorruptError, InvalidError, RefusedError, StemmaError
from stemma.ledger import Draft, Entry, Fact, LogFilter, Thing, append
from stemma.ledger.evidence.checkpoint import Checkpoint, policy_for, verify_checkpoint
from stemma.ledger.evidence.note import PublicKey, VerifierKey
from stemma.ledger.evidence.pins import fingerprints_of
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest, canonical
from stemma.registry.store import RegistryTransaction

SCHEMA = "stemma/checkpoint/1"
_TRUST = "log.trust"
_ARRIVE = "log.arrive"


@dataclass(frozen=True, slots=True)
class Origin:
    """A log of another repository at a checkpoint whose signatures hold; whether the keys are trusted, they do not say.

    `repository` is what the origins of all its logs begin with; `namespace` is the log's own.
    """

    repository: str
    namespace: str
    checkpoint: Checkpoint
    keys: tuple[PublicKey, ...]
    note: str

    @classmethod
    def verify(cls, namespace: str, note: str, keys: Sequence[str]) -> Self:
        """Read a signed note over the log of `namespace`, and check it against `keys`, verifier keys as printed."""
        place = f"checkpoint of {namespace}"
        try:
            found = tuple(VerifierKey.parse(key) for key in keys)
            name = found[0].name if found else ""
            policy = policy_for(f"{name}/{namespace}", [key.key for key in found])
            if {key.name for key in found} != {name}:
                raise InvalidError("the keys do not stand under one name")
        except StemmaError as error:
            raise CorruptError(f"not the keys of a log: {error.message}", place=place) from error
        verified = verify_checkpoint(note.encode("utf-8", "replace"), policy, place=place).checkpoint
        if verified.origin != f"{name}/{namespace}":
            raise CorruptError(f"the note is over {verified.origin!r}, not {name}/{namespace}", place=place)
        return cls(name, namespace, verified, tuple(key.key for key in policy.keys), note)

    @property
    def fingerprints(self) -> tuple[Digest, ...]:
        """What people compare and pin."""
        return fingerprints_of(self.keys)

    def record(self) -> bytes:
        """Return the note with its keys as a record: what proves later what was signed."""
        keys = [str(VerifierKey(self.repository, key)) for key in self.keys]
        return canonical({"schema": SCHEMA, "keys": keys, "note": self.note})


def is_trusted(tx: RegistryTransaction, origin: Origin) -> bool:
    """Return whether the keys are those that were trusted last for this repository."""
    found = trusted_keys(tx, origin.repository)
    return found is not None and found == frozenset(origin.fingerprints)


def trusted_keys(tx: RegistryTransaction, repository: str) -> frozenset[Digest] | None:
    """Return the fingerprints of the keys that are trusted for a repository, None where it is not known."""
    entry = _newest(tx, repository, _TRUST)
    keys = None if entry is None else entry.facts["keys"]
    return frozenset(Digest(str(key)) for key in keys) if isinstance(keys, list) else None


def trust(tx: RegistryTransaction, caller: Caller, origin: Origin, confirmed: Collection[str]) -> None:
    """Enter that the keys of a repository are trusted, where a caller who may says so.

    RefusedError where they are not trusted yet and `confirmed` does not name exactly them. Whose entries are taken as
    they are concerns everybody here, so it takes the permission to introduce people.
    """
    if is_trusted(tx, origin):
        return
    listed = ", ".join(origin.fingerprints)
    if frozenset(confirmed) != frozenset(origin.fingerprints):
        known = trusted_keys(tx, origin.repository)
        message = "is signed by other keys than those trusted before" if known else "is signed by keys not yet trusted"
        flags = " ".join(f"--trust-key {key}" for key in origin.fingerprints)
        raise RefusedError(
            f"the log {origin.checkpoint.origin} {message}: {listed}",
            hint=f"Compare them with its owner's ('stemma audit verify' prints them there), then add {flags}.",
        )
    require(tx, caller, Permission.GRANT, SYSTEM_NAMESPACE)
    thing = Thing("repository", origin.repository)
    append(tx, Draft(SYSTEM_NAMESPACE, caller.actor, _TRUST, thing, facts={"keys": list(origin.fingerprints)}))


def note_arrival(tx: RegistryTransaction, caller: Caller, origin: Origin, size: int) -> None:
    """Enter once for each checkpoint that entries arrive up to it, where the log has `size` entries here."""
    record = origin.record()
    digest = Digest.of(record)
    thing = Thing("log", origin.checkpoint.origin, digest)
    last = _newest(tx, thing.id, _ARRIVE)
    if last is not None and last.thing.digest == digest:
        return
    tx.records.put(digest, record)
    facts: dict[str, Fact] = {
        "namespace": origin.namespace,
        "from": size,
        "size": origin.checkpoint.size,
        "root": origin.checkpoint.root.hex(),
        "keys": list(origin.fingerprints),
    }
    append(tx, Draft(SYSTEM_NAMESPACE, caller.actor, _ARRIVE, thing, facts=facts))


def _newest(tx: RegistryTransaction, concerns: str, action: str) -> Entry | None:
    chosen = LogFilter(concerns=concerns, action=action)
    end = tx.ledger.head(SYSTEM_NAMESPACE).size
    found = tx.ledger.search(SYSTEM_NAMESPACE, chosen, first=0, end=end, newest_first=True, limit=1)
    return Entry.decode(found[0], place=f"log of {SYSTEM_NAMESPACE}") if found else None
