"""Access: who may do what, and what the ledger remembers of those who may not."""

from stemma.access.access import Access
from stemma.access.caller import ALL, Caller, Scope, local_owner
from stemma.access.checks import forbidden, may, readable, require, unseen
from stemma.access.grant import EVERYWHERE, Grant
from stemma.access.ports import (
    AccessStore,
    AccessTransaction,
    AuthenticationTransaction,
    ChangingTransaction,
    PrincipalStore,
    RoleStore,
    TokenStore,
)
from stemma.access.principal import Principal, check_pseudonym, name_key, new_pseudonym
from stemma.access.refusal import RefusalStore, RefusalTransaction, Refused, enter_refusal
from stemma.access.role import Permission, Role, permits
from stemma.access.token import Known, Token
from stemma.access.tokens import Issued, Tokens

__all__ = [
    "ALL",
    "EVERYWHERE",
    "Access",
    "AccessStore",
    "AccessTransaction",
    "AuthenticationTransaction",
    "Caller",
    "ChangingTransaction",
    "Grant",
    "Issued",
    "Known",
    "Permission",
    "Principal",
    "PrincipalStore",
    "RefusalStore",
    "RefusalTransaction",
    "Refused",
    "Role",
    "RoleStore",
    "Scope",
    "Token",
    "TokenStore",
    "Tokens",
    "check_pseudonym",
    "enter_refusal",
    "forbidden",
    "local_owner",
    "may",
    "name_key",
    "new_pseudonym",
    "permits",
    "readable",
    "require",
    "unseen",
]
