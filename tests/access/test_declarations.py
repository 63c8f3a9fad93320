"""Each operation says which permission it takes, or why it takes none; each route of a server repeats it."""

from dataclasses import replace

import pytest

from stemma.operations import TABLE


def test_every_operation_says_what_it_asks_for() -> None:
    for operation in TABLE:
        assert (operation.permission is None) == bool(operation.unasked), operation.name


def test_an_operation_that_says_neither_or_both_cannot_be_made() -> None:
    for operation in TABLE:
        for wrong in ({"unasked": "" if operation.unasked else "why not"}, {"permission": None, "unasked": ""}):
            with pytest.raises(TypeError, match="must say which permission"):
                replace(operation, **wrong)


def test_no_two_operations_have_one_name_or_one_place() -> None:
    assert len({operation.name for operation in TABLE}) == len(TABLE)
    assert len({(operation.method, operation.path) for operation in TABLE}) == len(TABLE)
