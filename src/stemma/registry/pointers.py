"""The names that move: aliases, which people move, and branches, whose heads advance when versions are registered.

Both live in one set of names per model. An alias moves by compare-and-swap and never forgets where it was; `back`
goes down a stack of what it held, so that going back twice goes back two moves, and a later `set` starts from there.
"""

from dataclasses import dataclass
from typing import TypeAlias

from stemma.access import Caller, Permission, require
from stemma.errors import AlreadyExistsError, ConflictError, NotFoundError
from stemma.ledger import Draft, Fact, Thing, append, commit_text
from stemma.names import ModelName, Selector, check_pointer
from stemma.paging import check_limit, split_page
from stemma.records import Digest
from stemma.registry.gate import AliasMove, Gate, refusal
from stemma.registry.numbering import MAIN
from stemma.registry.projection import project
from stemma.registry.records.message import clean_reason, clean_text
from stemma.registry.resolve import branch_tip, find_model, find_version, registered, unknown_branch
from stemma.registry.store import Alias, Branch, Move, MoveKind, Registration, RegistryTransaction

FIRST_PAGE = 2**53
"""A position behind which every listing that runs backwards starts."""


@dataclass(frozen=True, slots=True)
class Anything:
    """The expectation of somebody who does not care what an alias held before."""


