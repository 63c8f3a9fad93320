"""Roles and the permissions that they carry.

A role is held in one namespace, or everywhere. Permissions say what one may ask for: whether an alias then moves, the
gate decides, whoever asks.
"""

from enum import StrEnum


class Permission(StrEnum):
    """What an operation asks of its caller."""

    READ = "read"
    """See models, versions, lineage and their bytes."""
    AUDIT = "audit"
    """Read, verify and export the ledger."""
    REGISTER = "register"
    """Create models and branches, upload, register and number versions."""
    DESCRIBE = "describe"
    """Set titles, descriptions and labels; add evidence."""
    WITHDRAW = "withdraw"
    """Withdraw a version."""
    POINT = "point"
    """Move, roll back and delete aliases."""
    APPROVE = "approve"
    """Say that a version may go live."""
    OVERRIDE = "override"
    """Pass a gate without its consent, with a reason (break-glass)."""
    PROTECT = "protect"
    """Protect names and change policies."""
    GRANT = "grant"
    """Introduce principals; give and take roles."""
    REDACT = "redact"
    """Forget detached texts."""
    RECEIVE = "receive"
    """Take in entries of another repository's log, which speak for others."""
    MAINTAIN = "maintain"
    """Check, migrate, rebuild, collect; create namespaces."""

    @property
    def told(self) -> str:
        """What one may do, in words that follow `may`."""
        return _TOLD[self]


_TOLD = {
    Permission.READ: "read",
    Permission.AUDIT: "read the log",
    Permission.REGISTER: "push and register versions",
    Permission.DESCRIBE: "describe and label",
    Permission.WITHDRAW: "withdraw versions",
    Permission.POINT: "move aliases",
    Permission.APPROVE: "approve versions",
    Permission.OVERRIDE: "pass a gate without its consent",
    Permission.PROTECT: "protect names",
    Permission.GRANT: "add people or give roles",
    Permission.REDACT: "redact texts",
    Permission.RECEIVE: "take in the log of another repository",
    Permission.MAINTAIN: "make namespaces or see to upkeep",
}


class Role(StrEnum):
    """What a principal is in a namespace."""

    READER = "reader"
    CONTRIBUTOR = "contributor"
    APPROVER = "approver"
    DEPLOYER = "deployer"
    ADMIN = "admin"
    OWNER = "owner"
    """The owner of a folder: may ask for everything."""


_READER = frozenset({Permission.READ, Permission.AUDIT})
_CONTRIBUTOR = _READER | {Permission.REGISTER, Permission.DESCRIBE}
_PERMISSIONS = {
    Role.READER: _READER,
    Role.CONTRIBUTOR: _CONTRIBUTOR,
    Role.APPROVER: _READER | {Permission.APPROVE, Permission.DESCRIBE},
    Role.DEPLOYER: _READER | {Permission.POINT, Permission.OVERRIDE},
    Role.ADMIN: _CONTRIBUTOR
    | {
        Permission.WITHDRAW,
        Permission.PROTECT,
        Permission.GRANT,
        Permission.REDACT,
        Permission.RECEIVE,
        Permission.MAINTAIN,
    },
    Role.OWNER: frozenset(Permission),
}


def permits(roles: frozenset[Role], permission: Permission) -> bool:
    """Return whether any of `roles` carries `permission`."""
    return any(permission in _PERMISSIONS[role] for role in roles)


def carriers(permission: Permission) -> tuple[Role, ...]:
    """Return the roles that can be given and carry `permission`, the narrowest first."""
    return tuple(role for role in Role if role is not Role.OWNER and permission in _PERMISSIONS[role])


def permissions(roles: frozenset[Role]) -> frozenset[Permission]:
    """Return all that `roles` carry."""
    return frozenset[Permission]().union(*(_PERMISSIONS[role] for role in roles))
