"""The error tree: its picture, its kinds and its one table say the same."""

import inspect
import pickle
import re

import pytest

import stemma.errors
from stemma.errors import ANSWERS, Answer, InvalidError, NotFoundError, StemmaError, answer_for

KINDS: list[type[StemmaError]] = [
    kind for _, kind in inspect.getmembers(stemma.errors, inspect.isclass) if issubclass(kind, StemmaError)
]
EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def drawn() -> dict[str, str]:
    """Return the parent of each kind in the module's picture."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in inspect.cleandoc(stemma.errors.__doc__ or "").splitlines():
        match = re.match(r"(?P<indent>    (?:[│├└─ ]{4})*)(?P<name>\w+Error)\b", line)
        if match:
            depth = len(match["indent"]) // 4 - 1
            above[depth:] = [match["name"]]
            parents[match["name"]] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_picture_shows_the_tree() -> None:
    assert drawn() == {kind.__name__: kind.__mro__[1].__name__ for kind in KINDS}
    assert len(KINDS) == 12


def test_the_picture_follows_the_order_of_the_file() -> None:
    in_file = [kind.__name__ for kind in sorted(KINDS, key=lambda kind: inspect.getsourcelines(kind)[1])]
    assert list(drawn()) == in_file


def test_every_kind_has_one_answer() -> None:
    assert set(ANSWERS) == set(KINDS) - {StemmaError}
    assert all(answer_for(kind("x")) == ANSWERS[kind] for kind in ANSWERS)


def test_codes_are_stable_and_unique() -> None:
    codes = {kind.__name__: kind.code for kind in KINDS}
    assert len(set(codes.values())) == len(KINDS)
    for name, code in codes.items():
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Error")).lower()
        assert code == ("error" if name == "StemmaError" else words)


def test_the_exit_codes_that_scripts_rely_on() -> None:
    exits = {kind.code: answer.exit_code for kind, answer in ANSWERS.items()}
    assert exits == {
        "not_found": 3,
        "already_exists": 5,
        "conflict": 5,
        "invalid": 2,
        "unauthenticated": 4,
        "forbidden": 4,
        "refused": 6,
        "too_large": 2,
        "corrupt": 7,
        "unsupported": 1,
        "unavailable": 8,
    }
    assert all(400 <= answer.http_status < 600 for answer in ANSWERS.values())


@EACH_KIND
def test_every_kind_crosses_processes(kind: type[StemmaError]) -> None:
    error = kind("no model 'a/b'", hint="See `stemma ls`.", place="pack 3, byte 17")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # written in this line
    assert type(again) is kind
    assert (again.message, again.hint, again.place) == (error.message, error.hint, error.place)
    assert str(again) == str(error) == "pack 3, byte 17: no model 'a/b'"


@EACH_KIND
def test_every_kind_says_what_it_means(kind: type[StemmaError]) -> None:
    assert kind.__doc__
    assert str(kind("only a message")) == "only a message"


def test_a_more_special_kind_is_answered_like_its_parent() -> None:
    class NoSuchModelError(NotFoundError):
        """A kind of one subject's own."""

    assert answer_for(NoSuchModelError("x")) == ANSWERS[NotFoundError]
    assert answer_for(StemmaError("x")) == Answer(500, 1, "Error")
    assert answer_for(InvalidError("x")).http_status == 400
