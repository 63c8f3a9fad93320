"""The version's record: one value, one form, one digest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError, UnsupportedError
from stemma.records import Digest, canonical
from stemma.registry import DatasetRole, DatasetUse, External, Parent, ParentKind, Version
from stemma.registry.records.version import DETACHED, MAX_DATASETS, MAX_PARENTS

ONE = Digest.of(b"one")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = f"hf:mistralai/Mistral-7B-v0.1@{COMMIT}"

digests = st.binary(min_size=32, max_size=32).map(Digest.from_raw)
segments = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
externals = st.builds(
    lambda organisation, name, commit: External.parse(f"hf:{organisation}/{name}@{commit.hex()}"),
    segments,
    segments,
    st.binary(min_size=20, max_size=20),
)
parents = st.builds(Parent, st.sampled_from(ParentKind), digests | externals)
uses = st.builds(DatasetUse, st.sampled_from(DatasetRole), digests)
maybe = st.none() | digests
versions = st.builds(
    Version,
    manifest=digests,
    time=st.integers(0, 253_402_300_799_999_999),
    parents=st.lists(parents, max_size=4, unique=True).map(tuple),
    signature=maybe,
    architecture=maybe,
    run=maybe,
    datasets=st.lists(uses, max_size=4, unique=True).map(tuple),
    pipeline=maybe,
    environment=maybe,
    source=maybe,
    commitments=st.dictionaries(st.sampled_from(sorted(DETACHED)), digests),
)


@given(versions)
def test_reading_is_the_inverse_of_writing(version: Version) -> None:
    assert Version.decode(version.encode()) == version
    assert Version.decode(version.encode()).digest == version.digest == Digest.of(version.encode())
    assert hash(version) == hash(Version.decode(version.encode()))


@given(versions, versions)
def test_what_differs_has_another_digest(one: Version, other: Version) -> None:
    assert (one == other) == (one.digest == other.digest)


def test_the_record_is_what_the_specification_shows() -> None:
    version = Version(
        ONE,
        1_772_528_400_000_001,
        (Parent(ParentKind.ADAPTER_OF, External.parse(HUB)), Parent(ParentKind.CONTINUES, ONE)),
        datasets=(DatasetUse(DatasetRole.TRAIN, ONE),),
        commitments={"what": ONE},
    )
    assert version.encode().decode() == (
        f'{{"commitments":{{"what":"{ONE}"}},"datasets":[{{"role":"train","version":"{ONE}"}}],"manifest":"{ONE}",'
        f'"parents":[{{"external":"{HUB}","kind":"adapter_of"}},{{"kind":"continues","version":"{ONE}"}}],'
        '"schema":"stemma/version/1","time":"2026-03-03T09:00:00.000001Z"}'
    )


def test_content_is_what_a_consumer_receives() -> None:
    first = Version(ONE, 1, commitments={"what": ONE})
    later = Version(ONE, 2, (Parent(ParentKind.CONTINUES, first.digest),), environment=ONE)
    assert first.content == later.content
    assert first.content != Version(ONE, 1, signature=ONE).content


PLAIN: dict[str, Any] = json.loads(Version(ONE, 1).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"number": "1.0.0"},
        {"namespace": "risk"},
        {"manifest": "sha256:" + "A" * 64},
        {"manifest": None},
        {"parents": {}},
        {"parents": [{"kind": "continues"}]},
        {"parents": [{"kind": "cousin", "version": ONE}]},
        {"parents": [{"kind": "continues", "version": ONE, "external": HUB}]},
        {"parents": [{"kind": "continues", "version": HUB}]},
        {"parents": [{"kind": "continues", "external": ONE}]},
        {"parents": [{"kind": "continues", "version": ONE, "more": 1}]},
        {"parents": [{"kind": "continues", "version": ONE}] * 2},
        {"parents": ["continues"]},
        {"datasets": [{"role": "train", "version": ONE, "more": 1}]},
        {"datasets": [{"role": "stolen", "version": ONE}]},
        {"datasets": [{"version": ONE}]},
        {"time": "2026-03-03T09:00:00Z"},
        {"time": 1},
        {"commitments": {"secret": ONE}},
        {"commitments": []},
        {"signature": None},
        {"schema": 1},
        {"schema": "stemma/entry/1"},
    ],
)
def test_any_deviation_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptError) as caught:
        Version.decode(canonical(PLAIN | change), place="here")
    assert caught.value.place == "here"


@pytest.mark.parametrize("missing", sorted(PLAIN))
def test_nothing_may_be_missing(missing: str) -> None:
    with pytest.raises(CorruptError):
        Version.decode(canonical({name: value for name, value in PLAIN.items() if name != missing}))


def test_a_later_schema_asks_for_a_later_release() -> None:
    with pytest.raises(UnsupportedError, match="stemma/version/2"):
        Version.decode(canonical(PLAIN | {"schema": "stemma/version/2"}))


def test_other_spellings_of_a_record_are_refused() -> None:
    with pytest.raises(CorruptError):
        Version.decode(json.dumps(PLAIN).encode())
    with pytest.raises(CorruptError):
        Version.decode(b"[]")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hf:org/name",
        "hf:org/name@main",
        f"hf:org/name@{COMMIT[:-1]}",
        f"hf:org/name@{COMMIT.upper()}",
        f"hf:name@{COMMIT}",
        f"hf:a/b/c@{COMMIT}",
        f"hf:../name@{COMMIT}",
        f"hf:org/na..me@{COMMIT}",
        f"hf:org/na me@{COMMIT}",
        f"hf:org/name@{COMMIT}\n",
        f"http:org/name@{COMMIT}",
        f"hf:{'o' * 97}/name@{COMMIT}",
    ],
)
def test_an_outside_model_must_be_pinned(text: str) -> None:
    with pytest.raises(InvalidError):
        External.parse(text)


def test_parents_are_read_as_they_are_typed() -> None:
    assert Parent.parse("adapter_of", HUB) == Parent(ParentKind.ADAPTER_OF, External.parse(HUB))
    assert Parent.parse("continues", ONE).origin == ONE
    with pytest.raises(InvalidError, match="kind of parent") as caught:
        Parent.parse("child_of", ONE)
    assert "fine_tuned_from" in caught.value.hint


def test_a_version_is_bounded() -> None:
    many = [Digest.of(bytes([n % 256, n // 256])) for n in range(300)]
    with pytest.raises(InvalidError, match="at most"):
        Version(ONE, 1, tuple(Parent(ParentKind.MERGED_FROM, each) for each in many[: MAX_PARENTS + 1]))
    with pytest.raises(InvalidError, match="at most"):
        Version(ONE, 1, datasets=tuple(DatasetUse(DatasetRole.TEST, each) for each in many[: MAX_DATASETS + 1]))
    with pytest.raises(InvalidError, match="twice"):
        Version(ONE, 1, (Parent(ParentKind.CONTINUES, ONE),) * 2)
    for time in (-1, 253_402_300_800_000_000):
        with pytest.raises(InvalidError):
            Version(ONE, time)


def test_a_version_cannot_be_changed_by_whoever_made_it() -> None:
    commitments = {"what": ONE}
    version = Version(ONE, 1, commitments=commitments)
    before = version.digest
    commitments["why"] = ONE
    assert version.digest == before
