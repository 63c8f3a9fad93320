"""The operation: one thing that anybody can ask Stemma to do, whichever door they come through.

An operation parses what it was asked, calls one front, and turns the result into a view; it holds no rule and does
no I/O. It may be run again from the start, so it changes nothing but `tx`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from stemma.access import Access, Caller, Permission, RefusalTransaction
from stemma.artifacts.artifacts import Artifacts
from stemma.ledger.ledger import Ledger
from stemma.lineage import Lineage
from stemma.names import EVERY_LOG, SYSTEM_NAMESPACE, ModelName, Reference
from stemma.operations.requests import OfModel, OfNamespace, Request
from stemma.operations.views import View
from stemma.paging import Pager
from stemma.records import Json
from stemma.registry import Registry, RegistryTransaction
from stemma.upkeep import UpkeepTransaction
from stemma.webhooks import Webhooks, WebhookTransaction

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Referring(Protocol):
    """A request about what a reference means."""

    @property
    def reference(self) -> str:
        """`namespace/name[@SELECTOR]`."""
        ...


class Transaction(
    RegistryTransaction,
    WebhookTransaction,
    RefusalTransaction,
    UpkeepTransaction,
    Protocol,
):
    """What operations ask of a transaction: all that the subjects ask."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """The wired subjects."""

    registry: Registry
    lineage: Lineage
    ledger: Ledger
    access: Access
    artifacts: Artifacts
    webhooks: Webhooks
    pager: Pager

    def token(self, position: Json, query: str, caller: Caller) -> str:
        """Return the token of the page behind `position`."""
        return self.pager.issue(position, query=query, caller=caller.id)

    def position(self, token: str | None, query: str, caller: Caller) -> int | None:
        """Return the number behind which a page starts, None for the first page."""
        return None if token is None else cast("int", self.pager.read(token, query=query, caller=caller.id))

    def name(self, token: str | None, query: str, caller: Caller) -> str:
        """Return the name behind which a page starts, empty for the first page."""
        return "" if token is None else cast("str", self.pager.read(token, query=query, caller=caller.id))


@dataclass(frozen=True, slots=True)
class Operation(Generic[Asked, Answered]):
    """A row of the table. `path` is relative to `/api/v1`; `permission` is what the fronts will require.

    `log` says from the request which namespace's log a write appends to, so that this log can be locked before; each
    operation that writes has one. What cannot be read from the request is the InvalidError that the operation raises.
    The answer of a `confidential` one holds a secret: it is told once, and kept nowhere. One without a permission says
    in `unasked` what keeps it to what its caller may see: there is no other way to ask for none. One that is `alone`
    changes what follows from it in other namespaces too, so that nobody else writes meanwhile.
    """

    name: str
    request: type[Asked]
    response: type[Answered]
    permission: Permission | None
    method: Method
    path: str
    run: Callable[[Subjects, Transaction, Caller, Asked], Answered]
    log: Callable[[Asked], str] | None = None
    confidential: bool = False
    receives: bool = False
    unasked: str = ""
    alone: bool = False

    def __post_init__(self) -> None:
        if (self.permission is None) != bool(self.unasked):
            raise TypeError(f"operation {self.name!r} must say which permission it takes, or why it takes none")
        if self.writes and self.log is None:
            raise TypeError(f"operation {self.name!r} writes, but does not say to which log")

    @property
    def says(self) -> str:
        """What it does, in one sentence: the first line of what `run` says of itself."""
        return (self.run.__doc__ or "").partition("\n")[0]

    @property
    def writes(self) -> bool:
        """Whether it may change anything; one that does not runs on a connection that cannot."""
        return self.method != "GET"

    def logs(self, asked: Asked) -> frozenset[str]:
        """Return the names of the logs that are locked for it, none for one that only reads."""
        if self.log is None:
            return _NONE
        return frozenset((self.log(asked), EVERY_LOG) if self.alone else (self.log(asked),))


AnyOperation = Operation[Any, Any]
_NONE: frozenset[str] = frozenset()


def of_model(asked: OfModel) -> str:
    """Return the log of the model's namespace."""
    return ModelName.parse(asked.model).namespace


def of_reference(asked: Referring) -> str:
    """Return the log of the namespace that the reference names."""
    return Reference.parse(asked.reference).model.namespace


def of_namespace(asked: OfNamespace) -> str:
    """Return the log of the namespace itself."""
    return asked.namespace


def system_log(_asked: Request) -> str:
    """Return the log of principals, namespaces and settings."""
    return SYSTEM_NAMESPACE
