"""Running: what the event loop does itself, what it gives to threads, and how it waits for the writer.

Look-ups that a deployment makes all the time run on the loop where the database is a file, because a hop to a thread
costs more than they do. Changes are queued to the writer, which hands all answers of a batch over in one call.
Everything else that blocks runs in a bounded pool.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from stemma.access import Caller
from stemma.errors import StemmaError, UnavailableError
from stemma.names import SYSTEM_NAMESPACE
from stemma.operations import Operation
from stemma.operations.requests import Request
from stemma.operations.views import View
from stemma.system import Queued, System, Transaction, encode

Asked = TypeVar("Asked", bound=Request)
Shown = TypeVar("Shown", bound=View)
Result = TypeVar("Result")
LOOK_UPS = frozenset({"resolve", "version.show", "whoami"})
THREADS = 8
_ADMITTED = 1024
_ADMITTED_SECONDS = 1.0


FREE = 64 << 10
"""Bytes of each body that count for nothing, so that small requests are answered whatever large ones there are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may take, in seconds, and how much it may send, in bytes.

    A body that streams must bring `body_rate` bytes a second on average, but for the first `body` seconds. Bodies that
    are taken in whole may have `bodies` bytes together, beyond the first `FREE` of each.
    """

    header: float = 10.0
    header_bytes: int = 32 << 10
    header_fields: int = 100
    idle: float = 75.0
    body: float = 60.0
    body_stall: float = 20.0
    body_rate: float = 4096.0
    read_stall: float = 60.0
    bodies: int = 256 << 20
    connections: int = 1000
    shutdown: float = 20.0


@dataclass(slots=True)
class Room:
    """How many bytes of bodies are in memory at once."""

    taken: int = 0

    def take(self, size: int, most: int) -> None:
        """Take room for `size` bytes more; UnavailableError where all have over `most` then."""
        if self.taken + size > most:
            raise UnavailableError("many large bodies are arriving already", hint="Try again.")
        self.taken += size


class Asking(Protocol):
    """Who asks: their token, and who that is once it is known."""

    token: str | None
    caller: Caller | None


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """Runs operations for the loop. `identify` tells from a token who asks, in any transaction."""

    system: System
    identify: Callable[[Transaction, str | None], Caller]
    on_loop: frozenset[str] = LOOK_UPS
    limits: Limits = field(default_factory=Limits)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "stemma-http"))
    room: Room = field(default_factory=Room)
    grown: set[str] = field(default_factory=set)
    """The logs that may have grown here since they were signed last."""
    admitted: dict[str | None, float] = field(default_factory=dict)
    """Until when a token need not be looked up before the change's own transaction does."""
    on_batch: list[Callable[[int], None]] = field(default_factory=list)
    """Told how many changes were answered together; from the writer's thread."""

    async def authenticate(self, asking: Asking) -> Caller:
        """Return who asks; UnauthenticatedError where nobody vouches for them."""
        caller = asking.caller
        if caller is None:
            caller = asking.caller = await self._look_up(lambda tx: self.identify(tx, asking.token), quick=True)
        return caller

    async def admit(self, asking: Asking) -> None:
        """Keep strangers from the writer, and from sending much; who was known a second ago is let through."""
        now = time.monotonic()
        if self.admitted.get(asking.token, 0.0) < now:
            await self.authenticate(asking)
            if len(self.admitted) >= _ADMITTED:
                self.admitted.clear()
            self.admitted[asking.token] = now + _ADMITTED_SECONDS

    async def run(
        self, operation: Operation[Asked, Shown], asking: Asking, asked: Asked, key: str | None = None
    ) -> bytes:
        """Run one operation for whoever asks, and return its answer as JSON once it is durable.

        Who asks for a change was admitted before; who they are is found out again in its transaction.
        """
        system = self.system
        if operation.writes:
            change = system.change(operation, partial(self._caller, asking), asked, key)
            return await self._submit(change, operation.logs(asked))

        def step(tx: Transaction) -> bytes:
            return encode(operation.run(system.subjects, tx, self._caller(asking, tx), asked))

        return await self._look_up(step, quick=operation.name in self.on_loop)

    async def read(self, step: Callable[[Transaction], Result]) -> Result:
        """Run `step` in a read transaction, in a thread."""
        return await self.in_thread(self.system.executor.read, step)

    async def write(self, step: Callable[[Transaction], Result], logs: frozenset[str]) -> Result:
        """Run `step` in a write transaction that may append to `logs`; durable when this returns."""
        return await self._submit(step, logs)

    async def in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401  # passed on
        """Run `function(*arguments)`, which may block, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, partial(function, *arguments))

    def sign(self) -> None:
        """Sign the ends of the logs that may have grown here; blocks, and is called by one thread at a time."""
        grown = frozenset(self.grown)
        self.grown.difference_update(grown)
        try:
            self.system.sign(grown)
        except BaseException:
            self.grown.update(grown)
            raise

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(wait=True)

    def _caller(self, asking: Asking, tx: Transaction) -> Caller:
        """Return who asks, as this transaction sees it: a token that was revoked just before counts no more."""
        asking.caller = self.identify(tx, asking.token)
        return asking.caller

    async def _look_up(self, step: Callable[[Transaction], Result], *, quick: bool) -> Result:
        if not quick or not self.on_loop:
            return await self.read(step)
        executor = self.system.executor
        try:
            return executor.read(step, enter_refusals=False)
        except StemmaError as error:
            entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if executor.submit_refusal(error, self._hand_over, entered):
                await entered
                self.grown.add(SYSTEM_NAMESPACE if error.attempt is None else error.attempt.namespace)
            raise

    async def _submit(self, change: Callable[[Transaction], Result], logs: frozenset[str]) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.system.executor.submit(change, logs, self._hand_over, future)
        try:
            return await future
        finally:
            self.grown.update(logs)

    def _hand_over(self, answered: Sequence[Queued]) -> None:
        """Wake the loop once for all answers of a batch; runs in the writer's thread."""
        for tell in self.on_batch:
            tell(len(answered))
        loop: asyncio.AbstractEventLoop = answered[0].waiter.get_loop()
        try:
            loop.call_soon_threadsafe(_settle, answered)
        except RuntimeError:
            return  # the loop has ended, and with it all who waited


def _settle(answered: Sequence[Queued]) -> None:
    for each in answered:
        future: asyncio.Future[Any] = each.waiter
        if future.done():
            continue  # whoever waited went away
        try:
            future.set_result(each.answer())
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            future.set_exception(error)
