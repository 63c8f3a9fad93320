"""A state machine that drives the registry and its ledger on a real database, beside plain dictionaries.

It knows what must happen on each step, compares what did, and at the end rebuilds every row from the ledger. A `Plan`
says what to drive; the planted bugs are plans.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stemma.backends.database.executor import Executor
from stemma.backends.database.transaction import SettableClock, Transaction
from stemma.errors import AlreadyExistsError, ConflictError, CorruptError, NotFoundError, RefusedError, StemmaError
from stemma.ledger import Entry
from stemma.names import Reference, Sequence
from stemma.records import Digest
from stemma.registry import (
    ANYTHING,
    Expected,
    Message,
    Numbering,
    ProtectedNames,
    Registration,
    Registry,
    Subject,
    Submission,
    Version,
)
from stemma.semver import SemanticVersion
from tests.databases import discard, new_database, rebuild
from tests.registry.support import CREDIT, NOW, OWNER, RISK, number

Result = TypeVar("Result")
ALIASES = ("production", "champion")
BRANCHES = ("main", "gbdt", "deep")
CHOSEN = tuple(f"{major}.{minor}.0" for major in (1, 2) for minor in range(4))


@dataclass(frozen=True)
class Plan:
    """What is driven: a registry, and what is put around each transaction."""

    registry: Callable[[], Registry] = lambda: Registry(ProtectedNames())
    around: Callable[[Transaction], Any] = lambda tx: tx


@dataclass
class Known:
    """What must be so: versions by sequence number (from 1), and everything that names them."""

    versions: list[Registration] = field(default_factory=list)
    numbers: dict[SemanticVersion, int] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    tainted: set[int] = field(default_factory=set)
    parents: dict[int, int] = field(default_factory=dict)
    branches: dict[str, tuple[int | None, list[int]]] = field(default_factory=dict)
    aliases: dict[str, list[int]] = field(default_factory=dict)
    history: dict[str, list[tuple[int, int | None]]] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    labels: dict[tuple[int, str], str] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)

    def tip(self, branch: str) -> int | None:
        """Return the newest version of a branch that is not withdrawn, or where it started."""
        start, line = self.branches[branch]
        candidates = [*([] if start is None else [start]), *line]
        return next((each for each in reversed(candidates) if each not in self.withdrawn), None)

    def moved(self, alias: str, time: int, after: int | None, action: str) -> None:
        self.history.setdefault(alias, []).append((time, after))
        self.actions.append(action)

    def way_back(self, alias: str) -> list[int] | None:
        """Return the stack after `back`, None where there is none."""
        stack = self.aliases[alias]
        for height in range(len(stack) - 1, 0, -1):
            if stack[height - 1] not in self.withdrawn and stack[height - 1] != stack[-1]:
                return stack[:height]
        return None


class Machine(RuleBasedStateMachine):
    """One model in one namespace, everything that can be done to it, in any order."""

    plan = Plan()

    def __init__(self) -> None:
        super().__init__()
        self.database = new_database()
        self.clock = SettableClock(NOW)
        self.executor = Executor(self.database, clock=self.clock)
        self.registry = self.plan.registry()
        self.known = Known()

    def teardown(self) -> None:
        try:
            self.executor.close()
            assert rebuild(self.database, [self.registry.project]).differences == ()
        except CorruptError as error:
            raise AssertionError("the ledger does not rebuild the rows") from error
        finally:
            discard(self.database)

    def write(self, operation: Callable[[Any], Result]) -> Result:
        self.clock.advance(1_000_000)
        return self.executor.write(lambda tx: operation(self.plan.around(tx)), RISK | {"_system"})

    def read(self, operation: Callable[[Any], Result]) -> Result:
        return self.executor.read(lambda tx: operation(self.plan.around(tx)))

    def refused(self, kind: type[StemmaError], operation: Callable[[Any], object]) -> None:
        """Do what must be refused, with this error."""
        try:
            done = self.write(operation)
        except kind:
            return
        raise AssertionError(f"this should be a {kind.__name__}: {done}")

    @initialize()
    def begin(self) -> None:
        self.write(lambda tx: self.registry.create_namespace(tx, OWNER, "risk"))
        self.register("main", "", if_changed=False, files=0)

    # Versions

    @rule(
        branch=st.sampled_from(BRANCHES),
        chosen=st.sampled_from(["", "", *CHOSEN]),
        if_changed=st.booleans(),
        files=st.integers(0, 2),
    )
    def register(self, branch: str, chosen: str, *, if_changed: bool, files: int) -> None:
        data = str(files).encode()
        numbering = Numbering(number(chosen) if chosen else None)
        wanted = Submission(
            Version(Digest.of(data), 0), Message("x"), branch=branch, numbering=numbering, if_changed=if_changed
        )

        def run(tx: Any) -> Any:  # noqa: ANN401  # a transaction, perhaps with something around it
            tx.records.put(Digest.of(data), data)
            tx.artifacts.manifests.add(Digest.of(data), CREDIT.namespace, 0)
            return self.registry.versions.register(tx, OWNER, CREDIT, wanted)

        known = self.known
        if known.versions and branch not in known.branches and branch != "main":
            return self.refused(NotFoundError, run)
        head = self._head(branch)
        if if_changed and head and head not in known.withdrawn and self._files(head) == Digest.of(data):
            answer = self.write(run)
            assert not answer.created
            assert answer.version.sequence == head
            return None
        if chosen and number(chosen) in known.numbers:
            return self.refused(AlreadyExistsError, run)
        self._registered(self.write(run).version, branch, chosen)
        return None

    @rule(at=st.integers(0, 50), metadata=st.sampled_from(["", "+other"]))
    def number_again(self, at: int, metadata: str) -> None:
        taken = sorted(self.known.numbers)[at % len(self.known.numbers)]
        wanted = Submission(
            Version(Digest.of(b"0"), 0), Message("x"), numbering=Numbering(number(f"{taken}{metadata}"))
        )
        self.refused(AlreadyExistsError, lambda tx: self.registry.versions.register(tx, OWNER, CREDIT, wanted))

    def _head(self, branch: str) -> int | None:
        start, line = self.known.branches.get(branch, (None, []))
        return line[-1] if line else start

    def _files(self, sequence: int) -> Digest:
        return self.read(lambda tx: self.registry.versions.show(tx, OWNER, CREDIT, Sequence(sequence)).version.manifest)

    def _registered(self, version: Registration, branch: str, chosen: str) -> None:
        known = self.known
        known.actions += [] if known.versions else ["model.create"]
        known.actions += ["version.register", "version.number"]
        assert version.sequence == len(known.versions) + 1
        assert version.number is not None
        assert version.number not in known.numbers
        if chosen:
            assert version.number == number(chosen)
        elif branch == "main":
            mine = [each for each, holder in known.numbers.items() if known.versions[holder - 1].branch == "main"]
            released = [each for each in mine if not each.prerelease]
            expected = max(released).next_minor() if released else number("1.0.0")
            while expected in known.numbers:
                expected = expected.next_minor()
            assert version.number == expected
        else:
            assert version.number.prerelease[0] == branch
        if branch in known.branches:
            origin = self.known.tip(branch) or self._head(branch)
            if origin is not None:
                known.parents[version.sequence] = origin
                if origin in known.withdrawn or origin in known.tainted:
                    known.tainted.add(version.sequence)
        known.versions.append(version)
        known.numbers[version.number] = version.sequence
        known.branches.setdefault(branch, (None, []))[1].append(version.sequence)

    @rule(at=st.integers(0, 50), chosen=st.sampled_from(["", *CHOSEN]))
    def release(self, at: int, chosen: str) -> None:
        sequence = at % len(self.known.versions) + 1
        how = number(chosen) if chosen else None

        def run(tx: Any) -> Registration:  # noqa: ANN401  # as above
            return self.registry.versions.release(tx, OWNER, CREDIT, Sequence(sequence), how)

        bound = [each for each, holder in self.known.numbers.items() if holder == sequence]
        if any(not each.prerelease for each in bound) or sequence in self.known.withdrawn:
            return self.refused(ConflictError, run)
        if how in self.known.numbers:
            return self.refused(AlreadyExistsError, run)
        released = self.write(run)
        assert released.release is not None
        assert released.release not in self.known.numbers
        assert not released.release.prerelease
        self.known.numbers[released.release] = sequence
        self.known.actions.append("version.number")
        return None

    @rule(at=st.integers(0, 50))
    def withdraw(self, at: int) -> None:
        sequence = at % len(self.known.versions) + 1

        def run(tx: Any) -> object:  # noqa: ANN401  # as above
            return self.registry.versions.withdraw(tx, OWNER, CREDIT, Sequence(sequence), reason="it leaks")

        held = any(stack[-1] == sequence for stack in self.known.aliases.values())
        if held or sequence in self.known.withdrawn:
            return self.refused(ConflictError, run)
        self.write(run)
        self.known.withdrawn.add(sequence)
        self.known.actions.append("version.withdraw")
        for child, parent in sorted(self.known.parents.items()):
            if parent == sequence or parent in self.known.tainted:
                self.known.tainted.add(child)
        return None

    @rule(name=st.sampled_from(BRANCHES[1:]), at=st.integers(0, 50))
    def branch(self, name: str, at: int) -> None:
        sequence = at % len(self.known.versions) + 1

        def run(tx: Any) -> object:  # noqa: ANN401  # as above
            return self.registry.branches.create(tx, OWNER, CREDIT, name, Sequence(sequence))

        if name in self.known.branches:
            return self.refused(AlreadyExistsError, run)
        if sequence in self.known.withdrawn:
            return self.refused(ConflictError, run)
        self.write(run)
        self.known.branches[name] = (sequence, [])
        self.known.actions.append("branch.create")
        return None

    # Aliases

    @rule(
        name=st.sampled_from(ALIASES),
        at=st.integers(0, 50),
        expects=st.sampled_from(["anything", "held", "another", "nothing"]),
        override=st.booleans(),
    )
    def point(self, name: str, at: int, expects: str, *, override: bool) -> None:
        sequence = at % len(self.known.versions) + 1
        held = self.known.aliases[name][-1] if name in self.known.aliases else None
        expected = self._expected(expects, held)

        def run(tx: Any) -> Any:  # noqa: ANN401  # as above
            return self.registry.aliases.set(
                tx, OWNER, CREDIT, name, Sequence(sequence), expected=expected, reason="x", override=override
            )

        if self._is_stale(expected, held) or sequence in self.known.withdrawn:
            return self.refused(ConflictError, run)
        if held == sequence:
            assert not self.write(run).changed
            return None
        if name in self.known.protected and not override:
            return self.refused(RefusedError, run)
        assert self.write(run).changed
        self.known.aliases.setdefault(name, []).append(sequence)
        self.known.moved(name, self.clock.now(), sequence, "alias.set")
        return None

    def _expected(self, expects: str, held: int | None) -> Expected:
        match expects:
            case "held" if held is not None:
                return self.known.versions[held - 1].digest
            case "another":
                return self.known.versions[-1 if held != len(self.known.versions) else 0].digest
            case "nothing":
                return None
            case _:
                return ANYTHING

    def _is_stale(self, expected: Expected, held: int | None) -> bool:
        return expected is not ANYTHING and expected != (None if held is None else self.known.versions[held - 1].digest)

    @rule(name=st.sampled_from(ALIASES))
    def back(self, name: str) -> None:
        def run(tx: Any) -> Any:  # noqa: ANN401  # as above
            return self.registry.aliases.back(tx, OWNER, CREDIT, name, reason="worse")

        if name not in self.known.aliases:
            return self.refused(NotFoundError, run)
        stack = self.known.way_back(name)
        if stack is None:
            return self.refused(ConflictError, run)
        assert self.write(run).after.sequence == stack[-1]
        self.known.aliases[name] = stack
        self.known.moved(name, self.clock.now(), stack[-1], "alias.back")
        return None

    @rule(name=st.sampled_from(ALIASES), override=st.booleans())
    def delete(self, name: str, *, override: bool) -> None:
        def run(tx: Any) -> object:  # noqa: ANN401  # as above
            return self.registry.aliases.delete(tx, OWNER, CREDIT, name, reason="x", override=override)

        if name not in self.known.aliases:
            return self.refused(NotFoundError, run)
        if name in self.known.protected and not override:
            return self.refused(RefusedError, run)
        self.write(run)
        del self.known.aliases[name]
        self.known.moved(name, self.clock.now(), None, "alias.delete")
        return None

    @rule(name=st.sampled_from(ALIASES), wanted=st.booleans())
    def protect(self, name: str, *, wanted: bool) -> None:
        change = self.registry.aliases.protect if wanted else self.registry.aliases.unprotect
        changed = self.write(lambda tx: change(tx, OWNER, CREDIT, name, reason="x"))
        assert changed == ((name in self.known.protected) != wanted)
        self.known.protected ^= {name} if changed else set()
        self.known.actions += [f"name.{'protect' if wanted else 'unprotect'}"] if changed else []

    # Labels

    @rule(at=st.integers(0, 50), key=st.sampled_from("ab"), value=st.sampled_from(["", "x", "y"]), delete=st.booleans())
    def label(self, at: int, key: str, value: str, *, delete: bool) -> None:
        sequence = at % (len(self.known.versions) + 1)
        subject = Subject(CREDIT, Sequence(sequence) if sequence else None)
        labels, held = self.registry.labels, self.known.labels.get((sequence, key))
        if delete:
            assert self.write(lambda tx: labels.delete(tx, OWNER, subject, key)) == (held is not None)
            self.known.labels.pop((sequence, key), None)
            self.known.actions += ["label.delete"] if held is not None else []
            return
        assert self.write(lambda tx: labels.set(tx, OWNER, subject, key, value)) == (held != value)
        self.known.labels[sequence, key] = value
        self.known.actions += ["label.set"] if held != value else []

    # What must be so

    @precondition(lambda self: self.known.versions)
    @invariant()
    def every_name_means_what_it_should(self) -> None:
        for name in ALIASES:
            stack = self.known.aliases.get(name)
            self._means(name, stack[-1] if stack else None)
        for name in self.known.branches:
            self._means(name, self.known.tip(name))

    def _means(self, name: str, sequence: int | None) -> None:
        reference = Reference.parse(f"{CREDIT}@{name}")
        try:
            found = self.read(lambda tx: self.registry.resolve(tx, OWNER, reference)).sequence
        except NotFoundError:
            found = None
        assert found == sequence, f"{reference} is {found}, not {sequence}"

    @rule()
    def every_version_is_what_it_should_be(self) -> None:
        versions, _ = self.read(lambda tx: self.registry.versions.page(tx, OWNER, CREDIT, limit=1000))
        assert [each.digest for each in reversed(versions)] == [each.digest for each in self.known.versions]
        for each in versions:
            bound = {number for number, holder in self.known.numbers.items() if holder == each.sequence}
            assert {each.release, each.prerelease} - {None} == bound
            assert (each.withdrawn is not None) == (each.sequence in self.known.withdrawn)
            assert each.tainted == (each.sequence in self.known.tainted), f"{each}"
        for sequence in range(len(versions) + 1):
            subject = Subject(CREDIT, Sequence(sequence) if sequence else None)
            found = self.read(lambda tx, s=subject: self.registry.labels.of(tx, OWNER, s))  # type: ignore[misc]  # a loop's own value
            expected = {key: value for (of, key), value in self.known.labels.items() if of == sequence}
            assert {each.key: each.value for each in found} == expected

    @rule(at=st.integers(0, 100), later=st.integers(0, 999_999))
    def what_an_alias_was(self, at: int, later: int) -> None:
        for name, history in self.known.history.items():
            time, sequence = history[at % len(history)]
            following = [held for moment, held in history if moment <= time + later]
            move = self.read(lambda tx, n=name, t=time: self.registry.aliases.at(tx, OWNER, CREDIT, n, t + later))  # type: ignore[misc]  # a loop's own value
            assert move is not None
            assert move.after == following[-1] == sequence

    @precondition(lambda self: self.known.versions)
    @invariant()
    def every_change_has_its_entry(self) -> None:
        rows = self.read(lambda tx: tx.ledger.rows("risk", 0, 10_000))
        assert [row.action for row in rows] == self.known.actions

    @rule()
    def every_entry_has_its_change(self) -> None:
        rows = self.read(lambda tx: tx.ledger.rows("risk", 0, 10_000))
        entries = [Entry.decode(row.data) for row in rows]
        for name in ALIASES:
            moves = [each for each in entries if each.facts.get("alias") == name]
            assert [each.facts.get("sequence") for each in moves] == [
                after for _, after in self.known.history.get(name, [])
            ]
            for earlier, later in itertools.pairwise(moves):
                assert earlier.after == later.before
