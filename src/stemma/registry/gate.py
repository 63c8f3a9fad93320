"""The gate: whoever may say no before an alias moves, and what follows when it does.

Every way to move an alias asks the gate, in the transaction of the move, so that no door can walk around an
approval. The gate that is kept here bars protected names, and never the way back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from stemma.access import Caller
from stemma.errors import Attempt, RefusedError
from stemma.names import ModelName
from stemma.records import Digest, canonical
from stemma.registry.store import MoveKind, Registration, RegistryTransaction


@dataclass(frozen=True, slots=True)
class AliasMove:
    """A move that somebody asks for: `before` and `after` are None where the alias is created or deleted.

    `override` is the wish to pass the gate all the same (break-glass); it always comes with a reason.
    """

    model: ModelName
    alias: str
    kind: MoveKind
    before: Registration | None
    after: Registration | None
    is_protected: bool
    override: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What a gate says: `policy` is the digest of the rules in force, `reasons` are free of personal data."""

    effect: Literal["allow", "refuse"]
    reasons: tuple[str, ...] = ()
    policy: Digest | None = None

    def facts(self) -> Mapping[str, str | list[str]]:
        """Return the decision as it stands in an entry."""
        facts: dict[str, str | list[str]] = {"effect": self.effect}
        if self.policy is not None:
            facts["policy"] = str(self.policy)
        if self.reasons:
            facts["reasons"] = list(self.reasons)
        return facts


class Gate(Protocol):
    """Decides about moves; reads through the transaction, changes nothing, and raises nothing of its own."""

    def decide(self, tx: RegistryTransaction, caller: Caller, move: AliasMove) -> GateDecision:
        """Say whether the move may happen now."""


class ProtectedNames:
    """The gate where no other is in force: protected names move by override only, except back."""

    policy = Digest.of(canonical({"schema": "stemma/gate/protected-names/1", "allow": ["back", "override"]}))

    def decide(self, tx: RegistryTransaction, caller: Caller, move: AliasMove) -> GateDecision:  # noqa: ARG002
        """Say whether the move may happen: by the move alone."""
        match move:
            case AliasMove(is_protected=False):
                return GateDecision("allow", (), self.policy)
            case AliasMove(kind="back"):
                return GateDecision("allow", ("the way back is open",), self.policy)
            case AliasMove(override=True):
                return GateDecision("allow", ("overridden",), self.policy)
            case _:
                return GateDecision("refuse", (f"{move.alias} is protected",), self.policy)


def refusal(caller: Caller, move: AliasMove, decision: GateDecision) -> RefusedError:
    """Return the error for a move that the gate refused; its attempt is what the ledger will remember."""
    actor = caller.actor
    attempt = Attempt(
        namespace=move.model.namespace,
        actor_kind=actor.kind,
        actor=actor.id,
        action=f"alias.{move.kind}",
        thing_kind="alias",
        thing=f"{move.model}@{move.alias}",
    )
    because = "; ".join(decision.reasons) or "the gate gives no reason"
    return RefusedError(
        f"the alias {move.alias!r} of {move.model} may not move: {because}",
        hint="Ask for an approval, or pass --override with a reason; the override is recorded.",
        attempt=attempt,
    )
