"""Names: the grammar that every protocol can carry, and what a hostile world offers instead."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stemma.errors import InvalidError
from stemma.names import (
    DEFAULT_NAMESPACE,
    MAX_NAME,
    RESERVED,
    SYSTEM_NAMESPACE,
    ModelName,
    check_name,
    check_pointer,
    suggest_name,
)

NAMES = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)*", fullmatch=True).filter(lambda text: len(text) <= MAX_NAME)

HOSTILE = [
    # specs of paths: up, absolute, drive, UNC
    "..", "../x", "..\\x", "/etc", "\\x", "c:", "c:\\x", "//host/share", "~", ".", "a/..", "./a",
    # URL encodings, and signs that have a meaning in paths and addresses
    "%2e%2e", "%252e", "%c0%ae", "a;b", "a#b", "a?b", "a b", "a&b", "a=b", "a:b", "a@b", "a*b", "a|b", "a'b", 'a"b',
    # control, invisible and bidirectional characters
    "a\0b", "a\nb", "a\n", "\na", "a\tb", "a\x1b[31m", "a\x7f", "a\u200b", "\u202ea", "a\u2066b", "\ufeffa", "a\u00ad",
    "a\ud800",
    # what looks alike: composed, decomposed, Cyrillic, full-width, other digits
    "\u00e9", "e\u0301", "\u0430bc", "\uff41bc", "\u0661", "\u00b2", "\u0131", "\u017f", "\u212a",
    # the edges of the grammar
    "", "-a", "a-", ".a", "a.", "_a", "a_", "a--b", "a..b", "a__b", "a.-b", "A", "aB", ".git", "a" * (MAX_NAME + 1),
    "a" * 10**6, SYSTEM_NAMESPACE,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_hostile_names_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a name for a model") as caught:
        check_name(text, "model")
    assert "Use lower-case letters" in caught.value.hint
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
    assert caught.value.hint.isprintable()
    for reference in (f"{text}/a", f"a/{text}"):
        with pytest.raises(InvalidError):
            ModelName.parse(reference)


@given(NAMES)
def test_what_the_grammar_makes_is_a_name(text: str) -> None:
    assert check_name(text, "model") is text


@given(st.text())
@example("My Model (Final) v2.pkl")
@example("ÄÖÜ")
def test_a_suggestion_is_a_name_or_nothing(text: str) -> None:
    suggestion = suggest_name(text)
    assert suggestion == "" or check_name(suggestion, "model") == suggestion


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("Loans", "loans"),
        ("model_final_v2 (actually final).pkl", "model-final-v2-actually-final-pkl"),
        ("Crédit Été", "credit-ete"),
        ("\uff2c\uff4f\uff41\uff4e\uff53", "loans"),
        ("a" * 200, "a" * MAX_NAME),
        ("///", ""),
        ("模型", ""),
    ],
)
def test_suggestions_stay_near(text: str, suggestion: str) -> None:
    assert suggest_name(text) == suggestion


@given(NAMES, NAMES)
def test_parsing_and_printing_models_are_inverses(namespace: str, name: str) -> None:
    model = ModelName.parse(f"{namespace}/{name}")
    assert model == ModelName(namespace, name)
    assert str(model) == f"{namespace}/{name}"
    assert ModelName.parse(name) == ModelName(DEFAULT_NAMESPACE, name)


@pytest.mark.parametrize("text", ["a/b/c", "/a", "a/", "/", "//", "a//b", "", "a/b/"])
def test_a_model_has_one_namespace(text: str) -> None:
    with pytest.raises(InvalidError):
        ModelName.parse(text)


TAKEN = ["7", "v7", "v12", "1.4.0", "1.2", "v1.2", "v1.4.0", "v1.4.0-rc.1", "v1.x", "x", "x.x", "1x", "2024-retrain"]


@pytest.mark.parametrize("text", [*sorted(RESERVED), *TAKEN])
def test_what_another_selector_could_be_names_no_alias(text: str) -> None:
    with pytest.raises(InvalidError, match="cannot name a branch") as caught:
        check_pointer(text, "branch")
    assert "taken" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["production", "main", "gbdt", "v2-candidate", "vision", "x-large", "rc.1", "a1", "latest-2"]
)
def test_ordinary_words_name_aliases_and_branches(text: str) -> None:
    assert check_pointer(text) == text


def test_messages_are_english() -> None:
    with pytest.raises(InvalidError, match="'7' cannot name an alias"):
        check_pointer("7")
    with pytest.raises(InvalidError, match="'A' is not a name for a model"):
        check_name("A", "model")
