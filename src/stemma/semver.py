"""Semantic numbers and ranges, by Semantic Versioning 2.0.0.

`SemanticVersion` orders by precedence (section 11; build metadata counts for nothing). `Range` is what a
consumer depends on: `^1.2`, `~1.2.3`, `>=1.2,<2`, `1.2.x`, `*`. Ranges mean what they mean in npm, so a range
admits a pre-release only if it names a pre-release of the same major.minor.patch; a comma stands for npm's blank,
and there is no `||`, no hyphen range, and no pre-release or number behind a wildcard, which npm ignores.
"""

import re
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from typing import Self

from stemma.errors import InvalidError

MAX_LENGTH = 128
MAX_COMPONENT = 10**15 - 1
_NUMBER = re.compile(
    r"(?P<major>0|[1-9]\d{0,14})\.(?P<minor>0|[1-9]\d{0,14})\.(?P<patch>0|[1-9]\d{0,14})"
    r"(?:-(?P<prerelease>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_PARTIAL = re.compile(
    r"(?P<operator>\^|~|>=|<=|>|<|=)? *"
    r"(?P<major>0|[1-9]\d{0,14}|[xX*])"
    r"(?:\.(?P<minor>0|[1-9]\d{0,14}|[xX*]))?"
    r"(?:\.(?P<patch>0|[1-9]\d{0,14}|[xX*]))?"
    r"(?:-(?P<prerelease>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_SURELY_RANGE = re.compile(r"[\^~<>=*].*|.*,.*|\d+(?:\.\d+)?(?:\.[xX*])+", re.ASCII | re.DOTALL)
_RANGE_HINT = "Write for example '^1.2', '~1.2.3' or '>=1.2,<2'."
_HINT = "Write major.minor.patch, for example 1.4.0 or 2.0.0-rc.1."


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[int, int, int, tuple[str, ...], tuple[str, ...]]:
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if not match:
        raise InvalidError(f"{text[:80]!r} is not a semantic version", hint=_HINT)
    prerelease = tuple(match["prerelease"].split(".")) if match["prerelease"] else ()
    if any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in prerelease):
        raise InvalidError(f"{text!r} has a pre-release number with a leading zero", hint=_HINT)
    build = tuple(match["build"].split(".")) if match["build"] else ()
    return (int(match["major"]), int(match["minor"]), int(match["patch"]), prerelease, build)


@total_ordering
@dataclass(frozen=True, slots=True)
class SemanticVersion:
    """`major.minor.patch[-prerelease][+build]`; equality is of the text, ordering is by precedence, then build."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()
    build: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a printed number; anything that SemVer 2.0.0 does not allow is an InvalidError."""
        return cls(*_parse(text))

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.prerelease:
            text += "-" + ".".join(self.prerelease)
        return text + ("+" + ".".join(self.build) if self.build else "")

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, SemanticVersion):
            return NotImplemented
        return (self.precedence, self.build) < (other.precedence, other.build)

    @property
    def release(self) -> "SemanticVersion":
        """The same number without pre-release and build."""
        return SemanticVersion(self.major, self.minor, self.patch)

    @property
    def precedence(self) -> tuple[int, int, int, tuple[tuple[int, int, str], ...]]:
        """A key that orders by SemVer section 11: a release after its pre-releases, digits before letters."""
        parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.prerelease)
        return (self.major, self.minor, self.patch, parts or ((2, 0, ""),))

    def next_major(self) -> "SemanticVersion":
        """Return the next number that may break consumers."""
        return _in_bounds(_after(self, 1))

    def next_minor(self) -> "SemanticVersion":
        """Return the next compatible number."""
        return _in_bounds(_after(self, 2))

    def next_patch(self) -> "SemanticVersion":
        """Return the next number that consumers cannot tell apart from this one."""
        return _in_bounds(_after(self, 3))


@dataclass(frozen=True, slots=True)
class Bound:
    """One comparison of a range: operator `>=`, `>`, `<`, `<=` or `=`, and a number."""

    operator: str
    number: SemanticVersion

    def admits(self, number: SemanticVersion) -> bool:
        """Return whether `number` satisfies this comparison by precedence."""
        left, right = number.precedence, self.number.precedence
        match self.operator:
            case ">=":
                return left >= right
            case ">":
                return left > right
            case "<":
                return left < right
            case "<=":
                return left <= right
            case _:
                return left == right


