"""The registry and its ledger agree with plain dictionaries; five planted bugs do not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from stemma.access import Caller
from stemma.backends.database.transaction import Transaction
from stemma.errors import AlreadyExistsError
from stemma.ledger import Head, Row, Tile
from stemma.names import ModelName, Pointer, Reference, Selector
from stemma.records import Digest
from stemma.registry import (
    ANYTHING,
    Alias,
    Aliases,
    Expected,
    Moved,
    ProtectedNames,
    Registration,
    Registry,
    RegistryTransaction,
)
from stemma.registry.numbering import order_key
from stemma.semver import SemanticVersion
from tests.registry.machine import Machine, Plan

QUIET = settings(
    derandomize=True,
    database=None,
    deadline=None,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@pytest.mark.slow
@pytest.mark.usefixtures("each_database")
def test_registry_and_ledger_agree_with_dictionaries(request: pytest.FixtureRequest) -> None:
    examples = 40 if "postgresql" in request.node.name else 150  # each begins with a database of its own
    run_state_machine_as_test(Machine, settings=settings(QUIET, max_examples=examples))


def gate() -> ProtectedNames:
    return ProtectedNames()


# 1. A lost compare-and-swap: whoever comes last wins, whatever they expected.


class CarelessAliases(Aliases):
    def set(
        self,
        tx: RegistryTransaction,
        caller: Caller,
        model: ModelName,
        name: str,
        selector: Selector | None,
        *,
        expected: Expected = ANYTHING,  # noqa: ARG002  # that it is not looked at is the bug
        reason: str = "",
        override: bool = False,
    ) -> Moved:
        return super().set(tx, caller, model, name, selector, reason=reason, override=override)


def careless() -> Registry:
    registry = Registry(gate())
    registry.aliases = CarelessAliases(gate())
    return registry


# 2. A number used again: withdrawal frees it.


@dataclass(frozen=True)
class Around:
    """A transaction with something else in the place of one of its stores."""

    tx: Transaction
    changed: dict[str, Any]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any of the stores
        return self.changed[name] if name in self.changed else getattr(self.tx, name)


class ForgetfulNumbers:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._numbers = tx.registry.numbers

    def find(self, model: ModelName, number: SemanticVersion) -> Registration | None:
        found = self._numbers.find(model, number)
        return None if found is None or found.withdrawn is not None else found

    def bind(self, model: ModelName, number: SemanticVersion, sequence: int) -> None:
        try:
            self._numbers.bind(model, number, sequence)
        except AlreadyExistsError:
            cursor = self._tx.connection.driver.cursor()
            cursor.execute("UPDATE numbers SET sequence = ? WHERE order_key = ?", (sequence, order_key(number)))

    def between(
        self, model: ModelName, low: bytes, high: bytes, limit: int, *, withdrawn: bool
    ) -> Sequence[tuple[SemanticVersion, int]]:
        return self._numbers.between(model, low, high, limit, withdrawn=withdrawn)

    def highest(self, model: ModelName, branch: str) -> SemanticVersion | None:
        return self._numbers.highest(model, branch)


def forgetful(tx: Transaction) -> Around:
    return Around(tx, {"registry": replace(tx.registry, numbers=ForgetfulNumbers(tx))})


# 3. An entry without its change: the store says that it did.


class IdleAliases:
    def __init__(self, tx: Transaction) -> None:
        self._aliases = tx.registry.aliases

    def put(self, alias: Alias, before: Digest | None) -> None:
        if before is None:
            self._aliases.put(alias, before)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # the other methods
        return getattr(self._aliases, name)


def idle(tx: Transaction) -> Around:
    return Around(tx, {"registry": replace(tx.registry, aliases=IdleAliases(tx))})


# 4. A change without its entry: labels are not worth one.


class SilentLedger:
    def __init__(self, tx: Transaction) -> None:
        self._ledger = tx.ledger

    def head(self, namespace: str) -> Head:
        return self._ledger.head(namespace)

    def add(self, namespace: str, rows: Sequence[Row], tiles: Sequence[Tile]) -> None:
        if rows[0].action != "label.set":
            self._ledger.add(namespace, rows, tiles)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # the other methods
        return getattr(self._ledger, name)


def silent(tx: Transaction) -> Around:
    return Around(tx, {"ledger": SilentLedger(tx)})


# 5. A stale cache: what an alias held once, it holds.


class StaleRegistry(Registry):
    def resolve(
        self, tx: RegistryTransaction, caller: Caller, reference: Reference, *, at: int | None = None
    ) -> Registration:
        frozen = Around(tx, {"generation": 1}) if isinstance(reference.selector, Pointer) else tx  # type: ignore[arg-type]  # it is one
        return super().resolve(frozen, caller, reference, at=at)


BUGS = {
    "lost compare-and-swap": Plan(registry=careless),
    "reused number": Plan(around=forgetful),
    "entry without change": Plan(around=idle),
    "change without entry": Plan(around=silent),
    "stale alias cache": Plan(registry=lambda: StaleRegistry(gate())),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    class Bugged(Machine):
        plan = BUGS[bug]

    once = settings(QUIET, max_examples=500, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Bugged, settings=once)
