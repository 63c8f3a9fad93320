"""The judge of histories, before it judges: what it must accept and what it must not."""

import math

from tests.processes.history import Call, is_linearizable


def test_what_could_have_happened() -> None:
    assert is_linearizable([])
    assert is_linearizable([Call("write", "a", 0, 1), Call("read", "a", 2, 3)])
    assert is_linearizable([Call("write", "a", 0, 5), Call("read", "nothing", 1, 2), Call("read", "a", 3, 4)])
    assert is_linearizable([Call("swap", "a", 0, 1), Call("swap", "b", 2, 3, "a"), Call("read", "b", 4, 5)])
    assert is_linearizable([Call("swap", "a", 0, 9), Call("swap", "b", 0, 9, refused=True), Call("read", "a", 10, 11)])
    assert is_linearizable([Call("write", "a", 0, math.inf), Call("read", "a", 5, 6)])
    assert is_linearizable([Call("write", "a", 0, math.inf), Call("read", "nothing", 5, 6)])


def test_what_could_not() -> None:
    stale = [Call("write", "a", 0, 1), Call("write", "b", 2, 3), Call("read", "a", 4, 5)]
    back = [Call("write", "a", 0, 9), Call("read", "a", 1, 2), Call("read", "nothing", 3, 4)]
    both = [Call("swap", "a", 0, 9), Call("swap", "b", 0, 9), Call("read", "b", 10, 11)]
    lost = [Call("swap", "a", 0, 1), Call("swap", "b", 2, 3)]
    refused = [Call("swap", "a", 0, 1, refused=True)]
    for history in (stale, back, both, lost, refused):
        assert not is_linearizable(history)
