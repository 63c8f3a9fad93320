"""A registry on a database in memory, with a clock that is moved by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from stemma.access import Caller, Role, local_owner
from stemma.backends.database.dialect import Connection
from stemma.backends.database.transaction import Transaction
from stemma.ledger import Actor, Entry
from stemma.names import ModelName, Reference, Selector, parse_selector
from stemma.records import Digest
from stemma.registry import (
    Gate,
    Message,
    Numbering,
    Parent,
    ProtectedNames,
    Registered,
    Registration,
    Registry,
    Submission,
    Version,
)
from stemma.semver import SemanticVersion
from tests.databases import new_connection

Result = TypeVar("Result")
OWNER = local_owner("u_" + "0" * 32)
CREDIT = ModelName("risk", "credit")
FRAUD = ModelName("risk", "fraud")
NOW = 1_772_500_000_000_000
SECOND = 1_000_000
RISK = frozenset({"risk"})


def caller(*roles: Role) -> Caller:
    """Return somebody with these roles everywhere."""
    return Caller(Actor("user", "u_" + "1" * 32), frozenset(roles))


def select(text: str) -> Selector:
    return parse_selector(text)


def number(text: str) -> SemanticVersion:
    return SemanticVersion.parse(text)


def digest_of(text: str) -> Digest:
    return Digest.of(text.encode())


def publish(tx: Transaction, data: bytes, namespace: str = CREDIT.namespace) -> None:
    """Store what passes for a manifest, for versions of a namespace."""
    tx.records.put(Digest.of(data), data)
    tx.artifacts.manifests.add(Digest.of(data), namespace, 0)


@dataclass
class World:
    """A registry and the database that it stands on; each call is a transaction that rolls back where it fails."""

    gate: Gate = field(default_factory=ProtectedNames)
    connection: Connection = field(default_factory=new_connection)
    now: int = NOW
    made: int = 0

    def __post_init__(self) -> None:
        self.registry = Registry(self.gate)
        self.do(lambda tx: self.registry.create_namespace(tx, OWNER, "risk"))

    def do(self, operation: Callable[[Transaction], Result]) -> Result:
        self.now += SECOND
        self.connection.script_ahead("SAVEPOINT operation")
        try:
            result = operation(Transaction(self.connection, self.now))
            self.connection.script("RELEASE operation")
        except BaseException:
            if not self.connection.is_lost:
                self.connection.script("ROLLBACK TO operation")
                self.connection.script("RELEASE operation")
            raise
        return result

    def files(self, text: str) -> Digest:
        """Publish a manifest, or what passes for one here."""
        data = text.encode()
        self.do(lambda tx: publish(tx, data))
        return Digest.of(data)

    def push(
        self,
        model: ModelName = CREDIT,
        *,
        files: str | None = None,
        what: str = "another",
        branch: str = "main",
        chosen: str | None = None,
        numbering: Numbering | None = None,
        parents: tuple[Parent, ...] = (),
        if_changed: bool = False,
    ) -> Registered:
        self.made += 1
        version = Version(self.files(files or f"files {self.made}"), 0, parents)
        how = numbering or Numbering(chosen=number(chosen) if chosen else None)
        submission = Submission(version, Message(what), branch=branch, numbering=how, if_changed=if_changed)
        return self.do(lambda tx: self.registry.versions.register(tx, OWNER, model, submission))

    def pushed(self, model: ModelName = CREDIT, **how: str) -> Registration:
        return self.push(model, branch=how.get("branch", "main"), chosen=how.get("chosen")).version

    def point(self, alias: str, selector: str, model: ModelName = CREDIT, **how: object) -> None:
        reason, override = str(how.get("reason", "")), bool(how.get("override"))
        self.do(
            lambda tx: self.registry.aliases.set(
                tx, OWNER, model, alias, select(selector), reason=reason, override=override
            )
        )

    def back(self, alias: str, model: ModelName = CREDIT) -> Registration:
        moved = self.do(lambda tx: self.registry.aliases.back(tx, OWNER, model, alias, reason="it is worse"))
        assert moved.after is not None
        return moved.after

    def withdraw(self, selector: str, model: ModelName = CREDIT) -> Registration:
        return self.do(
            lambda tx: self.registry.versions.withdraw(tx, OWNER, model, select(selector), reason="it leaks")
        )

    def resolve(self, reference: str, at: int | None = None) -> Registration:
        return self.do(lambda tx: self.registry.resolve(tx, OWNER, Reference.parse(reference), at=at))

    def branch(self, name: str, start: str, model: ModelName = CREDIT) -> None:
        self.do(lambda tx: self.registry.branches.create(tx, OWNER, model, name, select(start)))

    def entries(self, namespace: str = "risk") -> list[Entry]:
        rows = self.do(lambda tx: tx.ledger.rows(namespace, 0, 10_000))
        return [Entry.decode(row.data) for row in rows]

    def actions(self, namespace: str = "risk") -> list[str]:
        return [entry.action for entry in self.entries(namespace)]
