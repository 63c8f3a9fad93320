"""A process that registers versions until it is told to end: `python -m tests.crash.registering URL SEED`.

It prints each one's name once that is durable. What failed on the way is asked for again under another name.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from stemma.backends.database.executor import Executor
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.transaction import Transaction
from stemma.errors import UnavailableError
from stemma.names import ModelName, Sequence
from stemma.records import Digest
from stemma.registry import Message, ProtectedNames, Registry, Submission, Version
from stemma.semver import SemanticVersion
from tests.registry.support import OWNER, publish

THREADS = 4
PAUSE = 0.05
"""Seconds between two, so that there is not more to check than to write."""
REGISTRY = Registry(ProtectedNames())
_PRINTING = threading.Lock()


def register(tx: Transaction, model: ModelName, what: str) -> SemanticVersion | None:
    """Register a version, and point an alias at it."""
    data = what.encode()
    publish(tx, data, model.namespace)
    done = REGISTRY.versions.register(tx, OWNER, model, Submission(Version(Digest.of(data), tx.now), Message(what)))
    REGISTRY.aliases.set(tx, OWNER, model, "newest", Sequence(done.version.sequence))
    return done.version.number


def work(executor: Executor, ends: threading.Event, seed: str, thread: int) -> None:
    model = ModelName(f"space{thread % 2}", f"model-{seed}-{thread}")
    for number in count():
        if ends.is_set():
            return
        what = f"{seed}-{thread}-{number}"
        try:
            executor.write(lambda tx, w=what: register(tx, model, w), frozenset({model.namespace}))  # type: ignore[misc]  # a loop's own value
        except UnavailableError:
            ends.wait(0.02)
        else:
            with _PRINTING:
                print(f"{model} {what}", flush=True)  # noqa: T201  # its answer
            ends.wait(PAUSE)


def main() -> None:
    url, seed = sys.argv[1:]
    executor = Executor(PostgresqlServer(url))
    ends = threading.Event()
    with ThreadPoolExecutor(THREADS) as pool:
        done = [pool.submit(work, executor, ends, seed, thread) for thread in range(THREADS)]
        sys.stdin.read()
        ends.set()
        for each in done:
            each.result()
    executor.close()


if __name__ == "__main__":
    main()
