"""Rebuilding what the registry projects, across namespaces whose entries are interleaved, refused ones among them."""

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from stemma.access import Access, enter_refusal, local_owner
from stemma.backends.database.executor import Executor
from stemma.backends.database.maintenance.check import check
from stemma.backends.database.maintenance.rebuild import rebuild
from stemma.backends.database.schema import TableClass, tables_of
from stemma.backends.database.sqlite import SqliteFile
from stemma.backends.database.transaction import Transaction
from stemma.errors import RefusedError
from stemma.names import ModelName, Sequence
from stemma.records import Digest, canonical
from stemma.registry import Message, ProtectedNames, Registry, Submission, Version

OWNER = local_owner("u_" + "0" * 32)
ACCESS = Access()
REGISTRY = Registry(ProtectedNames())
LOGS = frozenset({"ours", "theirs"})
MODELS = [ModelName("ours", "fraud"), ModelName("theirs", "churn"), ModelName("ours", "loans")]


def tell_a_story(file: SqliteFile) -> None:
    """Register, number, point, protect, be refused, go back and withdraw, in two namespaces in turn."""
    executor = Executor(file, on_refusal=enter_refusal)
    for namespace in ("ours", "theirs"):
        executor.write(partial(create, namespace))
    for turn in range(4):
        for model in MODELS:
            executor.write(partial(step, model, turn), LOGS)
    for model in MODELS:
        with pytest.raises(RefusedError):
            executor.write(partial(point, model, 4), LOGS)
        executor.write(partial(go_back, model), LOGS)
    executor.write(withdraw, LOGS)
    executor.close()


def create(namespace: str, tx: Transaction) -> None:
    REGISTRY.create_namespace(tx, OWNER, namespace)


def step(model: ModelName, turn: int, tx: Transaction) -> None:
    data = canonical({"files": [], "of": f"{model} {turn}"})
    tx.records.put(Digest.of(data), data)
    tx.artifacts.manifests.add(Digest.of(data), model.namespace, 0)
    submission = Submission(Version(Digest.of(data), tx.now), Message(f"turn {turn}"))
    REGISTRY.versions.register(tx, OWNER, model, submission)
    if turn < 3:
        point(model, turn + 1, tx)
    else:
        REGISTRY.aliases.protect(tx, OWNER, model, "live", reason="customers depend on it")


def point(model: ModelName, sequence: int, tx: Transaction) -> None:
    REGISTRY.aliases.set(tx, OWNER, model, "live", Sequence(sequence))


def go_back(model: ModelName, tx: Transaction) -> None:
    REGISTRY.aliases.back(tx, OWNER, model, "live", reason="it was worse")


def withdraw(tx: Transaction) -> None:
    REGISTRY.versions.withdraw(tx, OWNER, MODELS[0], Sequence(3), reason="it leaks")


def test_what_a_registry_projects_is_rebuilt_exactly(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "stemma.db")
    file.create()
    tell_a_story(file)
    projectors = [ACCESS.project, REGISTRY.project]
    found = rebuild(file, projectors)
    assert found.differences == ()
    assert found.entries > 30
    driver = sqlite3.connect(file.path, isolation_level=None)
    counts = {
        each.name: driver.execute(f"SELECT count(*) FROM {each.name}").fetchone()[0]  # noqa: S608 - declared tables
        for each in tables_of(TableClass.PROJECTED)
    }
    for name, count in counts.items():
        driver.execute(f"DELETE FROM {name}")  # noqa: S608 - declared tables
        differing = [each for each in rebuild(file, projectors).differences if each.table == name]
        assert bool(differing) is bool(count)
        assert rebuild(file, projectors, repair=True).is_repaired is bool(count)
    assert rebuild(file, projectors).differences == ()
    assert check(file) == ()
    assert sum(1 for count in counts.values() if count) > 8
    driver.close()
