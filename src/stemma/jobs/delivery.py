"""The job that delivers webhooks: each webhook's events one by one, several webhooks beside each other."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from stemma.errors import StemmaError
from stemma.jobs.job import Job, Turn
from stemma.system import System, Transaction
from stemma.webhooks import Answer, Outbox, Outgoing, Webhook
from stemma.webhooks.signing import Attempt, sign

THREADS = 4
AT_ONCE = 100
"""Deliveries to one webhook before the others have their turn."""
_SECOND = 1_000_000
_NO_LOG: frozenset[str] = frozenset()
_AGENT = "Stemma-Webhooks/1"


class Sender(Protocol):
    """Carries one delivery, within bounds of time and size, and never to where the rules forbid."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, /) -> Answer:
        """Return what came back; it never raises for what the receiver does."""


def delivery(system: System, sender: Sender) -> Job:
    """Tell webhooks of what they have not been told."""
    outbox = Outbox(system.subjects.webhooks)

    def due(tx: Transaction) -> bool:
        return bool(outbox.waiting(tx))

    def work(turn: Turn) -> str:
        waiting = system.executor.read(outbox.waiting)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-webhook") as pool:
            courses = [_Course(system, outbox, sender, turn, webhook) for webhook in waiting]
            sent = list(pool.map(_Course.run, courses))
        problems = [problem for _, problem in sent if problem]
        if problems:
            raise problems[0]
        return f"{sum(count for count, _ in sent)} sent" if sent else ""

    return Job("webhooks", 1, due, work)


class _Course:
    """The deliveries to one webhook, in order."""

    def __init__(self, system: System, outbox: Outbox, sender: Sender, turn: Turn, webhook: Webhook) -> None:
        self._executor = system.executor
        self._outbox = outbox
        self._sender = sender
        self._turn = turn
        self._webhook = webhook

    def run(self) -> tuple[int, StemmaError | None]:
        """Send what is due, until an attempt fails; return how many were sent, and what kept others from it."""
        sent = 0
        try:
            while sent < AT_ONCE and not self._turn.stopping.is_set():
                outgoing = self._executor.read(self._next)
                if outgoing is None:
                    if not self._executor.write(self._spread, _NO_LOG):
                        break
                    continue
                if not self._send(outgoing):
                    break
                sent += 1
        except StemmaError as error:  # a lost secret: the others are not kept from theirs
            return sent, error
        return sent, None

    def _next(self, tx: Transaction) -> Outgoing | None:
        return self._outbox.next(tx, self._webhook)

    def _spread(self, tx: Transaction) -> int:
        return self._outbox.spread(tx, self._webhook) if self._turn.renew(tx) else 0

    def _send(self, outgoing: Outgoing) -> bool:
        """Make one attempt and note what became of it; return whether the next may follow."""
        if outgoing.url is None:
            answer = Answer(None, "its URL was redacted", final=True)
        else:
            answer = self._attempt(outgoing, outgoing.url)

        def settle(tx: Transaction) -> bool:
            settled = self._outbox.settle(tx, outgoing, answer)
            held = self._turn.renew(tx)
            return held and settled is not None and settled.state != "pending"

        return self._executor.write(settle)

    def _attempt(self, outgoing: Outgoing, url: str) -> Answer:
        now = self._executor.read(lambda tx: tx.now)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            **sign(outgoing.secret, Attempt(outgoing.event, now // _SECOND), outgoing.body),
        }
        return self._sender(url, headers, outgoing.body)
