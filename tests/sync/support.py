"""Repositories with a past, to be synchronised, and what must be the same of them afterwards."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stemma.access import Caller, Grant, Role
from stemma.client import Repository
from stemma.client.calls import Calls, Logs, Transfer, Upkeep
from stemma.client.local.calls import LocalCalls
from stemma.client.local.transfer import LocalTransfer
from stemma.client.syncing.answers import Synced
from stemma.client.syncing.synchronise import synchronise
from stemma.client.syncing.trust import Trust
from stemma.errors import NotFoundError
from stemma.ledger import Actor
from stemma.operations import AnyOperation, Operation, Transaction
from stemma.operations.requests import Request
from stemma.operations.views import View
from stemma.records import Digest
from stemma.registry import Version

Answer = TypeVar("Answer")
Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)
MODELS = ("team/churn", "team/loans", "lab/faces")


def confirm(_place: str, _fingerprints: tuple[str, ...]) -> bool:
    """Vouch for any keys, as a person does who compared them."""
    return True


CONFIRMED = Trust(confirm=confirm)


def calls(repository: Repository) -> LocalCalls:
    """Return what a repository in a folder stands on."""
    found = repository._calls  # noqa: SLF001  # what a synchronisation drives
    assert isinstance(found, LocalCalls)
    return found


def write(repository: Repository, operation: Callable[[Transaction], Answer], *logs: str) -> Answer:
    """Run what writes to `logs` in a repository's own executor."""
    return calls(repository).folder.system.executor.write(operation, frozenset(logs))


def read(repository: Repository, operation: Callable[[Transaction], Answer]) -> Answer:
    """Run what reads in a repository's own executor."""
    return calls(repository).folder.system.executor.read(operation)


def sync(source: Repository | Calls, target: Repository | Calls, *namespaces: str, plan: bool = False) -> Synced:
    """Synchronise with keys that somebody vouched for."""
    ends = [calls(end) if isinstance(end, Repository) else end for end in (source, target)]
    if isinstance(ends[0], Bent):
        ends[0].inner.folder.system.sign()
    return synchronise(*ends, namespaces=namespaces, trust=CONFIRMED, plan=plan)


class Author:
    """Writes a past into a repository, the same for the same seed."""

    def __init__(self, repository: Repository, folder: Path, seed: int = 0) -> None:
        self.repository = repository
        self.folder = folder
        self.random = random.Random(seed)
        folder.mkdir(exist_ok=True)
        (folder / "empty").mkdir(exist_ok=True)
        (folder / "card.md").write_text("# A model\n")

    def push(self, model: str, message: str, branch: str = "main") -> str:
        """Push a version with a new file beside one that stays; return its reference by digest."""
        (self.folder / "weights.bin").write_bytes(self.random.randbytes(2000))
        done = self.repository.push(
            model,
            self.folder,
            message=message,
            why="because",
            impact="none",
            branch=branch,
            metrics={"auc": self.random.random()},
            params={"seed": self.random.randrange(100)},
            labels={"round": message[-3:]},
        )
        return f"{model}@{done.version.digest}"

    def live(self, versions: int) -> None:
        """Push that many versions, and move and withdraw some of them meanwhile."""
        seen: dict[str, list[str]] = {model: [] for model in MODELS}
        for number in range(versions):
            model = MODELS[number % len(MODELS)]
            known = seen[model]
            branch = "trial" if len(known) > 3 and number % 4 == 0 else "main"
            if branch == "trial" and len(known) > 3 and not self._has_branch(model):
                self.repository.branches.create(model, "trial", known[1].partition("@")[2])
            known.append(self.push(model, f"message {number:03}", branch))
            self._move(model, known, number)
        for model in MODELS:
            self.repository.set_title(model, f"Title of {model}")
            self.repository.set_labels(model, {"owner": "us", "tier": "2"})
            self.repository.set_labels(model, remove=["tier"])
            self.repository.aliases.protect(model, "production", reason="it is live")

    def _move(self, model: str, known: list[str], number: int) -> None:
        aliases, newest = self.repository.aliases, known[-1].partition("@")[2]
        aliases.set(model, "production" if number % 2 else "staging", newest, reason=f"move {number}")
        if number % 5 == 4 and len(known) > 4 and number % 2:
            aliases.back(model, "production", reason=f"back {number}")
        if number % 11 == 10 and len(known) > 8 and self._is_free(known[number % 3 + 2]):
            self.repository.withdraw(known[number % 3 + 2], f"bad {number}")
        if number % 13 == 12:
            aliases.set(model, "shadow", newest)
            aliases.delete(model, "shadow", reason="done")

    def _has_branch(self, model: str) -> bool:
        return any(branch.name == "trial" for branch in self.repository.branches.all(model))

    def _is_free(self, reference: str) -> bool:
        found = self.repository.show(reference)
        return found.withdrawn is None and not found.aliases


