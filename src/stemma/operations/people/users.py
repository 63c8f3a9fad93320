"""Operations on who there is."""

from typing import TYPE_CHECKING, cast

from stemma.access import Caller, Grant, Permission, Role
from stemma.errors import InvalidError
from stemma.operations.operation import Operation, Subjects, Transaction, system_log
from stemma.operations.people.roles import check_place
from stemma.operations.people.values import (
    AddPrincipal,
    Identity,
    OfPrincipal,
    PrincipalPage,
    PrincipalView,
    RemovePrincipal,
)
from stemma.operations.people.viewing import read_role, view_grants, view_principal, view_token
from stemma.operations.requests import Nothing, Paged

if TYPE_CHECKING:
    from stemma.ledger import ActorKind

_KINDS = ("user", "service")


def _whoami(subjects: Subjects, tx: Transaction, caller: Caller, asked: Nothing) -> Identity:
    """Tell who asks, and what they may do."""
    del asked
    shown = caller.actor.token
    token = None if shown is None else subjects.access.tokens.show(tx, caller, shown)
    return Identity(
        id=caller.id,
        name=subjects.access.name_of(tx, caller.id),
        kind=caller.actor.kind,
        authentication=caller.actor.authentication,
        owner=Role.OWNER in caller.roles,
        roles=view_grants(subjects.access.roles(tx, caller, caller.id)),
        token=None if token is None else view_token(subjects, tx, token),
    )


def _add(subjects: Subjects, tx: Transaction, caller: Caller, asked: AddPrincipal) -> PrincipalView:
    """Introduce a person or a program, perhaps with a first role."""
    if asked.kind not in _KINDS:
        raise InvalidError(f"{asked.kind[:80]!r} is no kind of principal", hint=f"One of: {', '.join(_KINDS)}.")
    if (asked.role is None) != (asked.namespace is None):
        raise InvalidError("a first role needs a namespace, and a namespace a role", hint="Give both, or none.")
    principal = subjects.access.introduce(tx, caller, cast("ActorKind", asked.kind), asked.name)
    if asked.role is not None and asked.namespace is not None:
        check_place(tx, caller, asked.namespace)
        subjects.access.grant(tx, caller, Grant(principal.id, asked.namespace, read_role(asked.role)))
    return view_principal(subjects, tx, caller, principal)


def _list(subjects: Subjects, tx: Transaction, caller: Caller, asked: Paged) -> PrincipalPage:
    """List people and services."""
    after = subjects.name(asked.token, "users", caller)
    found, more = subjects.access.page(tx, caller, after=after, limit=asked.limit)
    token = subjects.token(found[-1].id, "users", caller) if more else None
    return PrincipalPage(
        principals=tuple(view_principal(subjects, tx, caller, principal) for principal in found), next_token=token
    )


def _show(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfPrincipal) -> PrincipalView:
    """Tell of a person or service, and their roles."""
    return view_principal(subjects, tx, caller, subjects.access.who(tx, caller, asked.principal))


def _remove(subjects: Subjects, tx: Transaction, caller: Caller, asked: RemovePrincipal) -> PrincipalView:
    """Take every role and token from somebody, for good, and perhaps forget their name."""
    principal = subjects.access.who(tx, caller, asked.principal)
    subjects.access.remove(tx, caller, principal, forget=asked.forget)
    return view_principal(subjects, tx, caller, subjects.access.find(tx, principal.id))


WHOAMI = Operation("whoami", Nothing, Identity, None, "GET", "/whoami", _whoami, unasked="oneself")
ADD = Operation("user.add", AddPrincipal, PrincipalView, Permission.GRANT, "POST", "/users", _add, system_log)
LIST = Operation("user.list", Paged, PrincipalPage, None, "GET", "/users", _list, unasked="lists whom one may see")
SHOW = Operation("user.show", OfPrincipal, PrincipalView, None, "GET", "/user", _show, unasked="shows whom one may see")
REMOVE = Operation(
    "user.remove", RemovePrincipal, PrincipalView, Permission.GRANT, "DELETE", "/user", _remove, system_log
)
