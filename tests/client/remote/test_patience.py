"""Trying again: how long, how often, and with which pauses."""

import pickle
from dataclasses import dataclass, field

import pytest

from stemma.client.remote.patience import LONGEST, AgainError, Patience
from stemma.errors import NotFoundError, UnavailableError


@dataclass
class Clock:
    """Time that passes only by waiting and working."""

    time: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


def failing(clock: Clock, times: int, *, takes: float = 0.0, wait: float = 0.0) -> tuple[list[int], object]:
    tries: list[int] = []

    def step() -> str:
        tries.append(1)
        clock.time += takes
        if len(tries) <= times:
            raise AgainError("it broke", hint="Wait.", place="https://models.example", wait=wait)
        return "done"

    return tries, step


def test_what_passes_is_tried_until_it_works() -> None:
    clock = Clock()
    tries, step = failing(clock, 4)
    assert Patience(60, clock, lambda: 1.0).call(step) == "done"  # type: ignore[arg-type]  # it returns a text
    assert len(tries) == 5
    assert clock.waits == [0.2, 0.4, 0.8, 1.6]


def test_pauses_are_random_and_bounded() -> None:
    clock = Clock()
    _, step = failing(clock, 1000)
    with pytest.raises(UnavailableError, match="tries"):
        Patience(200, clock, lambda: 1.0).call(step)  # type: ignore[arg-type]  # it returns a text
    assert max(clock.waits) == LONGEST
    clock = Clock()
    _, step = failing(clock, 3)
    Patience(60, clock, lambda: 0.0).call(step)  # type: ignore[arg-type]  # it returns a text
    assert clock.waits == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("takes", [0.0, 7.0])
def test_it_gives_up_in_time(takes: float) -> None:
    clock = Clock()
    _, step = failing(clock, 10**6, takes=takes)
    with pytest.raises(UnavailableError) as given_up:
        Patience(30, clock, lambda: 1.0).call(step)  # type: ignore[arg-type]  # it returns a text
    assert clock.time <= 30 + takes
    assert given_up.value.place == "https://models.example"
    assert given_up.value.hint == "Wait."
    assert type(given_up.value) is UnavailableError


def test_what_the_server_asks_for_is_heeded_within_patience() -> None:
    clock = Clock()
    _, step = failing(clock, 2, wait=9.0)
    Patience(30, clock, lambda: 1.0).call(step)  # type: ignore[arg-type]  # it returns a text
    assert clock.waits == [9.0, 9.0]
    clock = Clock()
    _, step = failing(clock, 1, wait=3600.0)
    with pytest.raises(UnavailableError) as given_up:
        Patience(30, clock).call(step)  # type: ignore[arg-type]  # it returns a text
    assert clock.waits == []
    assert "3600 s" in given_up.value.hint


def test_without_patience_there_is_one_try() -> None:
    clock = Clock()
    tries, step = failing(clock, 1)
    with pytest.raises(UnavailableError):
        Patience(0, clock, lambda: 1.0).call(step)  # type: ignore[arg-type]  # it returns a text
    assert len(tries) == 1


def test_what_does_not_pass_is_not_tried_again() -> None:
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        raise NotFoundError("no")

    with pytest.raises(NotFoundError):
        Patience(30).call(step)
    assert len(tries) == 1


def test_it_travels_between_processes() -> None:
    again = pickle.loads(pickle.dumps(AgainError("broke", hint="h", place="p", wait=3)))  # noqa: S301  # made here
    assert (type(again), again.message, again.hint, again.place) == (UnavailableError, "broke", "h", "p")