def redact(repository: Repository, reference: str) -> Digest:
    """Forget why a version was made; return the commitment."""
    digest = Digest(repository.show(reference).digest)

    def step(tx: Transaction) -> Digest:
        record = tx.records.read(digest)
        assert record is not None
        commitment = Version.decode(record).commitments["why"]
        tx.texts.redact(commitment)
        return commitment

    return write(repository, step, "_system")


def past(repository: Repository) -> dict[str, object]:
    """Return all that people see of a repository, but for what is its own: who keeps it, and its own people."""
    found: dict[str, object] = {}
    for model in repository.models():
        name = model.model
        found[name] = model
        found[f"{name} versions"] = repository.history(name)
        found[f"{name} tree"] = repository.tree(name)
        for version in repository.history(name):
            found[f"{name} {version.digest}"] = repository.files(f"{name}@{version.digest}")
        for alias in ("production", "staging", "shadow"):
            with suppress(NotFoundError):
                found[f"{name} {alias}"] = list(repository.aliases.history(name, alias))
        found[f"{name} pointers"] = (repository.aliases.all(name), repository.branches.all(name))
    return found


def proofs(repository: Repository, namespace: str) -> list[object]:
    """Return all entries of a log as they are, each with its proof, and the consistency of every size."""
    system = calls(repository).folder.system
    ledger = system.subjects.ledger

    def step(tx: Transaction) -> list[object]:
        size = tx.ledger.head(namespace).size
        entries = [row.data for row in tx.ledger.rows(namespace, 0, size)]
        inclusion = [ledger.prove_inclusion(tx, namespace, at).path for at in range(size)]
        consistency = [ledger.prove_consistency(tx, namespace, at) for at in range(size)]
        return [entries, inclusion, consistency, ledger.root(tx, namespace).root]

    return system.executor.read(step)


def check(repository: Repository) -> None:
    """Check everything that can be checked of a repository."""
    repository.audit.verify()
    assert repository.database.check() == ()
    assert repository.database.rebuild().differences == ()
    assert repository.verify().sound


@dataclass
class Bent:
    """A source whose answers are bent by `lie` before they arrive."""

    inner: LocalCalls
    lie: Callable[[AnyOperation, Any], Any]

    @property
    def place(self) -> str:
        return self.inner.place

    @property
    def files(self) -> Transfer:
        return self.inner.files

    def run(self, operation: Operation[Asked, Answered], request: Asked) -> Answered:
        found: Answered = self.lie(operation, self.inner.run(operation, request))
        return found

    def prepare(self) -> None:
        self.inner.prepare()

    def logs(self) -> Logs:
        return self.inner.logs()

    def upkeep(self, wish: str, instead: str = "") -> Upkeep:
        return self.inner.upkeep(wish, instead)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Somebody(Bent):
    """A target that is asked by somebody with few roles."""

    caller: Caller = field(kw_only=True)

    @property
    def files(self) -> Transfer:
        return LocalTransfer(self.inner.folder, lambda: self.caller)

    def run(self, operation: Operation[Asked, Answered], request: Asked) -> Answered:
        found: Answered = self.inner.folder.system.run(operation, self.caller, request)
        return found


def somebody(repository: Repository, role: Role, namespace: str) -> Somebody:
    """Return calls of a new principal who holds one role."""
    folder = calls(repository).folder
    owner = calls(repository).caller()
    access = folder.system.subjects.access

    def introduce(tx: Transaction) -> str:
        principal = access.introduce(tx, owner, "user", f"somebody who is {role} in {namespace}")
        access.grant(tx, owner, Grant(principal.id, namespace, role))
        return principal.id

    pseudonym = write(repository, introduce, "_system")
    return Somebody(calls(repository), lambda _, answer: answer, caller=Caller(Actor("user", pseudonym)))