@dataclass(frozen=True, slots=True)
class Range:
    """A set of semantic numbers, kept as it was written, but for an `=` before what could be taken for one number."""

    text: str
    bounds: tuple[Bound, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read comma-separated comparisons, all of which must hold; an unreadable one is an InvalidError."""
        text = text.strip(" ")
        parts = [part.strip(" ") for part in text.split(",")]
        if len(text) > MAX_LENGTH or not all(parts):
            raise InvalidError(f"{text[:80]!r} is not a range of versions", hint=_RANGE_HINT)
        bounds = tuple(bound for part in parts for bound in _bounds(part))
        return cls(text if is_range(text) else f"={text}", bounds)

    def __str__(self) -> str:
        return self.text

    def admits(self, number: SemanticVersion) -> bool:
        """Return whether `number` lies in the range; see the module for pre-releases."""
        if not all(bound.admits(number) for bound in self.bounds):
            return False
        return not number.prerelease or any(
            bound.number.prerelease and bound.number.release == number.release for bound in self.bounds
        )


def is_range(text: str) -> bool:
    """Return whether `text`, if it can be read at all, can only be a range and not one number."""
    return _SURELY_RANGE.fullmatch(text) is not None


def _bounds(part: str) -> list[Bound]:
    match = _PARTIAL.fullmatch(part)
    if not match:
        raise InvalidError(f"{part[:80]!r} is not a range of versions", hint=_RANGE_HINT)
    given: list[int] = []
    for name in ("major", "minor", "patch"):
        if match[name] is None or match[name] in "xX*":
            break
        given.append(int(match[name]))
    if any(match[name] not in (None, "x", "X", "*") for name in ("major", "minor", "patch")[len(given) :]):
        raise InvalidError(f"{part!r} has a number after a wildcard", hint="Write for example '1.x' or '1.2.x'.")
    prerelease = match["prerelease"]
    if prerelease and len(given) < 3:  # noqa: PLR2004  # major, minor and patch
        raise InvalidError(f"{part!r} has a pre-release without a whole number before it", hint=_HINT)
    major, minor, patch = (*given, 0, 0, 0)[:3]
    low = SemanticVersion(major, minor, patch)
    if prerelease:
        low = SemanticVersion.parse(f"{low}-{prerelease}")
    return _expand(match["operator"] or "", low, len(given))


def _expand(operator: str, low: SemanticVersion, given: int) -> list[Bound]:
    """Turn one comparison with `given` of three components into plain bounds."""
    if given == 0:
        return [Bound("<", SemanticVersion(0, 0, 0, ("0",)))] if operator in ("<", ">") else [Bound(">=", _ZERO)]
    after = _after(low, given)
    whole = given == 3  # noqa: PLR2004  # major, minor and patch
    match operator:
        case "^":
            return [Bound(">=", low), Bound("<", _floor(_after(low, _leftmost(low, given))))]
        case "~":
            return [Bound(">=", low), Bound("<", _floor(_after(low, min(given, 2))))]
        case ">=" | "<":
            return [Bound(operator, low if operator == ">=" or whole else _floor(low))]
        case ">":
            return [Bound(">", low)] if whole else [Bound(">=", after)]
        case "<=":
            return [Bound("<=", low)] if whole else [Bound("<", _floor(after))]
        case _:
            return [Bound("=", low)] if whole else [Bound(">=", low), Bound("<", _floor(after))]


def _leftmost(low: SemanticVersion, given: int) -> int:
    """Return which of the `given` components `^` holds fixed: the leftmost that is not zero."""
    if low.major or given == 1:
        return 1
    return 2 if low.minor or given == 2 else 3  # noqa: PLR2004  # major and minor


def _after(number: SemanticVersion, component: int) -> SemanticVersion:
    """Return the least number that is greater in its first, second or third component."""
    match component:
        case 1:
            return SemanticVersion(number.major + 1, 0, 0)
        case 2:
            return SemanticVersion(number.major, number.minor + 1, 0)
        case _:
            return SemanticVersion(number.major, number.minor, number.patch + 1)


def _in_bounds(number: SemanticVersion) -> SemanticVersion:
    if max(number.major, number.minor, number.patch) > MAX_COMPONENT:
        raise InvalidError(f"{number} is beyond the last number", hint=f"A component is at most {MAX_COMPONENT}.")
    return number


def _floor(number: SemanticVersion) -> SemanticVersion:
    """Return the least pre-release of `number`, so that an upper bound excludes its pre-releases too."""
    return SemanticVersion(number.major, number.minor, number.patch, ("0",)) if not number.prerelease else number


_ZERO = SemanticVersion(0, 0, 0)
