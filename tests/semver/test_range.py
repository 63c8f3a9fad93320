"""Ranges: npm's meaning, held against the answers of npm itself."""

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.semver import Range, SemanticVersion, is_range

VECTORS = Path(__file__).parent / "npm_vectors.tsv"
ZERO = SemanticVersion(0, 0, 0)
OPERATORS = ["", "=", "^", "~", ">", ">=", "<", "<="]


def random_number(source: random.Random, *, prereleases: float = 0.4) -> str:
    text = f"{source.randrange(3)}.{source.randrange(3)}.{source.randrange(3)}"
    if source.random() < prereleases:
        text += "-" + source.choice(["0", "1", "10", "alpha", "alpha.1", "beta", "rc.1"])
    return text


def random_comparison(source: random.Random) -> str:
    whole = random_number(source)
    parts = whole.partition("-")[0].split(".")
    choice = source.random()
    if choice < 0.5:
        return source.choice(OPERATORS) + whole
    if choice < 0.75:
        return source.choice(OPERATORS) + ".".join(parts[: source.randrange(1, 3)])
    if choice < 0.95:
        kept = source.randrange(1, 3)
        return source.choice(OPERATORS) + ".".join(
            parts[:kept] + [source.choice("xX*")] * source.randrange(1, 4 - kept)
        )
    return "*"


def test_a_thousand_ranges_admit_what_npm_admits() -> None:
    """216,000 answers of npm's own `semver`; its only other implementation on PyPI errs on pre-releases."""
    endings = ["-0", "-1", "-10", "-alpha", "-alpha.1", "-beta", "-rc.1", ""]
    grid = [
        SemanticVersion.parse(f"{major}.{minor}.{patch}{ending}")
        for major, minor, patch in itertools.product(range(3), repeat=3)
        for ending in endings
    ]
    _, *lines = VECTORS.read_text().splitlines()
    assert len(lines) == 1000
    for line in lines:
        text, mask = line.split("\t")
        read = Range.parse(text)
        for index, number in enumerate(grid):
            if number.release == ZERO and number.prerelease:
                continue  # npm drops '>=0.0.0' from a range, and with it the only bound that these fail
            assert read.admits(number) == bool(int(mask, 16) >> index & 1), f"{text} and {number}"


@pytest.mark.parametrize("text", ["~0.0.0-1,~0", "=0.0.x,>=0.0.0-alpha"])
def test_unlike_in_npm_no_prerelease_of_zero_is_at_least_zero(text: str) -> None:
    assert not Range.parse(text).admits(SemanticVersion.parse("0.0.0-rc.1"))
    assert Range.parse(text).admits(ZERO)


# The equivalences that the documentation of npm's semver publishes.
@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("~1.2.3", ">=1.2.3,<1.3.0-0"),
        ("~1.2", ">=1.2.0,<1.3.0-0"),
        ("~1", ">=1.0.0,<2.0.0-0"),
        ("~0.2.3", ">=0.2.3,<0.3.0-0"),
        ("~0", ">=0.0.0,<1.0.0-0"),
        ("~1.2.3-beta.2", ">=1.2.3-beta.2,<1.3.0-0"),
        ("^1.2.3", ">=1.2.3,<2.0.0-0"),
        ("^0.2.3", ">=0.2.3,<0.3.0-0"),
        ("^0.0.3", ">=0.0.3,<0.0.4-0"),
        ("^1.2.3-beta.2", ">=1.2.3-beta.2,<2.0.0-0"),
        ("^0.0.3-beta", ">=0.0.3-beta,<0.0.4-0"),
        ("^1.2.x", ">=1.2.0,<2.0.0-0"),
        ("^0.0.x", ">=0.0.0,<0.1.0-0"),
        ("^0.0", ">=0.0.0,<0.1.0-0"),
        ("^1.x", ">=1.0.0,<2.0.0-0"),
        ("^0.x", ">=0.0.0,<1.0.0-0"),
        ("*", ">=0.0.0"),
        ("1.x", ">=1.0.0,<2.0.0-0"),
        ("1.2.x", ">=1.2.0,<1.3.0-0"),
        ("1", ">=1.0.0,<2.0.0-0"),
        ("=1.2.3", "1.2.3"),
        (">1.2", ">=1.3.0"),
        ("<=1.2", "<1.3.0-0"),
    ],
)
def test_published_equivalences(text: str, same: str) -> None:
    assert Range.parse(text).bounds == Range.parse(same).bounds


@pytest.mark.parametrize(
    ("text", "number", "admitted"),
    [
        (">1.2.3-alpha.3", "1.2.3-alpha.7", True),
        (">1.2.3-alpha.3", "3.4.5-alpha.9", False),
        (">1.2.3-alpha.3", "3.4.5", True),
        ("*", "1.0.0-rc.1", False),
        ("^1", "2.0.0-rc.1", False),
        ("<2", "2.0.0-rc.1", False),
        ("^1.2", "1.9.0+build.7", True),
        (">=1.2,<2", "1.2.0", True),
        (">=1.2,<2", "2.0.0", False),
        ("<*", "0.0.0", False),
        (">=*", "0.0.0", True),
    ],
)
def test_prereleases_are_admitted_only_where_they_are_named(text: str, number: str, admitted: bool) -> None:
    assert Range.parse(text).admits(SemanticVersion.parse(number)) is admitted


@given(st.randoms(use_true_random=False))
def test_parsing_and_printing_are_inverses_and_never_look_like_one_number(source: random.Random) -> None:
    text = ", ".join(random_comparison(source) for _ in range(source.choice([1, 1, 2])))
    read = Range.parse(f" {text} ")
    assert Range.parse(str(read)) == read
    assert is_range(str(read))
    assert str(read) in {text, f"={text}"}


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "1.2,", ",1", "^", ">=", "=>1", "==1", "^^1", "1 2", "1 || 2", "1.0 - 2.0", "1.2.3.4", "x.1", "1.x.1",
        "^1.x-rc", "1.2-rc", "*-rc", "^01.2", "^1.2.3-01", "^1.2.3+build", "1.2\n", "^1.2\t", "^\u0661", "latest", "-1",
        "\u00a01", "<" * 10**6, ",".join(["^1"] * 10**5), "^" + "9" * 100,
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_what_is_no_range_is_invalid(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Range.parse(text)
    assert caught.value.hint
    assert len(str(caught.value)) < 200
