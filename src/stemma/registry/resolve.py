"""Finding the version that a selector means. Nothing here checks permissions: the fronts have done so.

A number, a sequence number or a digest names one version for ever, withdrawn or not. A range, a branch and
`latest` are answered by versions that are not withdrawn.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import assert_never

from stemma.access import Caller, Permission, may
from stemma.errors import InvalidError, NotFoundError
from stemma.ledger import format_time
from stemma.names import DigestPrefix, Latest, ModelName, Pointer, Reference, Selector, Sequence
from stemma.records import Digest
from stemma.registry.numbering import MAIN, order_key, span
from stemma.registry.store import Branch, Model, Registration, RegistryTransaction
from stemma.semver import Range, SemanticVersion

_HEX = 64
_CHUNK = 256
_CANDIDATES = 10
_NAMES = 1000


def find_model(tx: RegistryTransaction, name: ModelName) -> Model:
    """Return a model, or raise a NotFoundError that suggests names which look alike."""
    model = tx.registry.models.find(name)
    if model is None:
        others = [other.name.name for other in tx.registry.models.page(name.namespace, "", _NAMES)]
        likely = [f"{name.namespace}/{other}" for other in get_close_matches(name.name, others)]
        raise NotFoundError(f"there is no model {name}", hint=_did_you_mean(likely))
    if model.is_arriving:
        raise NotFoundError(f"{name} is arriving from another repository", hint="Let 'stemma sync' come to its end.")
    return model


def find_version(tx: RegistryTransaction, name: ModelName, selector: Selector | None) -> Registration:
    """Return the version that `selector` means, by default `latest`; a NotFoundError suggests what is near."""
    if isinstance(selector, Pointer) and (pointed := tx.registry.versions.pointed(name, selector.name)):
        return pointed
    find_model(tx, name)
    match selector:
        case SemanticVersion():
            return _by_number(tx, name, selector)
        case Range():
            return _by_range(tx, name, selector)
        case Sequence():
            return _by_sequence(tx, name, selector)
        case Pointer():
            return _by_pointer(tx, name, selector.name)
        case Digest():
            return _by_digest(tx, name, selector, selector)
        case DigestPrefix():
            text = selector.text
            return _by_digest(tx, name, Digest(text.ljust(7 + _HEX, "0")), Digest(text.ljust(7 + _HEX, "f")))
        case Latest() | None:
            return _latest(tx, name)
        case _:
            assert_never(selector)


def find_at(tx: RegistryTransaction, name: ModelName, selector: Selector | None, time: int) -> Registration:
    """Return the version that an alias held at `time` (microseconds); other selectors are an InvalidError."""
    find_model(tx, name)
    if not isinstance(selector, Pointer):
        raise InvalidError(
            f"'{selector or 'latest'}' is not an alias; only aliases have a history",
            hint="Name an alias, for example production.",
        )
    move = tx.registry.moves.at(name, selector.name, time)
    if move is None or move.after is None:
        if move is None and not tx.registry.moves.page(name, selector.name, 2**53, 1):
            raise _unknown_pointer(tx, name, selector.name)
        raise NotFoundError(f"the alias {selector.name!r} of {name} held nothing at {format_time(time)}")
    return registered(tx, name, move.after)


def check_target(reference: Reference) -> None:
    """Refuse a reference to a build, of which there are none yet."""
    if reference.target is not None:
        raise NotFoundError(
            f"there is no build of {reference.model} for the target {reference.target!r}: it has no builds yet",
            hint="Leave '?target=' out for the version itself.",
        )


def registered(tx: RegistryTransaction, name: ModelName, sequence: int) -> Registration:
    """Return the version with a sequence number that another row names."""
    version = tx.registry.versions.find(name, sequence)
    if version is None:
        raise NotFoundError(f"{name} has no version v{sequence}")
    return version


def can_read(tx: RegistryTransaction, caller: Caller, namespace: str) -> bool:
    """Return whether a caller may see a namespace."""
    return may(tx, caller, Permission.READ, namespace)


def branch_tip(tx: RegistryTransaction, branch: Branch) -> Registration | None:
    """Return the newest version of a branch that is not withdrawn; where there is none, what it was made from."""
    newest = tx.registry.versions.newest(branch.model, branch.name)
    if newest is not None or branch.start is None:
        return newest
    start = registered(tx, branch.model, branch.start)
    return start if start.withdrawn is None else None


def unknown_branch(tx: RegistryTransaction, name: ModelName, branch: str) -> NotFoundError:
    """Return the error for a branch that does not exist."""
    others = [other.name for other in tx.registry.branches.every(name)]
    hint = _did_you_mean(get_close_matches(branch, others)) or "Make it with 'stemma branch create'."
    return NotFoundError(f"{name} has no branch {branch!r}", hint=hint)


def _by_number(tx: RegistryTransaction, name: ModelName, number: SemanticVersion) -> Registration:
    found = tx.registry.numbers.find(name, number)
    if found is not None and (not number.build or number in (found.release, found.prerelease)):
        return found
    known = tx.registry.numbers.between(name, b"", b"\xff", _NAMES, withdrawn=True)
    likely = get_close_matches(str(number), [str(other) for other, _ in known], cutoff=0.5)
    raise NotFoundError(f"{name} has no version {number}", hint=_did_you_mean(f"{name}@{other}" for other in likely))


def _by_range(tx: RegistryTransaction, name: ModelName, wanted: Range) -> Registration:
    numbers = tx.registry.numbers
    low, high = span(wanted)
    size = 1  # the highest number is nearly always the one
    while chunk := numbers.between(name, low, high, size, withdrawn=False):
        for number, sequence in chunk:
            if wanted.admits(number):
                return registered(tx, name, sequence)
        high, size = order_key(chunk[-1][0]), min(8 * size, _CHUNK)
    newest = [str(number) for number, _ in numbers.between(name, b"", b"\xff", 3, withdrawn=False)]
    hint = f"The highest are {', '.join(newest)}." if newest else "No version of it has a number."
    raise NotFoundError(f"no version of {name} satisfies {str(wanted)!r}", hint=hint)


def _by_sequence(tx: RegistryTransaction, name: ModelName, selector: Sequence) -> Registration:
    found = tx.registry.versions.find(name, selector.number)
    if found is None:
        last = find_model(tx, name).last
        hint = f"Its versions are v1 to v{last}." if last else "It has no versions yet."
        raise NotFoundError(f"{name} has no version {selector}", hint=hint)
    return found


def _by_pointer(tx: RegistryTransaction, name: ModelName, pointer: str) -> Registration:
    branch = tx.registry.branches.find(name, pointer)
    if branch is None:
        raise _unknown_pointer(tx, name, pointer)
    found = branch_tip(tx, branch)
    if found is None:
        raise NotFoundError(
            f"every version on the branch {pointer!r} of {name} is withdrawn", hint="Name one by its number or digest."
        )
    return found


def _by_digest(tx: RegistryTransaction, name: ModelName, low: Digest, high: Digest) -> Registration:
    found = tx.registry.versions.between(name, low, high, _CANDIDATES + 1)
    match found:
        case []:
            raise NotFoundError(f"{name} has no version with the digest {_prefix(low, high)}")
        case [version]:
            return version
        case _:
            listed = ", ".join(f"{version} {version.digest.short}" for version in found[:_CANDIDATES])
            more = " and more" if len(found) > _CANDIDATES else ""
            raise InvalidError(
                f"{_prefix(low, high)} could be any of {listed}{more}", hint="Write more digits of the digest."
            )


def _latest(tx: RegistryTransaction, name: ModelName) -> Registration:
    found = tx.registry.versions.newest(name, MAIN)
    if found is None:
        branches = [branch.name for branch in tx.registry.branches.every(name) if branch.name != MAIN]
        hint = f"Name a branch: {', '.join(branches[:_CANDIDATES])}." if branches else "Push one with 'stemma push'."
        raise NotFoundError(f"{name} has no version on {MAIN} that is not withdrawn", hint=hint)
    return found


def _unknown_pointer(tx: RegistryTransaction, name: ModelName, pointer: str) -> NotFoundError:
    names = [alias.name for alias in tx.registry.aliases.every(name)]
    names += [branch.name for branch in tx.registry.branches.every(name)]
    likely = get_close_matches(pointer, names)
    hint = _did_you_mean(f"{name}@{other}" for other in likely)
    return NotFoundError(f"{name} has no alias or branch {pointer!r}", hint=hint or f"It has {', '.join(names[:10])}.")


def _prefix(low: Digest, high: Digest) -> str:
    same = next((at for at, (one, two) in enumerate(zip(low, high, strict=True)) if one != two), len(low))
    return low[:same]


def _did_you_mean(likely: Iterable[str]) -> str:
    names = list(likely)
    return f"Did you mean {' or '.join(names)}?" if names else ""
