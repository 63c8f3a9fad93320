"""Which semantic number a version gets, and how numbers sort in a store.

A number is bound once and for ever: neither withdrawal nor release frees it. A version has at most one release
number. One that was made off `main` first gets a pre-release of the release it works towards (`1.4.0-gbdt.2`); when
it is released it gets a release number as well, and the pre-release goes on naming it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from stemma.errors import AlreadyExistsError, ConflictError, InvalidError
from stemma.names import ModelName
from stemma.registry.store import Branch, Registration, RegistryTransaction
from stemma.semver import Range, SemanticVersion

MAIN = "main"
FIRST = SemanticVersion(1, 0, 0)
FIRST_EXPERIMENTAL = SemanticVersion(0, 1, 0)
_END = b"\x00"
_DIGITS = b"\x01"
_LETTERS = b"\x02"
_RELEASE = b"\x03"
_WIDTH = 8
_CHUNK = 64

IsTaken: TypeAlias = Callable[[SemanticVersion], bool]
"""Whether a number, without build metadata, is bound under the model."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a new version gets its number.

    `chosen` is the user's own number; otherwise it is the next of its line. `experimental` starts a line at 0.1.0.
    `pending` leaves the version without a number for now.
    """

    chosen: SemanticVersion | None = None
    experimental: bool = False
    pending: bool = False

    def __post_init__(self) -> None:
        if self.pending and (self.chosen or self.experimental):
            raise InvalidError("a pending number can be neither chosen nor experimental")


@dataclass(frozen=True, slots=True)
class Line:
    """What is known about the line that a new version joins.

    `branch` is its name; `released` the highest release number on it, or that of the version from which it was
    made; `towards` the release that its latest pre-release works towards.
    """

    branch: str
    released: SemanticVersion | None = None
    towards: SemanticVersion | None = None


def number_for(
    tx: RegistryTransaction,
    model: ModelName,
    name: str,
    numbering: Numbering,
    *,
    branch: Branch | None,
    head: Registration | None,
) -> SemanticVersion | None:
    """Return the number for a new version on the branch `name`, None if pending.

    `branch` and the version at its `head` are None where it is the first of its line.
    """
    if numbering.pending:
        return None
    if numbering.chosen is not None:
        refuse_taken(tx, model, numbering.chosen)
        return numbering.chosen
    line = line_of(tx, model, name, branch, head)
    is_taken = _taken(tx, model)
    if name == MAIN:
        return next_release(line, is_taken, experimental=numbering.experimental)
    return next_prerelease(line, is_taken, _counter(tx, model), experimental=numbering.experimental)


def release_for(tx: RegistryTransaction, version: Registration) -> SemanticVersion:
    """Return the release number for a version that has none: what its pre-release works towards, if that is free."""
    is_taken = _taken(tx, version.model)
    if version.prerelease is not None and not is_taken(version.prerelease.release):
        return version.prerelease.release
    branch = tx.registry.branches.find(version.model, version.branch)
    head = None if branch is None else tx.registry.versions.find(version.model, branch.head)
    return next_release(line_of(tx, version.model, version.branch, branch, head), is_taken)


def refuse_taken(tx: RegistryTransaction, model: ModelName, number: SemanticVersion) -> None:
    """Refuse a chosen number that is bound, or that would come before its own release."""
    holder = tx.registry.numbers.find(model, number)
    if holder is not None:
        state = ", which is withdrawn" if holder.withdrawn is not None else ""
        raise AlreadyExistsError(
            f"{model} {bare(number)} is v{holder.sequence}{state}: numbers are never used again",
            hint=f"Leave the number out for the next free one, or choose {bare(number).release.next_patch()}.",
        )
    if number.prerelease and _taken(tx, model)(number.release):
        raise ConflictError(
            f"{number} would come before {number.release}, which is already bound",
            hint=f"Choose a pre-release of a later number, for example {number.release.next_minor()}-rc.1.",
        )


def line_of(
    tx: RegistryTransaction, model: ModelName, name: str, branch: Branch | None, head: Registration | None
) -> Line:
    """Return what is known of a branch's line, from its own numbers and those of where it was made."""
    released = tx.registry.numbers.highest(model, name)
    towards = None
    start = None if branch is None or branch.start is None else tx.registry.versions.find(model, branch.start)
    if start is not None and start.release is not None:
        released = start.release if released is None else max(released, start.release)
    if head is not None and head.prerelease is not None:
        towards = head.prerelease.release
    if released is None and towards is None and name != MAIN:
        released = tx.registry.numbers.highest(model, MAIN)
    return Line(name, released, towards)