ANYTHING = Anything()
Expected: TypeAlias = Digest | Anything | None
"""What an alias must hold for a move to happen: a version's digest, nothing (None), or anything."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """An alias with the version that it holds and whether its name is protected."""

    alias: Alias
    version: Registration
    is_protected: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a move: `changed` is False where the alias held that version already, and nothing was entered."""

    model: ModelName
    alias: str
    before: Registration | None
    after: Registration | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A branch with its newest version that is not withdrawn, if there is one."""

    branch: Branch
    tip: Registration | None


class Aliases:
    """Moves aliases and answers where they are and were."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def set(
        self,
        tx: RegistryTransaction,
        caller: Caller,
        model: ModelName,
        name: str,
        selector: Selector | None,
        *,
        expected: Expected = ANYTHING,
        reason: str = "",
        override: bool = False,
    ) -> Moved:
        """Point an alias at a version; ConflictError if it does not hold `expected`, RefusedError if the gate bars it.

        A withdrawn version is a ConflictError. An override needs a reason.
        """
        _require_move(tx, caller, model, override=override)
        check_pointer(name, "alias")
        target = find_version(tx, model, selector)
        _check_free(tx, model, name)
        current = tx.registry.aliases.find(model, name)
        _check_expected(tx, model, name, current, expected)
        if target.withdrawn is not None:
            raise ConflictError(f"{target} of {model} is withdrawn; no alias may point at it")
        before = None if current is None else registered(tx, model, current.sequence)
        if before is not None and before.sequence == target.sequence:
            return Moved(model, name, before, target, changed=False)
        why = clean_reason(reason, "an override") if override else clean_text(reason, "reason")
        facts: dict[str, Fact] = {"sequence": target.sequence}
        return self._move(
            tx,
            caller,
            self._asked(tx, model, name, "set", before=before, after=target, reason=why, override=override),
            facts,
        )

    def back(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str, *, reason: str,
        expected: Expected = ANYTHING,
    ) -> Moved:  # fmt: skip
        """Return an alias to what it held before, passing over versions that were withdrawn since.

        ConflictError where there is nothing to go back to. The gate is asked and told that this is the way back.
        """
        require(tx, caller, Permission.POINT, model.namespace)
        current = self._find(tx, model, name)
        _check_expected(tx, model, name, current, expected)
        why = clean_reason(reason, "going back")
        before = registered(tx, model, current.sequence)
        origin = _way_back(tx, current)
        if origin is None or origin.after is None:
            raise ConflictError(
                f"the alias {name!r} of {model} has nothing to go back to",
                hint="It has held no other version, or all of those are withdrawn. Set it to one.",
            )
        after = registered(tx, model, origin.after)
        facts: dict[str, Fact] = {"sequence": after.sequence, "position": origin.position}
        return self._move(
            tx, caller, self._asked(tx, model, name, "back", before=before, after=after, reason=why), facts
        )

    def delete(
        self,
        tx: RegistryTransaction,
        caller: Caller,
        model: ModelName,
        name: str,
        *,
        expected: Expected = ANYTHING,
        reason: str = "",
        override: bool = False,
    ) -> Moved:
        """Delete an alias; its history stays, but an alias made anew under the name cannot go back into it."""
        _require_move(tx, caller, model, override=override)
        current = self._find(tx, model, name)
        _check_expected(tx, model, name, current, expected)
        why = clean_reason(reason, "an override") if override else clean_text(reason, "reason")
        before = registered(tx, model, current.sequence)
        asked = self._asked(tx, model, name, "delete", before=before, after=None, reason=why, override=override)
        return self._move(tx, caller, asked, {})

    def show(self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str) -> Pointed:
        """Return what an alias holds now."""
        require(tx, caller, Permission.READ, model.namespace)
        alias = self._find(tx, model, name)
        return Pointed(alias, registered(tx, model, alias.sequence), name in tx.registry.aliases.protected(model))

    def every(self, tx: RegistryTransaction, caller: Caller, model: ModelName) -> tuple[Pointed, ...]:
        """Return all aliases of a model, by name."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        protected = frozenset(tx.registry.aliases.protected(model))
        return tuple(
            Pointed(alias, registered(tx, model, alias.sequence), alias.name in protected)
            for alias in tx.registry.aliases.every(model)
        )

    def moves(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str, *,
        before: int | None = None, limit: int | None = None,
    ) -> tuple[tuple[Move, ...], bool]:  # fmt: skip
        """Return moves of an alias before the position `before`, newest first, and whether more follow."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        size = check_limit(limit)
        rows = tx.registry.moves.page(model, name, FIRST_PAGE if before is None else before, size + 1)
        if not rows and before is None:
            raise NotFoundError(f"{model} has never had an alias {name!r}")
        return split_page(rows, size)

    def at(self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str, time: int) -> Move | None:
        """Return the move that decided what an alias held at `time` (microseconds); None before its first."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        return tx.registry.moves.at(model, name, time)

    def protect(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str, *, reason: str = ""
    ) -> bool:
        """Protect a name, whether it is taken yet or not; return whether that is new."""
        require(tx, caller, Permission.PROTECT, model.namespace)
        check_pointer(name, "alias")
        find_model(tx, model)
        _check_free(tx, model, name)
        if name in tx.registry.aliases.protected(model):
            return False
        _enter_name(tx, caller, model, "name.protect", name=name, reason=clean_text(reason, "reason"))
        return True

    def unprotect(self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str, *, reason: str) -> bool:
        """Protect a name no longer, for a reason; return whether it was protected."""
        require(tx, caller, Permission.PROTECT, model.namespace)
        find_model(tx, model)
        why = clean_reason(reason, "taking protection away")
        if name not in tx.registry.aliases.protected(model):
            return False
        _enter_name(tx, caller, model, "name.unprotect", name=name, reason=why)
        return True

    def protected(self, tx: RegistryTransaction, caller: Caller, model: ModelName) -> tuple[str, ...]:
        """Return the protected names of a model, taken or not."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        return tuple(tx.registry.aliases.protected(model))

    def _find(self, tx: RegistryTransaction, model: ModelName, name: str) -> Alias:
        find_model(tx, model)
        alias = tx.registry.aliases.find(model, name)
        if alias is None:
            names = ", ".join(other.name for other in tx.registry.aliases.every(model)[:10])
            raise NotFoundError(f"{model} has no alias {name!r}", hint=f"It has {names}." if names else "It has none.")
        return alias

    def _asked(
        self, tx: RegistryTransaction, model: ModelName, name: str, kind: MoveKind, *,
        before: Registration | None, after: Registration | None, reason: str, override: bool = False,
    ) -> AliasMove:  # fmt: skip
        is_protected = name in tx.registry.aliases.protected(model)
        return AliasMove(model, name, kind, before, after, is_protected, override, reason or None)

    def _move(self, tx: RegistryTransaction, caller: Caller, move: AliasMove, facts: dict[str, Fact]) -> Moved:
        decision = self._gate.decide(tx, caller, move)
        if decision.effect != "allow":
            raise refusal(caller, move, decision)
        facts |= {"model": move.model.name, "alias": move.alias}
        if move.override:
            facts["override"] = True
        after = None if move.after is None else move.after.digest
        entry = append(
            tx,
            Draft(
                namespace=move.model.namespace,
                actor=caller.actor,
                action=f"alias.{move.kind}",
                thing=Thing("alias", f"{move.model}@{move.alias}", after),
                before=None if move.before is None else move.before.digest,
                after=after,
                reason=commit_text(tx, move.reason) if move.reason else None,
                policy=decision.facts(),
                facts=facts,
            ),
        )
        project(tx, entry)
        return Moved(move.model, move.alias, move.before, move.after, changed=True)


