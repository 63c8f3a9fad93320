"""The table of operations: each that writes says to which log, from its request."""

from dataclasses import replace

import pytest

from stemma.errors import InvalidError
from stemma.operations import BY_NAME, TABLE, AnyOperation
from stemma.operations.requests import OfNamespace, SetAlias, SetLabels, Withdraw


def test_names_and_routes_are_unique() -> None:
    assert len(BY_NAME) == len(TABLE)
    assert len({(operation.method, operation.path) for operation in TABLE}) == len(TABLE)


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: operation.name)
def test_what_writes_says_to_which_log(operation: AnyOperation) -> None:
    assert operation.writes == (operation.log is not None)
    if operation.writes:
        with pytest.raises(TypeError, match="does not say to which log"):
            replace(operation, log=None)


def test_the_log_is_that_of_the_namespace() -> None:
    moved = SetAlias(model="risk/credit", alias="production", selector="v1")
    assert BY_NAME["alias.set"].logs(moved) == {"risk"}
    assert BY_NAME["label.set"].logs(SetLabels(reference="risk/credit@production")) == {"risk"}
    assert BY_NAME["version.withdraw"].logs(Withdraw(reference="risk/credit@v1", reason="it leaks")) == {"risk", "*"}
    assert BY_NAME["namespace.open"].logs(OfNamespace(namespace="risk")) == {"_system"}
    assert BY_NAME["resolve"].logs(moved) == frozenset()
    with pytest.raises(InvalidError):
        BY_NAME["alias.set"].logs(SetAlias(model="Risk!", alias="production", selector="v1"))


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: str(operation.name))
def test_each_says_what_it_does_and_no_other_does(operation: AnyOperation) -> None:
    assert operation.says.endswith("."), "the docstring of what it runs begins with one sentence"
    assert [other.name for other in TABLE if other.says == operation.says] == [operation.name]
