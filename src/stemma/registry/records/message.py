"""What people write about a version, a move or a model: bounded text that is safe to print.

Text is kept beside a record and committed to inside it, so that it can be redacted. Lines end with a newline; control
characters other than newline and tab are refused (a terminal would obey them), and so are characters that change
the direction of the text around them.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from stemma.errors import InvalidError, TooLargeError

MAX_TEXT = 64 * 1024
MAX_LINE = 256
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_text(text: str, what: str, *, limit: int = MAX_TEXT) -> str:
    """Return `text` with newlines as line ends and no white space at its end.

    `limit` is in bytes of UTF-8. A control or direction character, or half a surrogate pair, is an InvalidError that
    says which and where.
    """
    if text.isascii() and len(text) <= limit and text.isprintable():
        return text.rstrip(" ")
    clean = text.replace("\r\n", "\n").rstrip()
    if len(clean) > limit or len(clean.encode("utf-8", "replace")) > limit:
        raise TooLargeError(
            f"the {what} is longer than {limit} bytes", hint="Put long documents among the files of the version."
        )
    for offset, character in enumerate(clean):
        if character in "\n\t":
            continue
        if unicodedata.category(character) in {"Cc", "Cs"} or character in _DIRECTION:
            raise InvalidError(
                f"the {what} contains the character U+{ord(character):04X}",
                hint="Control characters and direction marks are refused; newline and tab are allowed.",
                place=f"character {offset + 1}",
            )
    return clean


def clean_line(text: str, what: str, *, limit: int = MAX_LINE) -> str:
    """Return `text`, one line that is not empty, without white space around it; `limit` is in bytes of UTF-8."""
    clean = clean_text(text, what, limit=limit).strip()
    if not clean:
        raise InvalidError(f"the {what} is empty")
    if clean.isascii() and clean.isprintable():
        return clean
    if "\n" in clean or "\t" in clean or "\u2028" in clean or "\u2029" in clean:
        raise InvalidError(f"the {what} has more than one line", hint="Write it on one line, without tabs.")
    return clean


def clean_reason(text: str | None, action: str) -> str:
    """Return the reason that `action` demands; its absence is an InvalidError."""
    clean = clean_text(text or "", "reason")
    if not clean:
        raise InvalidError(f"{action} needs a reason", hint="Say why, with -m REASON.")
    return clean


def title_key(title: str) -> bytes:
    """Return what is unique of a title in its namespace: a hash of it after NFKC and case folding, spaces collapsed."""
    return hashlib.sha256(" ".join(fold(title).split()).encode()).digest()


def fold(text: str) -> str:
    """Return what is the same for texts that differ in case or form only: NFKC and case folding (Unicode, D145)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True, slots=True)
class Message:
    """What changed, why, and with what impact as far as its author can say; measured impact is evidence."""

    what: str
    why: str = ""
    impact: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "why", "impact"):
            object.__setattr__(self, name, clean_text(getattr(self, name), name))
        if not self.what:
            raise InvalidError("the message does not say what changed", hint="Say it in a few words, with -m MESSAGE.")

    @property
    def subject(self) -> str:
        """The first line of `what`, for listings."""
        return self.what.lstrip().partition("\n")[0]

    def detached(self) -> Iterator[tuple[str, str]]:
        """Yield the texts that the version's record commits to, by name."""
        yield "what", self.what
        if self.why:
            yield "why", self.why
