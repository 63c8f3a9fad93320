"""Text for people, and what others wrote made safe."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.cli.text import first_line, lines, moment, numbered, path_text, plural, safe, short, size

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    for out in (safe(text), first_line(text), *lines(text)):
        assert not {unicodedata.category(character) for character in out} & OBEYED


@given(st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" ")))
def test_what_is_harmless_is_printed_as_it_is(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb", "a\\rb"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x1b]8;;http://evil\x07click\x1b]8;;\x07", "\\x1b]8;;http://evil\\x07click\\x1b]8;;\\x07"),
        ("half\ud800", "half\\ud800"),
    ],
)
def test_hostile_text_is_shown_as_escapes(hostile: str, shown: str) -> None:
    assert safe(hostile) == shown


def test_the_title_of_a_message_is_its_first_line() -> None:
    assert first_line("\n  Fix age < 0\nand more") == "Fix age < 0"
    assert first_line(None) == "(redacted)"
    assert lines("one\ttab\ntwo") == ["one    tab", "two"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_400_000, "1.4 MB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (999_999_999, "1.0 GB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_sizes_are_read_in_thousands(count: int, text: str) -> None:
    assert size(count) == text


def test_figures_are_read_by_people() -> None:
    assert (plural(1, "file"), plural(1204, "file"), plural(2, "entry", "entries")) == (
        "1 file",
        "1,204 files",
        "2 entries",
    )
    assert moment("2026-03-03T14:05:12.000001Z") == "2026-03-03 14:05:12"
    assert moment(None) == ""
    assert (numbered("1.4.0", 17), numbered(None, 17)) == ("1.4.0 (v17)", "v17")
    assert short("sha256:" + "ab" * 32) == "sha256:abababababab"


def test_a_path_of_any_bytes_can_be_encoded() -> None:
    assert path_text(Path("caf\udce9")).encode() == b"caf\\udce9"
