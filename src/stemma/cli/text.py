"""Text for people: what others wrote made safe to print, and figures as they are read.

Invariant: nothing that came from outside reaches a terminal but through `safe`, `first_line` or `lines`.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")
_KILO = 1000
_UNITS = ("kB", "MB", "GB", "TB", "PB")


def safe(text: str) -> str:
    r"""Return `text` on one line, with what a terminal would obey or hide written as an escape: `\x1b`, `\u202e`."""
    return _NOT_ASCII.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def lines(text: str) -> list[str]:
    """Return the lines of `text`, each made safe; tabs become blanks."""
    return [safe(line.replace("\t", "    ")) for line in text.split("\n")]


def first_line(text: str | None) -> str:
    """Return the first line of a message, made safe; a message that was redacted says so."""
    if text is None:
        return "(redacted)"
    return safe(text.strip().partition("\n")[0].replace("\t", " "))


def path_text(path: Path | str) -> str:
    """Return a path as text that can be encoded, whatever bytes its name is made of."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def size(count: int) -> str:
    """Return a number of bytes as it is read: `812 B`, `1.4 MB`."""
    if count < _KILO:
        return f"{count} B"
    figure = float(count)
    for unit in _UNITS:
        figure /= _KILO
        if figure < _KILO - 0.05 or unit == _UNITS[-1]:
            break
    return f"{figure:.1f} {unit}"


def plural(count: int, one: str, many: str = "") -> str:
    """Return `1 file` or `1,204 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def moment(time: str | None) -> str:
    """Return an RFC 3339 time in UTC to the second: `2026-03-03 14:05:12`."""
    return "" if time is None else safe(f"{time[:10]} {time[11:19]}")


def numbered(number: str | None, sequence: int) -> str:
    """Return a version as it is printed: `1.4.0 (v17)`, or `v17` while it has no number."""
    return f"{safe(number)} (v{sequence})" if number else f"v{sequence}"


def short(digest: str | None) -> str:
    """Return the beginning of a digest, long enough to tell and to paste; nothing for nothing."""
    return "" if digest is None else safe(digest[:19])


def joined(items: Iterable[str]) -> str:
    """Return items made safe and listed with commas."""
    return ", ".join(safe(item) for item in items)
