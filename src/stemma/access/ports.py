"""What access asks of its stores and of a transaction.

Stores write in the caller's transaction and never commit; every `find` returns None for what does not exist.
"""

from collections.abc import Sequence
from typing import Protocol

from stemma.access.grant import Grant
from stemma.access.principal import Principal
from stemma.access.role import Role
from stemma.access.token import Known, Token
from stemma.ledger import LedgerTransaction, LogTransaction


class PrincipalStore(Protocol):
    """Principals: projected."""

    def add(self, principal: Principal, key: str | None) -> None:
        """Add a principal under the key of its name; an AlreadyExistsError where either is taken."""

    def find(self, pseudonym: str) -> Principal | None:
        """Return a principal."""

    def named(self, key: str) -> Principal | None:
        """Return the live principal with this key."""

    def page(self, after: str, limit: int, within: frozenset[str] | None = None, also: str = "") -> Sequence[Principal]:
        """Return principals whose pseudonyms follow `after`, in order: all, or who has a role in one of `within`.

        The principal `also` is among them whatever it holds; those that were carried here are not.
        """

    def disable(self, pseudonym: str, time: int) -> None:
        """Note that a principal was removed; its name is free from now on."""


class RoleStore(Protocol):
    """Who holds which role where: projected."""

    def held(self, pseudonym: str, namespace: str) -> frozenset[Role]:
        """Return the roles that a principal holds in a namespace: given for it, or everywhere."""

    def of(self, pseudonym: str) -> Sequence[Grant]:
        """Return all that a principal holds, by namespace and role."""

    def within(self, namespace: str, after: str, limit: int) -> Sequence[Grant]:
        """Return what `limit` principals that follow `after` hold in a namespace or everywhere, in order."""

    def holds(self, grant: Grant) -> bool:
        """Return whether exactly this was granted."""

    def is_shared(self, grant: Grant) -> bool:
        """Return whether somebody else holds the same role in the same place."""

    def is_empty(self) -> bool:
        """Return whether nobody holds any role."""

    def grant(self, grant: Grant) -> None:
        """Give a role; changes nothing where it is held."""

    def revoke(self, grant: Grant) -> None:
        """Take a role away; changes nothing where it is not held."""


class TokenStore(Protocol):
    """Tokens, which are projected, and the hashes of their texts, which only a backup brings back."""

    def add(self, token: Token) -> None:
        """Add a token."""

    def find(self, token: str) -> Token | None:
        """Return the token with a public id."""

    def known(self, token: str) -> Known | None:
        """Return a token with its hash and its principal; None where any of them is missing."""

    def page(self, pseudonym: str | None, after: str, limit: int) -> Sequence[Token]:
        """Return tokens of a principal, or of all, whose ids follow `after`, in order."""

    def live(self, pseudonym: str, now: int) -> Sequence[Token]:
        """Return a principal's tokens that are neither revoked nor expired, oldest first."""

    def revoke(self, token: str, time: int) -> None:
        """Note that a token was revoked."""

    def keep(self, token: str, hashed: bytes) -> None:
        """Store the hash of a token's text."""

    def forget(self, token: str) -> None:
        """Remove the hash of a token's text; idempotent."""


class AccessStore(Protocol):
    """The three stores."""

    @property
    def principals(self) -> PrincipalStore:
        """Who there is."""

    @property
    def roles(self) -> RoleStore:
        """Who holds what."""

    @property
    def tokens(self) -> TokenStore:
        """What they show."""


class AccessTransaction(Protocol):
    """What the questions in `checks` ask of a transaction."""

    @property
    def access(self) -> AccessStore:
        """Principals, roles and tokens."""


class AuthenticationTransaction(AccessTransaction, LogTransaction, Protocol):
    """What finding out who asks takes."""


class ChangingTransaction(AccessTransaction, LedgerTransaction, Protocol):
    """What changes of principals, roles and tokens ask of a transaction."""
