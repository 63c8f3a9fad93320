"""Which number a version gets: pure rules, then the same through the registry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import AlreadyExistsError, ConflictError, InvalidError
from stemma.registry import Numbering
from stemma.registry.numbering import (
    Line,
    bare,
    counter_span,
    next_prerelease,
    next_release,
    order_key,
    prerelease_counter,
    prerelease_label,
    span,
)
from stemma.semver import Range, SemanticVersion
from tests.registry.support import CREDIT, OWNER, World, number, select

pytestmark = pytest.mark.usefixtures("each_database")

small = st.integers(0, 12) | st.integers(0, 10**15 - 1)
identifiers = st.from_regex(r"0|[1-9][0-9]{0,20}|[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*", fullmatch=True).filter(
    lambda text: len(text) < 30
)
numbers = st.builds(SemanticVersion, small, small, small, st.lists(identifiers, max_size=3).map(tuple))


@given(numbers, numbers)
def test_order_keys_sort_as_precedence_does(one: SemanticVersion, other: SemanticVersion) -> None:
    assert (order_key(one) < order_key(other)) == (one.precedence < other.precedence)
    assert (order_key(one) == order_key(other)) == (one.precedence == other.precedence)


def test_order_keys_sort_the_example_of_the_specification() -> None:
    """SemVer 2.0.0, section 11.4."""
    text = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0"
    keys = [order_key(number(each)) for each in text.split()]
    assert keys == sorted(set(keys))


def test_build_metadata_makes_no_other_number() -> None:
    assert order_key(number("1.0.0+a")) == order_key(number("1.0.0+b"))
    assert bare(number("1.0.0-rc.1+a")) == number("1.0.0-rc.1")


@given(
    numbers, st.sampled_from(["^1.2", "~1.2.3", ">=1,<2", "*", "1.2.x", ">=1.0.0-rc.1", "<=3", ">2", "<0", "=1.2.3"])
)
def test_a_span_holds_all_of_its_range(each: SemanticVersion, text: str) -> None:
    low, high = span(Range.parse(text))
    if Range.parse(text).admits(each):
        assert low <= order_key(each) < high


@given(st.integers(1, 10**9), numbers)
def test_counters_lie_in_their_span(count: int, other: SemanticVersion) -> None:
    low, high = counter_span(number("1.4.0"), "gbdt")
    mine = number(f"1.4.0-gbdt.{count}")
    assert low <= order_key(mine) < high
    assert prerelease_counter(mine, "gbdt") == count
    if other.release != number("1.4.0") or not other.prerelease or other.prerelease[0] != "gbdt":
        assert not low <= order_key(other) < high
        assert prerelease_counter(other, "gbdt") == 0


def free(_: SemanticVersion) -> bool:
    return False


@pytest.mark.parametrize(
    ("released", "taken", "experimental", "expected"),
    [
        (None, "", False, "1.0.0"),
        (None, "", True, "0.1.0"),
        (None, "1.0.0 1.1.0", False, "1.2.0"),
        ("1.3.2", "", False, "1.4.0"),
        ("1.3.0", "1.4.0 1.5.0", False, "1.6.0"),
        ("0.1.0", "", True, "0.2.0"),
        ("0.1.0", "", False, "0.2.0"),
        ("2.0.0+build", "", False, "2.1.0"),
    ],
)
def test_the_next_release(released: str | None, taken: str, experimental: bool, expected: str) -> None:
    line = Line("main", number(released) if released else None)
    bound = {number(each) for each in taken.split()}
    assert next_release(line, bound.__contains__, experimental=experimental) == number(expected)


def test_a_line_that_is_out_is_not_experimental() -> None:
    with pytest.raises(ConflictError, match="no longer experimental"):
        next_release(Line("main", number("1.0.0")), free, experimental=True)


def test_a_number_has_bounded_digits() -> None:
    with pytest.raises(InvalidError):
        next_release(Line("main", number("1.999999999999999.0")), free)


@pytest.mark.parametrize(
    ("line", "taken", "last", "expected"),
    [
        (Line("gbdt", number("1.3.0")), "", 0, "1.4.0-gbdt.1"),
        (Line("gbdt", number("1.3.0"), number("1.4.0")), "", 1, "1.4.0-gbdt.2"),
        (Line("gbdt", number("1.3.0"), number("1.4.0")), "1.4.0", 1, "1.5.0-gbdt.2"),
        (Line("gbdt", number("1.4.0"), number("1.4.0")), "", 1, "1.5.0-gbdt.2"),
        (Line("gbdt", None, number("2.0.0")), "", 3, "2.0.0-gbdt.4"),
        (Line("a.b_c", None, None), "", 0, "1.0.0-a-b-c.1"),
    ],
)
def test_the_next_prerelease(line: Line, taken: str, last: int, expected: str) -> None:
    bound = {number(each) for each in taken.split()}
    assert next_prerelease(line, bound.__contains__, lambda _release, _label: last) == number(expected)


def test_the_label_of_any_branch_is_an_identifier() -> None:
    assert prerelease_label("team.x_y-z") == "team-x-y-z"
    SemanticVersion.parse(f"1.0.0-{prerelease_label('a' * 63)}.1")


def test_a_pending_number_is_not_chosen() -> None:
    with pytest.raises(InvalidError):
        Numbering(chosen=number("1.0.0"), pending=True)
    with pytest.raises(InvalidError):
        Numbering(experimental=True, pending=True)


# Through the registry


def test_versions_on_main_are_counted_up() -> None:
    world = World()
    assert [str(world.pushed()) for _ in range(3)] == ["1.0.0 (v1)", "1.1.0 (v2)", "1.2.0 (v3)"]
    assert str(world.pushed(chosen="1.2.1")) == "1.2.1 (v4)"
    assert str(world.pushed(chosen="2.0.0")) == "2.0.0 (v5)"
    assert str(world.pushed()) == "2.1.0 (v6)"


def test_an_experimental_line_stays_below_one() -> None:
    world = World()
    assert str(world.push(numbering=Numbering(experimental=True)).version.number) == "0.1.0"
    assert str(world.pushed().number) == "0.2.0"
    assert str(world.pushed(chosen="1.0.0").number) == "1.0.0"
    with pytest.raises(ConflictError):
        world.push(numbering=Numbering(experimental=True))


def test_a_number_is_never_used_again() -> None:
    world = World()
    world.push(chosen="1.0.0")
    with pytest.raises(AlreadyExistsError, match=r"1\.0\.0 is v1: numbers are never used again"):
        world.push(chosen="1.0.0")
    with pytest.raises(AlreadyExistsError):
        world.push(chosen="1.0.0+other")
    world.push()
    world.withdraw("1.0.0")
    with pytest.raises(AlreadyExistsError, match="which is withdrawn"):
        world.push(chosen="1.0.0")
    assert world.actions().count("version.register") == 2


def test_a_prerelease_does_not_come_after_its_release() -> None:
    world = World()
    assert str(world.pushed(chosen="1.4.0-rc.1")) == "1.4.0-rc.1 (v1)"
    world.push(chosen="1.4.0")
    with pytest.raises(ConflictError, match="would come before") as caught:
        world.push(chosen="1.4.0-rc.2")
    assert "1.5.0-rc.1" in caught.value.hint


def test_work_off_main_carries_prereleases_until_it_is_released() -> None:
    world = World()
    world.push(chosen="1.3.0")
    world.branch("gbdt", "1.3.0")
    assert [str(world.pushed(branch="gbdt").number) for _ in range(2)] == ["1.4.0-gbdt.1", "1.4.0-gbdt.2"]
    released = world.do(lambda tx: world.registry.versions.release(tx, OWNER, CREDIT, select("1.4.0-gbdt.2")))
    assert (str(released), str(released.prerelease)) == ("1.4.0 (v3)", "1.4.0-gbdt.2")
    assert world.resolve("risk/credit@1.4.0-gbdt.2") == world.resolve("risk/credit@1.4.0") == released
    assert str(world.pushed(branch="gbdt").number) == "1.5.0-gbdt.1"
    assert str(world.pushed().number) == "1.5.0"
    assert str(world.pushed(branch="gbdt").number) == "1.6.0-gbdt.1"


def test_a_branch_of_a_branch_works_towards_the_same_release() -> None:
    world = World()
    world.push(chosen="1.3.0")
    world.branch("gbdt", "1.3.0")
    world.push(branch="gbdt")
    world.branch("gbdt.deep", "1.4.0-gbdt.1")
    world.branch("gbdt_deep", "1.4.0-gbdt.1")
    assert str(world.pushed(branch="gbdt.deep").number) == "1.4.0-gbdt-deep.1"
    assert str(world.pushed(branch="gbdt_deep").number) == "1.4.0-gbdt-deep.2"
    assert str(world.pushed(branch="gbdt", chosen="1.4.0-gbdt-deep.3.x").number) == "1.4.0-gbdt-deep.3.x"
    assert str(world.pushed(branch="gbdt.deep").number) == "1.4.0-gbdt-deep.3"


def test_a_branch_without_numbers_starts_from_main() -> None:
    world = World()
    world.push(numbering=Numbering(pending=True))
    world.push(chosen="3.0.0")
    world.branch("new", "v1")
    assert str(world.pushed(branch="new").number) == "3.1.0-new.1"


def test_the_first_line_need_not_be_main() -> None:
    world = World()
    assert str(world.pushed(branch="gbdt").number) == "1.0.0-gbdt.1"
    assert str(world.pushed().number) == "1.0.0"
    assert str(world.pushed(branch="gbdt").number) == "1.1.0-gbdt.1"


def test_a_release_is_bound_once() -> None:
    world = World()
    release = world.registry.versions.release
    world.push(numbering=Numbering(pending=True))
    assert world.resolve("risk/credit@v1").number is None
    with pytest.raises(InvalidError, match="is a pre-release"):
        world.do(lambda tx: release(tx, OWNER, CREDIT, select("v1"), number("1.0.0-rc.1")))
    assert str(world.do(lambda tx: release(tx, OWNER, CREDIT, select("v1")))) == "1.0.0 (v1)"
    with pytest.raises(ConflictError, match="released already"):
        world.do(lambda tx: release(tx, OWNER, CREDIT, select("v1"), number("2.0.0")))
    world.push(numbering=Numbering(pending=True))
    with pytest.raises(AlreadyExistsError):
        world.do(lambda tx: release(tx, OWNER, CREDIT, select("v2"), number("1.0.0")))
    assert str(world.do(lambda tx: release(tx, OWNER, CREDIT, select("v2"), number("1.0.1")))) == "1.0.1 (v2)"


def test_a_withdrawn_version_is_not_released() -> None:
    world = World()
    world.push(numbering=Numbering(pending=True))
    world.withdraw("v1")
    with pytest.raises(ConflictError, match="withdrawn"):
        world.do(lambda tx: world.registry.versions.release(tx, OWNER, CREDIT, select("v1")))


def test_a_release_that_was_taken_meanwhile_moves_on() -> None:
    world = World()
    world.push(chosen="1.3.0")
    world.branch("gbdt", "1.3.0")
    world.push(branch="gbdt")
    assert str(world.pushed().number) == "1.4.0"
    released = world.do(lambda tx: world.registry.versions.release(tx, OWNER, CREDIT, select("1.4.0-gbdt.1")))
    assert str(released.number) == "1.5.0"


def test_counters_are_found_behind_many_other_numbers() -> None:
    world = World()
    world.push(branch="gbdt")
    for n in range(130):
        world.push(branch="gbdt", chosen=f"1.0.0-gbdt.7.{n}")
    assert str(world.pushed(branch="gbdt").number) == "1.0.0-gbdt.2"
