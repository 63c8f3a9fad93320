"""People and services, their roles and their tokens, as the SDK offers them.

A principal is named as it is displayed, in any case, or by its pseudonym. The namespace `*` means everywhere.
"""

from collections.abc import Iterator, Sequence

from stemma.client.calls import Calls, follow
from stemma.operations.people import roles, tokens, users
from stemma.operations.people.values import (
    AddPrincipal,
    ChangeRole,
    CreateNamespace,
    CreateToken,
    Identity,
    ListMembers,
    ListTokens,
    NamespaceView,
    OfPrincipal,
    OfToken,
    PrincipalView,
    RemovePrincipal,
    TokenCreated,
    TokenView,
)
from stemma.operations.requests import Nothing, Paged


class People:
    """Who there is, and what they may do where."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def whoami(self) -> Identity:
        """Return who asks, and how that is known."""
        return self._calls.run(users.WHOAMI, Nothing())

    def add(
        self, name: str, *, kind: str = "user", role: str | None = None, namespace: str | None = None
    ) -> PrincipalView:
        """Introduce a person (`user`) or a program (`service`), perhaps with a role in a namespace.

        AlreadyExistsError where the name differs from another's in case or form only.
        """
        return self._calls.run(users.ADD, AddPrincipal(name=name, kind=kind, role=role, namespace=namespace))

    def all(self) -> Iterator[PrincipalView]:
        """Yield everybody whom the caller may see, who was removed among them."""
        for page in follow(lambda token: self._calls.run(users.LIST, Paged(token=token))):
            yield from page.principals

    def show(self, principal: str) -> PrincipalView:
        """Return somebody with their roles."""
        return self._calls.run(users.SHOW, OfPrincipal(principal=principal))

    def remove(self, principal: str, *, forget: bool = False) -> PrincipalView:
        """Take every role and token from somebody, for good; with `forget` their name is forgotten too."""
        return self._calls.run(users.REMOVE, RemovePrincipal(principal=principal, forget=forget))

    def grant(self, principal: str, role: str, namespace: str) -> bool:
        """Give a role; return whether that changed anything."""
        return self._calls.run(roles.GRANT, ChangeRole(principal=principal, role=role, namespace=namespace)).changed

    def revoke(self, principal: str, role: str, namespace: str) -> bool:
        """Take a role away; return whether that changed anything. ConflictError for the last admin everywhere."""
        return self._calls.run(roles.REVOKE, ChangeRole(principal=principal, role=role, namespace=namespace)).changed

    def members(self, namespace: str) -> Iterator[PrincipalView]:
        """Yield who has a role in a namespace, or everywhere, with these roles."""
        for page in follow(lambda token: self._calls.run(roles.MEMBERS, ListMembers(namespace=namespace, token=token))):
            yield from page.principals

    def create_namespace(self, namespace: str, *, as_arrived: bool = False) -> NamespaceView:
        """Make a namespace; AlreadyExistsError where it is there.

        ConflictError for one that is arriving from another repository, unless it is to be `as_arrived` so far.
        """
        request = CreateNamespace(namespace=namespace, as_arrived=as_arrived)
        return self._calls.run(roles.CREATE_NAMESPACE, request)


class Tokens:
    """What people and services show to a server to say who they are."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        principal: str | None = None,
        *,
        namespaces: Sequence[str] | None = None,
        roles: Sequence[str] | None = None,
        lifetime: int | None = None,
        note: str = "",
    ) -> TokenCreated:
        """Make a token for oneself or another; its `secret` is shown this once.

        `namespaces` and `roles` narrow what it may be used for. `lifetime` is in seconds, by default 90 days.
        """
        request = CreateToken(
            principal=principal,
            namespaces=None if namespaces is None else tuple(namespaces),
            roles=None if roles is None else tuple(roles),
            lifetime=lifetime,
            note=note,
        )
        return self._calls.run(tokens.CREATE, request)

    def all(self, principal: str | None = None, *, everybody: bool = False) -> Iterator[TokenView]:
        """Yield one's own tokens, those of another, or those of everybody."""
        for page in follow(
            lambda token: self._calls.run(
                tokens.LIST, ListTokens(principal=principal, everybody=everybody, token=token)
            )
        ):
            yield from page.tokens

    def revoke(self, token: str) -> bool:
        """End a token, by its public id; return whether it was live."""
        return self._calls.run(tokens.REVOKE, OfToken(token=token)).changed
