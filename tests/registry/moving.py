"""A process that moves one alias back and forth: `python -m tests.registry.moving DATABASE TIMES VERSIONS`.

It reads what the alias holds, asks for the next version by compare-and-swap, and tries again where somebody else was
faster. It prints how often that was.
"""

import sys

from stemma.backends.database.executor import Executor
from stemma.errors import ConflictError
from stemma.names import Reference, Sequence
from stemma.registry import ProtectedNames, Registry
from tests.databases import open_database
from tests.registry.support import CREDIT, OWNER, RISK

PRODUCTION = Reference.parse("risk/credit@production")


def move(place: str, times: int, versions: int) -> int:
    """Move the alias `times` times; return how many attempts were lost."""
    executor = Executor(open_database(place))
    registry = Registry(ProtectedNames())
    lost = done = 0
    while done < times:
        held = executor.read(lambda tx: registry.resolve(tx, OWNER, PRODUCTION))
        following = Sequence(held.sequence % versions + 1)
        try:
            executor.write(
                lambda tx, held=held, to=following: registry.aliases.set(  # type: ignore[misc]  # a loop's own values
                    tx, OWNER, CREDIT, "production", to, expected=held.digest
                ),
                RISK,
            )
        except ConflictError:
            lost += 1
        else:
            done += 1
    executor.close()
    return lost


if __name__ == "__main__":
    print(move(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))  # noqa: T201  # its answer
