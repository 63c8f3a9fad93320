"""Logs for tests: a transaction on a database in memory, signers with fixed keys, and exports held in dictionaries."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from stemma.backends.database.dialect import Connection
from stemma.backends.database.ledger import DatabaseLedger, DatabaseRecords, DatabaseTexts
from stemma.ledger import Actor, Draft, Fact, Thing
from stemma.ledger.evidence.note import Algorithm, PublicKey
from stemma.ledger.ledger import Ledger
from stemma.records import Digest
from tests.databases import new_connection

NOW = 1_790_000_000_000_000
ALICE = Actor("user", "u_3f9c")
LEDGER = Ledger("0123456789abcdef0123456789abcdef")


class CountedIds:
    """Bytes that differ each time and are the same in each run."""

    def __init__(self) -> None:
        self.count = 0

    def random(self, size: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(self.count.to_bytes(8, "big")).digest(size)


class Tx:
    """A transaction of its own database; `now` is set by the test."""

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection or new_connection()
        self.now = NOW
        self.ids = CountedIds()
        self.ledger = DatabaseLedger(self.connection)
        self.records = DatabaseRecords(self.connection)
        self.texts = DatabaseTexts(self.connection)


@dataclass(frozen=True)
class SeedSigner:
    """A key pair that follows from an algorithm and a word."""

    private: Ed25519PrivateKey | MLDSA44PrivateKey

    @property
    def public_key(self) -> PublicKey:
        is_old = isinstance(self.private, Ed25519PrivateKey)
        algorithm = Algorithm.ED25519 if is_old else Algorithm.ML_DSA_44
        return PublicKey(algorithm, self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


def signers(word: str = "ours") -> tuple[SeedSigner, SeedSigner]:
    """Return the two signers that follow from a word."""
    seed = hashlib.sha256(word.encode()).digest()
    return (
        SeedSigner(Ed25519PrivateKey.from_private_bytes(seed)),
        SeedSigner(MLDSA44PrivateKey.from_seed_bytes(seed)),
    )


def keys(word: str = "ours") -> tuple[PublicKey, ...]:
    """Return the public keys that follow from a word."""
    return tuple(signer.public_key for signer in signers(word))


def draft(number: int = 0, *, namespace: str = "team", action: str = "alias.set", **facts: Fact) -> Draft:
    """Return a draft that differs with `number`."""
    return Draft(
        namespace,
        ALICE,
        action,
        Thing("alias", f"production-{number}"),
        after=Digest.of(str(number).encode()),
        facts=facts,
    )


def drafts(count: int, *, namespace: str = "team") -> Sequence[Draft]:
    """Return drafts for one log."""
    return [draft(number, namespace=namespace) for number in range(count)]


@dataclass
class DictFolder:
    """An export in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def names(self) -> Iterable[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        return self.files[name]
