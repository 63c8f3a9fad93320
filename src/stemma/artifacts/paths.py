"""Which paths a manifest may hold: relative, one spelling each, harmless on every file system that can carry them.

Everything that could leave the folder, hide or deceive is refused; what is merely inconvenient elsewhere
(a name that Windows reserves, two names that differ in case) is accepted and listed as a warning.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NoReturn

from stemma.errors import InvalidError, TooLargeError

MAX_PART = 255
MAX_PATH = 4096
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{name}{digit}" for name in ("com", "lpt") for digit in "123456789¹²³"}
)
_WINDOWS_FORBIDDEN = frozenset('<>:"|?*')
# Letters and marks that print nothing, beside the format and control categories.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})


def check_path(path: str) -> str:
    """Return `path` if a manifest may hold it; else an InvalidError that names it and says what is wrong.

    A path is `part/part/…`: each part 1 to 255 bytes of UTF-8 and neither `.` nor `..`, 4,096 bytes together
    (more is a TooLargeError); no backslash, control, bidirectional or invisible character, no lone surrogate.
    """
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        _refuse(path, "is not valid UTF-8", "Rename the file so that its name is UTF-8.")
    if length > MAX_PATH:
        message = f"the path {_shown(path)} is {length} bytes long; at most {MAX_PATH} are possible"
        raise TooLargeError(message, hint="Use shorter or fewer folder names.")
    if "\\" in path:
        _refuse(path, "contains a backslash", "Write '/' between folders; a backslash is a separator on Windows.")
    if not path.isascii() or not path.isprintable():
        _check_characters(path)
    if path.startswith("/"):
        _refuse(path, "is absolute", "Paths are relative to the folder that is pushed.")
    for part in path.split("/"):
        _check_part(path, part)
    return path


def check_paths(files: Sequence[str], directories: Sequence[str]) -> None:
    """Check every path, and that no two are one name and none is both a file and a directory."""
    taken: dict[str, str] = {}
    for path in (*files, *directories):
        key = unicodedata.normalize("NFC", check_path(path))
        if key in taken:
            what = "stands twice" if taken[key] == path else f"and {taken[key]!r} are one name on many systems"
            _refuse(path, what, "Keep one of the two; they differ at most in how accents are encoded.")
        taken[key] = path
    parents: set[str] = set()
    for key in taken:
        end = key.rfind("/")
        while end > 0 and (parent := key[:end]) not in parents:
            parents.add(parent)
            end = parent.rfind("/")
    empty = frozenset(directories)
    for key in sorted(parents & taken.keys()):
        if taken[key] in empty:
            _refuse(taken[key], "is listed as an empty directory but holds something", "List only empty directories.")
        _refuse(taken[key], "is a file and also the folder of another file", "Rename one of the two.")


def portability_warnings(paths: Iterable[str]) -> tuple[str, ...]:
    """Say which paths another operating system could not hold side by side, one sentence each."""
    warnings = []
    folded: dict[str, str] = {}
    for path in paths:
        key = path.casefold() if path.isascii() else unicodedata.normalize("NFKC", path).casefold()
        if key in folded:
            warnings.append(f"{path!r} and {folded[key]!r} differ only in case or form: one would overwrite the other.")
        folded.setdefault(key, path)
        for part in path.split("/"):
            reason = _windows_trouble(part)
            if reason:
                warnings.append(f"{path!r}: {reason} on Windows.")
    return tuple(warnings)


def _windows_trouble(part: str) -> str:
    if part.endswith((".", " ")):
        return f"the trailing {'dot' if part.endswith('.') else 'space'} of {part!r} is dropped"
    if part.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        return f"{part!r} is a device name"
    if not _WINDOWS_FORBIDDEN.isdisjoint(part):
        return f"{part!r} has a character that is not possible"
    return ""


def _check_part(path: str, part: str) -> None:
    if part == "..":
        _refuse(path, "would leave the folder", "Paths are relative to the folder that is pushed.")
    if part in {"", "."}:
        what = "has an empty part" if part == "" else "has a part '.'"
        _refuse(path, what, "Write each folder once, with single '/' between.")
    if len(part) > MAX_PART or len(part.encode("utf-8")) > MAX_PART:
        message = f"the path {_shown(path)} has a part of more than {MAX_PART} bytes"
        raise TooLargeError(message, hint="Shorten that name.")


def _check_characters(path: str) -> None:
    for character in path:
        if character in _INVISIBLE or unicodedata.category(character) in _HIDDEN_CATEGORIES:
            name = unicodedata.name(character, "a control character")
            what = f"contains U+{ord(character):04X} ({name}), which nobody can see"
            _refuse(path, what, "Rename the file, or leave it out of what is pushed.")


def _refuse(path: str, what: str, hint: str) -> NoReturn:
    raise InvalidError(f"the path {_shown(path)} {what}", hint=hint)


def _shown(path: str) -> str:
    return ascii(path if len(path) <= MAX_PART else path[:MAX_PART] + "…")
