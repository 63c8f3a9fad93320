"""Operations on roles, and on the namespaces that they are held in."""

from stemma.access import EVERYWHERE, Caller, Grant, Permission, Role, forbidden, may, require, unseen
from stemma.names import SYSTEM_NAMESPACE
from stemma.operations.operation import Operation, Subjects, Transaction, system_log
from stemma.operations.people.values import ChangeRole, CreateNamespace, ListMembers, NamespaceView, PrincipalPage
from stemma.operations.people.viewing import read_role, view_principal
from stemma.operations.views import Done
from stemma.paging import check_limit, split_page


def check_place(tx: Transaction, caller: Caller, namespace: str) -> None:
    """Raise where the caller governs no such namespace, whether it is there or not."""
    require(tx, caller, Permission.GRANT, namespace)
    if namespace not in {EVERYWHERE, SYSTEM_NAMESPACE} and tx.registry.namespaces.find(namespace) is None:
        raise unseen(namespace)


def _grant(subjects: Subjects, tx: Transaction, caller: Caller, asked: ChangeRole) -> Done:
    """Give somebody a role in a namespace, or everywhere."""
    grant = Grant(asked.principal, asked.namespace, read_role(asked.role))
    check_place(tx, caller, asked.namespace)
    return Done(changed=subjects.access.grant(tx, caller, grant))


def _revoke(subjects: Subjects, tx: Transaction, caller: Caller, asked: ChangeRole) -> Done:
    """Take a role from somebody."""
    role = read_role(asked.role)
    check_place(tx, caller, asked.namespace)
    principal = subjects.access.who(tx, caller, asked.principal)
    return Done(changed=subjects.access.revoke(tx, caller, Grant(principal.id, asked.namespace, role)))


def _create_namespace(subjects: Subjects, tx: Transaction, caller: Caller, asked: CreateNamespace) -> NamespaceView:
    """Make a namespace."""
    if not may(tx, caller, Permission.MAINTAIN, SYSTEM_NAMESPACE):
        raise forbidden(caller, Permission.MAINTAIN, SYSTEM_NAMESPACE)
    subjects.registry.create_namespace(tx, caller, asked.namespace, has_arrived=asked.as_arrived)
    is_new = subjects.access.found(tx, caller, asked.namespace)
    return NamespaceView(namespace=asked.namespace, role=str(Role.ADMIN) if is_new else None)


def _members(subjects: Subjects, tx: Transaction, caller: Caller, asked: ListMembers) -> PrincipalPage:
    """List who has a role in a namespace."""
    require(tx, caller, Permission.READ, asked.namespace)
    if tx.registry.namespaces.find(asked.namespace) is None:
        raise unseen(asked.namespace)
    query = f"members {asked.namespace}"
    after = subjects.name(asked.token, query, caller)
    members = subjects.access.members(tx, caller, asked.namespace, after=after, limit=asked.limit)
    found, more = split_page(members, check_limit(asked.limit))
    token = subjects.token(found[-1][0], query, caller) if more else None
    return PrincipalPage(
        principals=tuple(
            view_principal(subjects, tx, caller, subjects.access.find(tx, principal), grants)
            for principal, grants in found
        ),
        next_token=token,
    )


GRANT = Operation("role.grant", ChangeRole, Done, Permission.GRANT, "PUT", "/role", _grant, system_log)
REVOKE = Operation("role.revoke", ChangeRole, Done, Permission.GRANT, "DELETE", "/role", _revoke, system_log)
CREATE_NAMESPACE = Operation(
    "namespace.create",
    CreateNamespace,
    NamespaceView,
    Permission.MAINTAIN,
    "POST",
    "/namespaces",
    _create_namespace,
    system_log,
)
MEMBERS = Operation("namespace.members", ListMembers, PrincipalPage, Permission.READ, "GET", "/members", _members)
