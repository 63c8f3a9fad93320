"""Transfers take turns, and nobody holds them all."""

from contextlib import ExitStack

import pytest

from stemma.access import Caller
from stemma.errors import UnavailableError
from stemma.ledger import Actor
from stemma.wire.native.turns import AT_ONCE, OF_ONE, Turns

ADA, BOB, EVE = (Caller(Actor("user", f"u_{letter * 32}")) for letter in "abe")


def test_one_caller_leaves_turns_to_others() -> None:
    turns = Turns("downloads")
    with ExitStack() as held:
        for _ in range(OF_ONE):
            held.enter_context(turns.take(EVE))
        with pytest.raises(UnavailableError, match="of yours"), turns.take(EVE):
            pass
        for _ in range(AT_ONCE - OF_ONE):
            held.enter_context(turns.take(ADA))
        with pytest.raises(UnavailableError, match=f"{AT_ONCE} downloads"), turns.take(BOB):
            pass
    assert not turns.taken


def test_a_turn_that_fails_is_given_back() -> None:
    turns = Turns("uploads")
    with pytest.raises(KeyError), turns.take(EVE):
        raise KeyError
    assert not turns.taken
