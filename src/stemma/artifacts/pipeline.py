"""Work on both cores with bounded memory: results come in the order of the input, a few steps ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

THREADS = 2
AHEAD = 4
"""How many tasks are under way or wait to be taken; with tasks of 4 MiB this bounds memory to some 40 MiB."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    pool: Executor, task: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = AHEAD
) -> Iterator[Result]:
    """Yield `task(item)` for every item, in order; at most `ahead` are begun before the first is taken.

    What a task or the iteration raises is raised here, after all that were begun have ended.
    """
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(task, item))
            if len(begun) >= ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
        for future in begun:
            if not future.cancelled():
                future.exception()