def _taken(tx: RegistryTransaction, model: ModelName) -> IsTaken:
    return lambda number: tx.registry.numbers.find(model, number) is not None


def _counter(tx: RegistryTransaction, model: ModelName) -> Callable[[SemanticVersion, str], int]:
    def last(release: SemanticVersion, label: str) -> int:
        low, high = counter_span(release, label)
        while chunk := tx.registry.numbers.between(model, low, high, _CHUNK, withdrawn=True):
            for number, _ in chunk:
                if counter := prerelease_counter(number, label):
                    return counter
            high = order_key(chunk[-1][0])
        return 0

    return last


def bare(number: SemanticVersion) -> SemanticVersion:
    """Return `number` without build metadata: what is unique under a model (SemVer 10)."""
    return SemanticVersion(number.major, number.minor, number.patch, number.prerelease)


def next_release(line: Line, is_taken: IsTaken, *, experimental: bool = False) -> SemanticVersion:
    """Return the next minor of the line that is free, or the first number where there is none yet."""
    if experimental and line.released is not None and line.released.major > 0:
        raise ConflictError(
            f"this line is at {line.released} and no longer experimental", hint="Leave --experimental out."
        )
    if line.released is None:
        number = FIRST_EXPERIMENTAL if experimental else FIRST
    else:
        number = line.released.release.next_minor()
    while is_taken(number):
        number = number.next_minor()
    return SemanticVersion.parse(str(number))


def next_prerelease(
    line: Line, is_taken: IsTaken, last_counter: Callable[[SemanticVersion, str], int], *, experimental: bool = False
) -> SemanticVersion:
    """Return the next pre-release of a branch other than `main`.

    `last_counter(release, label)` is the highest n for which `release-label.n` is bound, or 0. The branch goes on
    working towards the same release until that number is bound.
    """
    towards = line.towards
    if towards is None or is_taken(towards) or (line.released is not None and towards <= line.released):
        towards = next_release(line, is_taken, experimental=experimental)
    label = prerelease_label(line.branch)
    counter = last_counter(towards, label) + 1
    return SemanticVersion.parse(f"{towards}-{label}.{counter}")


def prerelease_label(branch: str) -> str:
    """Return the branch's name as one SemVer identifier; branches that differ in '.' and '_' share a counter."""
    return re.sub(r"[^0-9a-z-]", "-", branch)


def prerelease_counter(number: SemanticVersion, label: str) -> int:
    """Return n if `number` is some release with the pre-release `label.n`, else 0."""
    match number.prerelease:
        case (first, second) if first == label and second.isdigit():
            return int(second)
        case _:
            return 0


def check_release(number: SemanticVersion) -> None:
    """Refuse a pre-release where a release is asked for."""
    if number.prerelease:
        raise InvalidError(f"{number} is a pre-release", hint=f"Release it as {number.release}.")


def order_key(number: SemanticVersion) -> bytes:
    """Return bytes that compare as SemVer 11 orders numbers, so that an index can; build metadata is left out."""
    key = b"".join(part.to_bytes(_WIDTH, "big") for part in (number.major, number.minor, number.patch))
    if not number.prerelease:
        return key + _RELEASE
    for part in number.prerelease:
        key += _DIGITS + bytes([len(part)]) + part.encode() if part.isdigit() else _LETTERS + part.encode() + _END
    return key + _END


def counter_span(release: SemanticVersion, label: str) -> tuple[bytes, bytes]:
    """Return order keys between which all of `release-label.n` lie, the first included, the second not."""
    prefix = order_key(SemanticVersion(release.major, release.minor, release.patch, (label,)))[: -len(_END)]
    return prefix + _DIGITS, prefix + _LETTERS


def span(wanted: Range) -> tuple[bytes, bytes]:
    """Return order keys between which all of `wanted` lies, the first included, the second not."""
    low, high = b"", b"\xff"
    for bound in wanted.bounds:
        key = order_key(bound.number)
        if bound.operator in {">=", ">", "="}:
            low = max(low, key)
        if bound.operator in {"<=", "<", "="}:
            high = min(high, key)
    return low, high + b"\xff"
