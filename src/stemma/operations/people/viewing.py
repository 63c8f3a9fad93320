"""From the values of access to views."""

from stemma.access import Caller, Grant, Principal, Role, Token
from stemma.errors import InvalidError
from stemma.ledger import format_time
from stemma.operations.operation import Subjects, Transaction
from stemma.operations.people.values import GrantView, PrincipalView, TokenView

_GRANTED = tuple(role for role in Role if role is not Role.OWNER)


def read_role(text: str) -> Role:
    """Return the role of that name, or raise an InvalidError that lists what there is."""
    if text not in set(Role):
        raise InvalidError(f"{text[:80]!r} is not a role", hint=f"One of: {', '.join(_GRANTED)}.")
    return Role(text)


def view_grants(grants: tuple[Grant, ...]) -> tuple[GrantView, ...]:
    """Return grants, in their order."""
    return tuple(GrantView(namespace=each.namespace, role=str(each.role)) for each in grants)


def view_principal(
    subjects: Subjects, tx: Transaction, caller: Caller, principal: Principal, grants: tuple[Grant, ...] | None = None
) -> PrincipalView:
    """Return a principal with `grants`, by default all of theirs that the caller may see."""
    held = subjects.access.roles(tx, caller, principal.id) if grants is None else grants
    return PrincipalView(
        id=principal.id,
        name=subjects.access.name_of(tx, principal.id),
        kind=principal.kind,
        introduced=format_time(principal.time),
        removed=None if principal.disabled is None else format_time(principal.disabled),
        roles=view_grants(held),
    )


def view_token(subjects: Subjects, tx: Transaction, token: Token) -> TokenView:
    """Return a token as it stands now."""
    note = None if token.note is None else tx.texts.read(token.note)
    scope = token.scope
    state = "revoked" if token.revoked is not None else "live" if token.is_live(tx.now) else "expired"
    return TokenView(
        id=token.id,
        principal=token.principal,
        name=subjects.access.name_of(tx, token.principal),
        namespaces=None if scope.namespaces is None else tuple(sorted(scope.namespaces)),
        roles=None if scope.roles is None else tuple(sorted(scope.roles)),
        note=None if note is None else note[1],
        issued=format_time(token.issued),
        expires=format_time(token.expires),
        state=state,
        revoked=None if token.revoked is None else format_time(token.revoked),
        issuer=token.issuer,
    )
