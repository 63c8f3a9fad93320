"""The only questions that decide: may this caller do that there, and which namespaces can they read.

Both must permit: the roles of the principal, read in the transaction, and the scope of the token.
"""

from stemma.access.caller import Caller
from stemma.access.grant import EVERYWHERE
from stemma.access.ports import AccessTransaction
from stemma.access.role import Permission, Role, carriers, permits
from stemma.errors import Attempt, ForbiddenError, NotFoundError
from stemma.names import SYSTEM_NAMESPACE

_OPEN_SECRETS = frozenset({SYSTEM_NAMESPACE, EVERYWHERE})
"""What every repository has, so that nothing is disclosed by saying that one may not enter."""


def may(tx: AccessTransaction, caller: Caller, permission: Permission, namespace: str) -> bool:
    """Return whether the caller may do that in a namespace, or in all of them (`EVERYWHERE`)."""
    if caller.scope is not None and not caller.scope.admits(permission, namespace):
        return False
    return permits(caller.roles, permission) or permits(tx.access.roles.held(caller.id, namespace), permission)


def require(tx: AccessTransaction, caller: Caller, permission: Permission, namespace: str) -> None:
    """Return if the caller may, else raise.

    A caller who may not even read is told NotFoundError, as if the namespace did not exist; any other
    ForbiddenError, which the ledger remembers.
    """
    if may(tx, caller, permission, namespace):
        return
    if namespace not in _OPEN_SECRETS and not may(tx, caller, Permission.READ, namespace):
        raise unseen(namespace)
    raise forbidden(caller, permission, namespace)


def readable(tx: AccessTransaction, caller: Caller) -> frozenset[str] | None:
    """Return the namespaces that the caller can read, None for all of them."""
    scope = caller.scope
    if scope is not None and scope.roles is not None and not permits(scope.roles, Permission.READ):
        return frozenset()
    within = None if scope is None else scope.namespaces
    if permits(caller.roles, Permission.READ):
        return within
    held = {grant.namespace for grant in tx.access.roles.of(caller.id) if _reads(grant.role)}
    if EVERYWHERE in held:
        return within
    return frozenset(held) if within is None else within & held


def unseen(namespace: str) -> NotFoundError:
    """Return the error for a namespace that is not there, or that the caller may not see."""
    return NotFoundError(f"there is no namespace {namespace[:80]!r}", hint="Or you may not see it: ask its admin.")


def forbidden(caller: Caller, permission: Permission, namespace: str) -> ForbiddenError:
    """Return the error for a caller who may see a namespace and not do that there; the ledger remembers it."""
    actor = caller.actor
    place = "everywhere" if namespace in _OPEN_SECRETS else f"in {namespace!r}"
    log = SYSTEM_NAMESPACE if namespace == EVERYWHERE else namespace
    if caller.scope is not None and not caller.scope.admits(permission, namespace):
        message = f"you may not {permission.told} {place} with this token, which was made for less"
        hint = "Use a token that is not narrowed so; 'stemma whoami' says what yours may."
    else:
        message = f"you may not {permission.told} {place}"
        hint = f"Ask an admin for the role {' or '.join(carriers(permission))} {place}; 'stemma whoami' shows yours."
    return ForbiddenError(
        message,
        hint=hint,
        attempt=Attempt(log, actor.kind, actor.id, f"access.{permission}", "namespace", namespace),
    )


def _reads(role: Role) -> bool:
    return permits(frozenset({role}), Permission.READ)