class Branches:
    """Makes branches and answers where their heads are; only registering a version moves one."""

    def create(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str, selector: Selector | None
    ) -> Line:
        """Make a branch that starts at a version; AlreadyExistsError if an alias or branch has the name."""
        require(tx, caller, Permission.REGISTER, model.namespace)
        check_pointer(name, "branch")
        start = find_version(tx, model, selector)
        if tx.registry.branches.find(model, name) is not None or name == MAIN:
            raise AlreadyExistsError(f"{model} has a branch {name!r} already")
        check_not_alias(tx, model, name)
        if start.withdrawn is not None:
            raise ConflictError(f"{start} of {model} is withdrawn; no branch may start there")
        entry = append(
            tx,
            Draft(
                namespace=model.namespace,
                actor=caller.actor,
                action="branch.create",
                thing=Thing("branch", f"{model}@{name}", start.digest),
                after=start.digest,
                facts={"model": model.name, "branch": name, "sequence": start.sequence},
            ),
        )
        project(tx, entry)
        return Line(Branch(model, name, start.sequence, start.sequence), start)

    def show(self, tx: RegistryTransaction, caller: Caller, model: ModelName, name: str) -> Line:
        """Return a branch and its newest version."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        branch = tx.registry.branches.find(model, name)
        if branch is None:
            raise unknown_branch(tx, model, name)
        return Line(branch, branch_tip(tx, branch))

    def every(self, tx: RegistryTransaction, caller: Caller, model: ModelName) -> tuple[Line, ...]:
        """Return all branches of a model, by name."""
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        return tuple(Line(branch, branch_tip(tx, branch)) for branch in tx.registry.branches.every(model))


def check_not_alias(tx: RegistryTransaction, model: ModelName, name: str) -> None:
    """Refuse a branch's name that an alias has or that is kept for one."""
    if tx.registry.aliases.find(model, name) is not None:
        raise AlreadyExistsError(f"{model} has an alias {name!r}; aliases and branches share one set of names")
    if name in tx.registry.aliases.protected(model):
        raise AlreadyExistsError(f"the name {name!r} of {model} is protected: it is kept for an alias")


def _require_move(tx: RegistryTransaction, caller: Caller, model: ModelName, *, override: bool) -> None:
    require(tx, caller, Permission.POINT, model.namespace)
    if override:
        require(tx, caller, Permission.OVERRIDE, model.namespace)


def _check_free(tx: RegistryTransaction, model: ModelName, name: str) -> None:
    if name == MAIN or tx.registry.branches.find(model, name) is not None:
        raise AlreadyExistsError(
            f"{name!r} is a branch of {model}; aliases and branches share one set of names",
            hint="A branch moves when a version is registered on it.",
        )


def _check_expected(
    tx: RegistryTransaction, model: ModelName, name: str, current: Alias | None, expected: Expected
) -> None:
    held = None if current is None else current.digest
    if isinstance(expected, Anything) or expected == held:
        return
    now = "nothing" if current is None else f"{registered(tx, model, current.sequence)} {current.digest.short}"
    raise ConflictError(
        f"the alias {name!r} of {model} holds {now}, not {'nothing' if expected is None else expected.short}",
        hint="Somebody moved it. Look at 'stemma alias list' and decide again.",
    )


def _way_back(tx: RegistryTransaction, alias: Alias) -> Move | None:
    """Return the move to whose version `back` goes: the first below the top whose version is not withdrawn."""
    move = tx.registry.moves.find(alias.model, alias.name, alias.top)
    while move is not None and move.below is not None:
        move = tx.registry.moves.find(alias.model, alias.name, move.below)
        if move is not None and move.after is not None and move.after != alias.sequence:
            version = tx.registry.versions.find(alias.model, move.after)
            if version is not None and version.withdrawn is None:
                return move
    return None


def _enter_name(
    tx: RegistryTransaction, caller: Caller, model: ModelName, action: str, *, name: str, reason: str
) -> None:
    draft = Draft(
        namespace=model.namespace,
        actor=caller.actor,
        action=action,
        thing=Thing("alias", f"{model}@{name}"),
        reason=commit_text(tx, reason) if reason else None,
        facts={"model": model.name, "name": name},
    )
    project(tx, append(tx, draft))
