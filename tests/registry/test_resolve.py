"""References: what each selector means, and what is suggested where it means nothing."""

import pytest

from stemma.errors import InvalidError, NotFoundError
from stemma.names import DigestPrefix
from stemma.records import Digest
from stemma.registry import Numbering, Registration
from stemma.registry.resolve import find_version
from tests.registry.support import CREDIT, OWNER, World

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def world() -> World:
    world = World()
    for chosen in ("1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "2.1.0+cuda"):
        world.push(chosen=chosen)
    world.push(numbering=Numbering(pending=True))
    world.branch("gbdt", "1.1.0")
    world.push(branch="gbdt")
    world.point("production", "1.1.0")
    return world


@pytest.mark.parametrize(
    ("selector", "sequence"),
    [
        ("1.0.0", 1),
        ("1.2.0-rc.1", 3),
        ("2.1.0", 5),
        ("2.1.0+cuda", 5),
        ("^1", 2),
        ("^1.0", 2),
        (">=1.0.0,<2", 2),
        (">=1.2.0-rc.0,<2", 3),
        ("*", 5),
        ("1.x", 2),
        ("v6", 6),
        ("3", 3),
        ("production", 2),
        ("main", 6),
        ("gbdt", 7),
        ("latest", 6),
    ],
)
def test_each_selector_means_one_version(world: World, selector: str, sequence: int) -> None:
    assert world.resolve(f"risk/credit@{selector}").sequence == sequence


def test_no_selector_means_latest(world: World) -> None:
    assert world.resolve("risk/credit").sequence == 6


def test_a_digest_or_its_beginning_means_a_version(world: World) -> None:
    version = world.resolve("risk/credit@v2")
    for text in (version.digest, version.digest[:15], version.digest[:70]):
        assert world.resolve(f"risk/credit@{text}") == version
    for text in ("sha256:" + "0" * 64, "sha256:" + "0" * 10):
        with pytest.raises(NotFoundError, match=f"digest {text}"):
            world.resolve(f"risk/credit@{text}")


def test_a_version_of_another_model_is_not_found_by_its_digest(world: World) -> None:
    other = world.pushed()
    world.push(model=type(CREDIT)("risk", "other"))
    with pytest.raises(NotFoundError):
        world.resolve(f"risk/other@{other.digest}")


def test_an_ambiguous_digest_lists_the_candidates(world: World) -> None:
    for n in range(12):
        digest = Digest("sha256:" + "ab" * 20 + f"{n:024x}")
        version = Registration(CREDIT, 8 + n, digest, digest, "main", 1, "u_1", 1)
        world.do(lambda tx, v=version: tx.registry.versions.add(v))  # type: ignore[misc]  # a loop's own value
    with pytest.raises(InvalidError, match=r"could be any of v8 abababababab, .* and more") as caught:
        world.do(lambda tx: find_version(tx, CREDIT, DigestPrefix("sha256:" + "ab" * 8)))
    assert caught.value.hint == "Write more digits of the digest."


def test_ranges_and_lines_pass_over_what_is_withdrawn(world: World) -> None:
    for selector in ("2.1.0", "2.0.0", "v6"):
        world.withdraw(selector)
    assert world.resolve("risk/credit@*").sequence == 2
    assert world.resolve("risk/credit@latest").sequence == 3
    assert world.resolve("risk/credit@main").sequence == 3
    assert world.resolve("risk/credit@2.0.0").withdrawn is not None
    with pytest.raises(NotFoundError, match=r"satisfies '\^2'") as caught:
        world.resolve("risk/credit@^2")
    assert caught.value.hint == "The highest are 1.2.0-rc.1, 1.2.0-gbdt.1, 1.1.0."


def test_a_range_looks_behind_many_prereleases() -> None:
    world = World()
    world.push(chosen="1.0.0")
    world.branch("gbdt", "v1")
    for _ in range(300):
        world.push(branch="gbdt", files="same")
    assert world.resolve("risk/credit@^1").sequence == 1
    assert str(world.pushed(branch="gbdt").number) == "1.1.0-gbdt.301"


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("risk/credti", "no model risk/credti", "Did you mean risk/credit?"),
        ("risk/zzz", "no model risk/zzz", ""),
        ("risk/credit@1.0.1", "no version 1.0.1", "risk/credit@1.0.0"),
        ("risk/credit@2.1.0+rocm", "no version 2.1.0+rocm", "2.1.0+cuda"),
        ("risk/credit@v99", "no version v99", "v1 to v7"),
        ("risk/credit@prodution", "no alias or branch 'prodution'", "Did you mean risk/credit@production?"),
        ("risk/credit@zzz", "no alias or branch 'zzz'", "production, gbdt, main"),
        ("risk/credit@^7", "satisfies '^7'", "2.1.0+cuda, 2.0.0"),
        ("risk/credit@v1?target=edge-int8", "no build", "Leave '?target=' out"),
    ],
)
def test_what_is_not_there_comes_with_a_suggestion(world: World, reference: str, message: str, hint: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        world.resolve(reference)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_model_without_versions_says_so() -> None:
    world = World()
    from_owner = world.registry.create_model
    world.do(lambda tx: from_owner(tx, OWNER, CREDIT))
    for selector, hint in (("v1", "no versions yet"), ("^1", "has a number"), ("latest", "stemma push")):
        with pytest.raises(NotFoundError) as caught:
            world.resolve(f"risk/credit@{selector}")
        assert hint in caught.value.hint
    world.push(branch="gbdt")
    with pytest.raises(NotFoundError) as caught:
        world.resolve("risk/credit")
    assert caught.value.hint == "Name a branch: gbdt."
