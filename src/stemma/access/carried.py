"""People of another repository whose entries arrive here: known by name, so that history reads the same, and no more.

`principal.carry` in the log `_system` introduces one. It holds no role and no token, and is not found by its name:
who acts here is never taken for somebody who acted there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stemma.access.caller import Caller
from stemma.access.ports import ChangingTransaction
from stemma.access.principal import Principal, check_name, check_pseudonym
from stemma.errors import InvalidError
from stemma.ledger import ActorKind, Draft, Entry, Thing, append_many, commit_text
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest

ACTION = "principal.carry"
_KINDS: dict[str, ActorKind] = {"u": "user", "s": "service", "x": "system", "p": "peer"}


@dataclass(frozen=True, slots=True)
class Carried:
    """A pseudonym of another repository with the name that it has there."""

    pseudonym: str
    name: str


def carry(tx: ChangingTransaction, caller: Caller, people: Sequence[Carried], origin: str) -> None:
    """Introduce those of `people` that are not known here, as `origin`, a log, names them. Checks no permission."""
    drafts: list[Draft] = []
    seen: set[str] = set()
    for person in people:
        pseudonym = check_pseudonym(person.pseudonym)
        if pseudonym in seen:
            raise InvalidError(f"{pseudonym} is named twice")
        seen.add(pseudonym)
        if tx.access.principals.find(pseudonym) is None:
            name = commit_text(tx, check_name(person.name))
            facts = {"kind": _KINDS[pseudonym[0]], "name": str(name), "origin": origin}
            drafts.append(Draft(SYSTEM_NAMESPACE, caller.actor, ACTION, Thing("principal", pseudonym), facts=facts))
    for entry in append_many(tx, drafts):
        project_carried(tx, entry)


def project_carried(tx: ChangingTransaction, entry: Entry) -> None:
    """Bring the principals up to a `principal.carry`."""
    pseudonym = entry.thing.id
    name = Digest.parse(str(entry.facts["name"]))
    tx.access.principals.add(Principal(pseudonym, _KINDS[pseudonym[0]], name, entry.time, carried=True), None)
