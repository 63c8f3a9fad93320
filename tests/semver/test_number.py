"""Semantic numbers: the grammar and the ordering that Semantic Versioning 2.0.0 publishes."""

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.semver import MAX_COMPONENT, MAX_LENGTH, SemanticVersion

COMPONENTS = st.integers(0, 12) | st.integers(0, MAX_COMPONENT)
LETTERS = "0123456789abcxyzABCXYZ-"
IDENTIFIERS = st.integers(0, 10**12).map(str) | st.text(LETTERS, min_size=1, max_size=8).filter(
    lambda text: not text.isdigit()
)
NUMBERS = st.builds(
    SemanticVersion,
    COMPONENTS,
    COMPONENTS,
    COMPONENTS,
    st.lists(IDENTIFIERS, max_size=3).map(tuple),
    st.lists(st.text(LETTERS, min_size=1, max_size=6), max_size=2).map(tuple),
)

# The examples of semver.org's FAQ on a suggested regular expression.
VALID = """
0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta 1.0.0-alpha.beta
1.0.0-alpha.beta.1 1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-alpha.0valid
1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay 1.0.0-rc.1+build.1 2.0.0-rc.1+build.123 1.2.3-beta
10.2.3-DEV-SNAPSHOT 1.2.3-SNAPSHOT-123 1.0.0 2.0.0 1.1.7 2.0.0+build.1848 2.0.1-alpha.1227 1.0.0-alpha+beta
1.2.3----RC-SNAPSHOT.12.9.1--.12+788 1.2.3----R-S.12.9.1--.12+meta 1.2.3----RC-SNAPSHOT.12.9.1--.12
1.0.0+0.build.1-rc.10000aaa-kk-0.1 1.0.0-0A.is.legal
""".split()
INVALID = """
1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid -invalid+invalid -invalid.01 alpha alpha.beta
alpha.beta.1 alpha.1 alpha+beta alpha_beta alpha. alpha.. beta 1.0.0-alpha_beta -alpha. 1.0.0-alpha.. 1.0.0-alpha..1
1.0.0-alpha...1 1.0.0-alpha....1 1.0.0-alpha.....1 1.0.0-alpha......1 1.0.0-alpha.......1 01.1.1 1.01.1 1.1.01
1.2.3.DEV 1.2-SNAPSHOT 1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788 1.2-RC-SNAPSHOT -1.0.3-gamma+b7718 +justmeta
9.8.7+meta+meta 9.8.7-whatever+meta+meta 1.2.3- 1.2.3+ 1.2.3-+build v1.2.3
99999999999999999999999.999999999999999999.99999999999999999----RC-SNAPSHOT.12.09.1--------------------------------..12
""".split()


@pytest.mark.parametrize("text", VALID)
def test_published_valid_examples(text: str) -> None:
    assert str(SemanticVersion.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *INVALID,
        "",
        "1.2.3-\uff11",
        "\u0661.0.0",
        " 1.2.3",
        "1.2.3 ",
        "1.2.3\n",
        "1.2.3\x00",
        "1.2.3-" + "a" * MAX_LENGTH,
    ],
)
def test_published_invalid_examples(text: str) -> None:
    with pytest.raises(InvalidError, match=r"not a semantic version|leading zero") as caught:
        SemanticVersion.parse(text)
    assert "1.4.0" in caught.value.hint


def test_components_have_a_stated_limit() -> None:
    largest = SemanticVersion.parse(f"{MAX_COMPONENT}.{MAX_COMPONENT}.{MAX_COMPONENT}")
    with pytest.raises(InvalidError):
        SemanticVersion.parse(f"{MAX_COMPONENT + 1}.0.0")
    for step in (largest.next_major, largest.next_minor, largest.next_patch):
        with pytest.raises(InvalidError, match="beyond the last number"):
            step()


@given(NUMBERS)
def test_parsing_and_printing_are_inverses(number: SemanticVersion) -> None:
    assert SemanticVersion.parse(str(number)) == number


@pytest.mark.parametrize(
    "rising",
    [
        "1.0.0 2.0.0 2.1.0 2.1.1",
        "1.0.0-alpha 1.0.0",
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
        "1.0.0-0 1.0.0-1 1.0.0-9 1.0.0-10 1.0.0-10a 1.0.0-a 1.0.0-a.0 1.0.0-a.a 1.0.0",
        "1.0.0-A 1.0.0-Z 1.0.0-a",
    ],
)
def test_published_ordering_of_section_11(rising: str) -> None:
    numbers = [SemanticVersion.parse(text) for text in rising.split()]
    for lower, higher in itertools.combinations(numbers, 2):
        assert lower < higher
        assert lower.precedence < higher.precedence
    shuffled = random.Random(7).sample(numbers, len(numbers))
    assert sorted(shuffled) == numbers


def test_build_metadata_counts_for_nothing_in_precedence() -> None:
    left, right = SemanticVersion.parse("1.0.0+1"), SemanticVersion.parse("1.0.0+2")
    assert left.precedence == right.precedence
    assert left != right
    assert left.release == right.release == SemanticVersion(1, 0, 0)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_the_order_is_total(a: SemanticVersion, b: SemanticVersion, c: SemanticVersion) -> None:
    assert [a < b, a == b, b < a].count(True) == 1
    assert (a <= b) == (not b < a)
    if a < b < c:
        assert a < c


def test_other_things_are_not_ordered_with_numbers() -> None:
    with pytest.raises(TypeError):
        _ = SemanticVersion(1, 0, 0) < "1.0.0"


@given(
    NUMBERS.filter(lambda number: max(number.major, number.minor, number.patch) < MAX_COMPONENT),
    st.sampled_from([SemanticVersion.next_major, SemanticVersion.next_minor, SemanticVersion.next_patch]),
)
def test_the_next_number_is_a_higher_release(
    number: SemanticVersion, step: Callable[[SemanticVersion], SemanticVersion]
) -> None:
    following = step(number)
    assert following > number
    assert following.release == following
    assert SemanticVersion.parse(str(following)) == following
