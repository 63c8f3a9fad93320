"""References: parsing and printing are inverses, both ways, and what is ambiguous is refused with a suggestion."""

import re
import shlex

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.names import (
    MAX_NAME,
    MAX_REFERENCE,
    RESERVED,
    DigestPrefix,
    Latest,
    ModelName,
    Pointer,
    Reference,
    Selector,
    Sequence,
    check_pointer,
    parse_selector,
)
from stemma.records import Digest
from stemma.semver import Range, SemanticVersion

NAMES = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,3}", fullmatch=True)


def _is_pointer(text: str) -> bool:
    try:
        check_pointer(text)
    except InvalidError:
        return False
    return True


POINTERS = st.from_regex(r"[a-z][a-z0-9]{0,8}([._-][a-z0-9]{1,8}){0,2}", fullmatch=True).filter(_is_pointer)
COMPONENTS = st.integers(0, 50)
NUMBERS = st.builds(
    SemanticVersion,
    COMPONENTS,
    COMPONENTS,
    COMPONENTS,
    st.sampled_from([(), ("rc", "1"), ("gbdt", "2"), ("0",), ("A-b",)]),
    st.sampled_from([(), ("build", "007")]),
)
RANGES = st.builds(
    lambda parts: Range.parse(",".join(parts)),
    st.lists(
        st.builds(
            lambda operator, number: f"{operator}{number.release}",
            st.sampled_from(["^", "~", "=", ">", ">=", "<", "<=", ""]),
            NUMBERS,
        )
        | st.sampled_from(["*", "1.x", "1.2.*", "^1", "~0.2", "1", "1.2", ">= 1"]),
        min_size=1,
        max_size=3,
    ),
)
SELECTORS: st.SearchStrategy[Selector] = (
    NUMBERS
    | RANGES
    | st.builds(Sequence, st.integers(1, 10**12 - 1))
    | st.builds(Pointer, POINTERS)
    | st.binary(max_size=8).map(Digest.of)
    | st.from_regex(r"sha256:[0-9a-f]{8,63}", fullmatch=True).map(DigestPrefix)
    | st.just(Latest())
)
REFERENCES = st.builds(Reference, st.builds(ModelName, NAMES, NAMES), st.none() | SELECTORS, st.none() | NAMES)


@given(REFERENCES)
def test_what_is_printed_is_read_as_the_same(reference: Reference) -> None:
    text = str(reference)
    assert Reference.parse(text) == reference
    assert type(Reference.parse(text).selector) is type(reference.selector)


LIKELY = st.lists(
    st.sampled_from([*"abvx019.-_/@?^~<>=*,: ", "latest", "sha256:", "target=", "?target=", "1.2", "1.4.0", "@", "/"]),
    max_size=14,
).map("".join)


@given(LIKELY | st.text(max_size=40))
@example("me/loans@^1.2 , <2?target=edge")
@example("a/b@=1.2")
@example("a/b@7")
def test_what_is_read_is_printed_as_it_was_written(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidError as error:
        assert error.message  # noqa: PT017  # most texts are refused, some are not
        return
    printed = str(reference)
    assert Reference.parse(printed) == reference
    written = text if "/" in text.partition("@")[0] else f"me/{text}"
    written = re.sub(r"@(?=[1-9]\d*(?:\?|$))", "@v", written)
    assert printed.replace(" ", "") == written.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("1.4.0", SemanticVersion(1, 4, 0)),
        ("1.4.0-gbdt.2", SemanticVersion(1, 4, 0, ("gbdt", "2"))),
        ("^1.2", Range.parse("^1.2")),
        (">=1.2,<2", Range.parse(">=1.2,<2")),
        ("1.2.x", Range.parse("1.2.x")),
        ("*", Range.parse("*")),
        ("v7", Sequence(7)),
        ("7", Sequence(7)),
        ("production", Pointer("production")),
        ("main", Pointer("main")),
        ("sha256:" + "ab" * 32, Digest("sha256:" + "ab" * 32)),
        ("sha256:01234567", DigestPrefix("sha256:01234567")),
        ("latest", Latest()),
    ],
)
def test_each_kind_of_selector(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector
    assert type(parse_selector(text)) is type(selector)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a/b@", "is empty", "--range"),
        ("a/b@1.2", "one number or a range", "'@1.2.0' for that version, '@~1.2' or '@^1.2'"),
        ("a/b@v1.4.0", "'@v1.4.0' is not a selector", "'@1.4.0'"),
        ("a/b@v1.4.0-rc.1", "is not a selector", "'@1.4.0-rc.1'"),
        ("a/b@0", "not a semantic version", "1.4.0"),
        ("a/b@v0", "is not a selector", "'@v7' is the seventh"),
        ("a/b@-1", "not a name", "lower-case"),
        ("a/b@1234567890123", "not a semantic version", "1.4.0"),
        ("a/b@Production", "not a name", "For example: production"),
        ("a/b@head", "cannot name", "taken"),
        ("a/b@sha256:0123456", "not a digest", "64 lower-case"),
        ("a/b@sha256:" + "A" * 64, "not a digest", "64 lower-case"),
        ("a/b@sha256:" + "0" * 65, "not a digest", "64 lower-case"),
        ("a/b@main@main", "not a name", "lower-case"),
        ("a/b@\u00b2", "not a semantic version", "1.4.0"),
        ("@1.4.0", "not a name", "lower-case"),
        ("a/b?", "not understood", "?target=NAME"),
        ("a/b?target=", "not a name for a target", "lower-case"),
        ("a/b?target=a&b=c", "not a name for a target", "lower-case"),
        ("a/b?range=^1", "not understood", "?target=NAME"),
        ("a/b@main?target=a?target=b", "not a name for a target", "lower-case"),
        ("a/b@main\n", "not a name", "lower-case"),
        ("a/b@^1.2\n", "not a range", "^1.2"),
        ("https://host/a/b", "more than one '/'", "one level each"),
        ("a" * (MAX_REFERENCE + 1), "at most 512 characters, not 513", "namespace/name"),
        ("a/b@" + "^1," * 10**5, "at most 512 characters", "namespace/name"),
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_what_is_ambiguous_or_hostile_is_refused_with_a_suggestion(text: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidError) as caught:
        Reference.parse(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 200


@given(st.sampled_from(sorted(RESERVED - {"latest"})))
def test_reserved_words_select_nothing(word: str) -> None:
    with pytest.raises(InvalidError):
        parse_selector(word)


@given(NUMBERS)
def test_no_number_is_taken_for_an_alias(number: SemanticVersion) -> None:
    assume(len(str(number)) <= MAX_NAME)
    for text in (str(number), f"v{number}"):
        with pytest.raises(InvalidError):
            check_pointer(text)


@pytest.mark.parametrize("text", ["acme/loans@^1.2", "acme/loans@1.4.0", "acme/loans@production", "acme/loans@v7"])
def test_common_references_need_no_quoting(text: str) -> None:
    assert shlex.quote(text).strip("'") == text
    assert not set(text) & set("<>*?!$`\\\"'()[]{}|&; ")
