"""Text that people write: bounded, and safe to print."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError, TooLargeError
from stemma.registry import Message
from stemma.registry.records.message import MAX_TEXT, clean_line, clean_reason, clean_text, title_key


def test_a_message_says_what_and_perhaps_why() -> None:
    message = Message("  Train on March\r\n\r\nAll rows.  \n", "Drift", "fewer refusals")
    assert message.what == "  Train on March\n\nAll rows."
    assert message.subject == "Train on March"
    assert dict(message.detached()) == {"what": message.what, "why": "Drift"}
    assert dict(Message("x").detached()) == {"what": "x"}


@pytest.mark.parametrize("what", ["", "  ", "\n\t\n"])
def test_a_message_must_say_something(what: str) -> None:
    with pytest.raises(InvalidError, match="does not say"):
        Message(what)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x07", "\x7f", "\x9b", "\ud800", "\u202e", "\u2066"])
def test_what_a_terminal_would_obey_is_refused(character: str) -> None:
    for make in (Message, lambda text: Message("x", text), lambda text: Message("x", "", text)):
        with pytest.raises(InvalidError, match=f"U\\+{ord(character):04X}") as caught:
            make(f"ab{character}c")
        assert caught.value.place == "character 3"


@given(st.text())
def test_clean_text_is_clean(text: str) -> None:
    try:
        clean = clean_text(text, "text")
    except InvalidError:
        return
    assert clean_text(clean, "text") == clean
    assert not any(unicodedata.category(character) == "Cc" for character in clean if character not in "\n\t")


def test_text_is_bounded_in_bytes() -> None:
    assert clean_text("x" * MAX_TEXT, "text") == "x" * MAX_TEXT
    with pytest.raises(TooLargeError):
        clean_text("x" * (MAX_TEXT + 1), "text")
    with pytest.raises(TooLargeError):
        clean_text("é" * (MAX_TEXT // 2 + 1), "text")


def test_a_line_is_one_line() -> None:
    assert clean_line("  Ada  ", "author") == "Ada"
    for text in ("", " ", "a\nb", "a\tb", "a\u2028b"):
        with pytest.raises(InvalidError):
            clean_line(text, "author")


def test_a_reason_is_demanded() -> None:
    assert clean_reason("because ", "going back") == "because"
    for text in (None, "", " \n"):
        with pytest.raises(InvalidError, match="going back needs a reason"):
            clean_reason(text, "going back")


def test_titles_that_look_alike_are_one() -> None:
    assert title_key("Credit Risk") == title_key("CREDIT  risk") == title_key("\uff23redit\u00a0Risk")
    assert title_key("Straße") == title_key("STRASSE")
    assert title_key("Credit Risk") != title_key("Credit-Risk")
