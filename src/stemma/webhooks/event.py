"""Events: what a delivery says of an entry, and the patterns by which events are chosen.

An event is made from its entry alone, so that every attempt says the same. It holds no free text: people are
pseudonyms; a reason is there only where the webhook asks for texts and it was not redacted.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from functools import lru_cache

from stemma.errors import InvalidError
from stemma.ledger import Entry, Fact, format_time

TEST = "webhook.test"
REFUSED = ".refused"
MAX_PATTERNS = 32
_PATTERN = re.compile(r"[a-z*][a-z0-9_*]{0,63}(?:\.[a-z*][a-z0-9_*]{0,63}){0,4}", re.ASCII)
_MAX_STARS = 4


def type_of(entry: Entry) -> str:
    """Return the type of an entry's event: its action, and `.refused` where it was refused."""
    return entry.action if entry.outcome == "done" else entry.action + REFUSED


def check_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return patterns of types: `alias.set`, `version.*`, `*`; else an InvalidError."""
    if not 1 <= len(patterns) <= MAX_PATTERNS:
        raise InvalidError(f"a webhook is for 1 to {MAX_PATTERNS} patterns of events, not {len(patterns)}")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern) or pattern.count("*") > _MAX_STARS:
            raise InvalidError(
                f"{pattern[:80]!r} is not a pattern of events", hint="Write an action, or for example 'alias.*' or '*'."
            )
    return tuple(dict.fromkeys(patterns))


def matches(patterns: Sequence[str], type_: str) -> bool:
    """Return whether any of `patterns` admits a type; `*` stands for any characters."""
    return any(_compiled(pattern).fullmatch(type_) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.ASCII)


def event_id(webhook: str, namespace: str, sequence: int) -> str:
    """Return what names an event at every attempt; without a full stop, as the specification asks."""
    return f"evt_{hashlib.sha256(f'{webhook} {namespace} {sequence}'.encode()).hexdigest()[:32]}"


def event_of(entry: Entry, id_: str, reason: str | None) -> bytes:
    """Return the body of an entry's event; `reason` is the text, None where it is not to be told."""
    members = json.loads(entry.encode())
    thing = members["object"]
    data = {
        "id": id_,
        "namespace": entry.namespace,
        "sequence": entry.sequence,
        "outcome": entry.outcome,
        "actor": {"id": entry.actor.id, "kind": entry.actor.kind},
        "thing": {"kind": thing["kind"], "id": thing["id"], "digest": thing.get("digest")},
        "before": entry.before,
        "after": entry.after,
        "facts": members.get("facts", {}),
        "reason": reason,
    }
    return _body(type_of(entry), entry.time, data)


def test_event(id_: str, webhook: str, time: int) -> bytes:
    """Return the body of an event that only tests the way."""
    return _body(TEST, time, {"id": id_, "webhook": webhook})


def _body(type_: str, time: int, data: dict[str, Fact]) -> bytes:
    whole = {"type": type_, "timestamp": format_time(time), "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
