"""Access: who may do what, and what the ledger remembers of those who may not."""

from stemma.access.access import EVERYWHERE, Access, AccessStore, AccessTransaction, Grant, require
from stemma.access.caller import Caller, local_owner
from stemma.access.principal import Principal, check_pseudonym, new_pseudonym
from stemma.access.refusal import RefusalStore, RefusalTransaction, Refused, enter_refusal
from stemma.access.role import Permission, Role, permits

__all__ = [
    "EVERYWHERE",
    "Access",
    "AccessStore",
    "AccessTransaction",
    "Caller",
    "Grant",
    "Permission",
    "Principal",
    "RefusalStore",
    "RefusalTransaction",
    "Refused",
    "Role",
    "check_pseudonym",
    "enter_refusal",
    "local_owner",
    "new_pseudonym",
    "permits",
    "require",
]
