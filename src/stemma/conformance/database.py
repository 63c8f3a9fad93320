"""What every database must do. Subclass `ExecutorSuite` in a test module and say how to open an executor.

class TestMine(ExecutorSuite):
    def open(self, place: Path) -> Runs: ...
"""

# ruff: noqa: S101 - a suite of tests asserts

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from stemma.errors import Attempt, NotFoundError, RefusedError, StemmaError, UnavailableError
from stemma.ledger import Actor, Draft, LedgerTransaction, Thing, append
from stemma.records import Digest

Result = TypeVar("Result")
ACTOR = Actor("user", "u_0123456789abcdef0123456789abcdef")
LOG = frozenset({"me"})
ATTEMPT = Attempt("me", "user", ACTOR.id, "alias.set", "alias", "me/fraud@production")


class Runs(Protocol):
    """Runs operations on a database that holds ledgers, records and texts, and has the log `me`."""

    def write(self, operation: Callable[[LedgerTransaction], Result], /, logs: frozenset[str] = ...) -> Result:
        """Run an operation that appends to `logs` alone, `_system` by default; return when it is durable."""
        ...

    def read(self, operation: Callable[[LedgerTransaction], Result], /) -> Result:
        """Run an operation that only reads."""

    def close(self) -> None:
        """Finish what is queued."""


def draft(number: int, namespace: str = "me") -> Draft:
    """Return an entry that holds a number."""
    return Draft(namespace, ACTOR, "model.create", Thing("model", f"me/model-{number}"), facts={"number": number})


def enter(number: int) -> Callable[[LedgerTransaction], int]:
    """Return an operation that appends an entry and stores a record, and answers the entry's sequence number."""
    data = b"%d" % number

    def operation(tx: LedgerTransaction) -> int:
        tx.records.put(Digest.of(data), data)
        return append(tx, draft(number)).sequence

    return operation


def size(tx: LedgerTransaction) -> int:
    """Return how many entries the log `me` has."""
    return tx.ledger.head("me").size


def has(number: int) -> Callable[[LedgerTransaction], bool]:
    """Return an operation that answers whether the record of `enter` is there."""
    return lambda tx: tx.records.read(Digest.of(b"%d" % number)) is not None


class ExecutorSuite(ABC):
    """The contract of an executor, as tests. `open` opens the same database each time for one place, making it once.

    A refusal with an attempt must be entered as one more entry of the log `me`.
    """

    @abstractmethod
    def open(self, place: Path) -> Runs:
        """Return an executor on the database at `place`."""

    @pytest.fixture
    def runs(self, tmp_path: Path) -> Iterator[Runs]:
        """Return an executor on an empty database."""
        executor = self.open(tmp_path)
        yield executor
        executor.close()

    def test_what_was_written_is_read(self, runs: Runs, tmp_path: Path) -> None:
        """Also by another executor, also after closing."""
        assert runs.write(enter(1), LOG) == 0
        assert runs.read(size) == 1
        other = self.open(tmp_path)
        assert other.read(has(1))
        assert other.write(enter(2), LOG) == 1
        assert runs.read(size) == 2  # noqa: PLR2004 - the two just entered
        other.close()

    def test_one_that_raises_leaves_nothing_and_harms_no_other(self, runs: Runs) -> None:
        """Of forty operations at once, every second of which raises after writing, the others are there."""

        def operation(number: int) -> None:
            def fails(tx: LedgerTransaction) -> None:
                enter(number)(tx)
                if number % 2:
                    raise NotFoundError(f"no {number}")

            if number % 2:
                with pytest.raises(NotFoundError, match=f"no {number}$"):
                    runs.write(fails, LOG)
            else:
                runs.write(fails, LOG)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(operation, range(40)))
        assert [runs.read(has(number)) for number in range(40)] == [number % 2 == 0 for number in range(40)]
        assert runs.read(size) == 20  # noqa: PLR2004 - every second of forty

    def test_threads_lose_no_update(self, runs: Runs) -> None:
        """Each append gets a place of its own."""
        with ThreadPoolExecutor(8) as pool:
            places = list(pool.map(lambda number: runs.write(enter(number), LOG), range(100)))
        assert sorted(places) == list(range(100))

    def test_a_read_sees_one_state(self, runs: Runs) -> None:
        """A commit in the middle of a read does not show in it."""
        runs.write(enter(0), LOG)

        def operation(tx: LedgerTransaction) -> tuple[int, int]:
            before = size(tx)
            writer = threading.Thread(target=runs.write, args=(enter(1), LOG))
            writer.start()
            writer.join()
            return before, size(tx)

        assert runs.read(operation) == (1, 1)
        assert runs.read(size) == 2  # noqa: PLR2004 - the one before and the one amid

    def test_a_read_cannot_write(self, runs: Runs) -> None:
        """It is refused and changes nothing."""
        with pytest.raises(StemmaError):
            runs.read(enter(1))
        assert runs.read(size) == 0

    def test_operations_do_not_nest(self, runs: Runs) -> None:
        """It would wait for itself."""

        def writes(_tx: LedgerTransaction) -> int:
            return runs.write(size)

        def reads(_tx: LedgerTransaction) -> int:
            return runs.read(size)

        for outer in (runs.write, runs.read):
            for inner in (writes, reads):
                with pytest.raises(RuntimeError, match="inside another"):
                    outer(inner)

    def test_a_refusal_is_entered_and_what_was_refused_is_not(self, runs: Runs) -> None:
        """From writing and from reading operations."""

        def refused(tx: LedgerTransaction) -> None:
            enter(7)(tx)
            raise RefusedError("no", attempt=ATTEMPT)

        def seen(_tx: LedgerTransaction) -> None:
            raise RefusedError("no", attempt=ATTEMPT)

        with pytest.raises(RefusedError):
            runs.write(refused, LOG)
        assert runs.read(size) == 1
        assert not runs.read(has(7))
        with pytest.raises(RefusedError):
            runs.read(seen)
        assert runs.read(size) == 2  # noqa: PLR2004 - two refusals

    def test_only_the_logs_that_were_named_are_written(self, runs: Runs) -> None:
        """An entry in another is a mistake of the program, and nothing is stored."""
        for logs in (frozenset[str](), frozenset({"you"})):
            with pytest.raises(RuntimeError, match="the log 'me' is not among"):
                runs.write(enter(1), logs)
        assert runs.read(size) == 0
        assert runs.write(enter(1), LOG | {"you", "them"}) == 0

    def test_closed(self, runs: Runs) -> None:
        """What was queued before is done; later operations are told so."""
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda number: runs.write(enter(number), LOG), range(20)))
        runs.close()
        assert len(done) == 20  # noqa: PLR2004 - all of them
        for ask in (runs.write, runs.read):
            with pytest.raises(UnavailableError, match="closed"):
                ask(size)
        runs.close()
