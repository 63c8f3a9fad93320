"""Whether a recorded history of one register could have happened one operation after the other.

The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory of states that
Lowe added (2017): an operation may come first if none of those that are left had ended before it began.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Call:
    """One operation: from when to when (for ever, where nobody knows whether it happened), and what came of it.

    A `read` found `value`. A `write` set `value`. A `swap` set `value` where it found `expected`, or was `refused`
    because it found something else.
    """

    kind: str
    value: str
    began: float
    ended: float = math.inf
    expected: str = NOTHING
    refused: bool = False

    def apply(self, state: str) -> str | None:
        """Return the state after it, None where it could not have happened in this one."""
        match self.kind:
            case "read":
                return state if state == self.value else None
            case "write":
                return self.value
            case _ if self.refused:
                return state if state != self.expected else None
            case _:
                return self.value if state == self.expected else None


def is_linearizable(calls: Sequence[Call], start: str = NOTHING) -> bool:
    """Return whether there is an order that explains every answer; one without answer may have never happened."""
    calls = sorted(calls, key=lambda call: call.began)
    must = sum(1 << index for index, call in enumerate(calls) if call.ended < math.inf)
    seen: set[tuple[int, str]] = set()
    waiting = [(0, start)]
    while waiting:
        done, state = waiting.pop()
        if done & must == must:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        earliest = min(call.ended for index, call in enumerate(calls) if not done >> index & 1)
        for index, call in enumerate(calls):
            if call.began > earliest:
                break
            if done >> index & 1:
                continue
            after = call.apply(state)
            if after is not None:
                waiting.append((done | 1 << index, after))
    return False
