"""What operations on people are asked and answer with.

A principal is named as it is displayed, in any case, or by its pseudonym. The namespace `*` means everywhere: all
namespaces, those to come included.
"""

from stemma.operations.requests import OfNamespace, Paged, Request
from stemma.operations.views import View


class AddPrincipal(Request, frozen=True, kw_only=True):
    """Introduce a person (`user`) or a program (`service`), perhaps with a first role."""

    name: str
    kind: str = "user"
    role: str | None = None
    namespace: str | None = None


class OfPrincipal(Request, frozen=True, kw_only=True):
    """One person or service, by name or pseudonym."""

    principal: str


class RemovePrincipal(OfPrincipal, frozen=True, kw_only=True):
    """Take every role and token from somebody, for good; with `forget` their name is forgotten too."""

    forget: bool = False


class ChangeRole(OfPrincipal, frozen=True, kw_only=True):
    """A role in a namespace, or everywhere (`*`)."""

    role: str
    namespace: str


class ListMembers(Paged, frozen=True, kw_only=True):
    """Who has a role in a namespace."""

    namespace: str


class CreateToken(Request, frozen=True, kw_only=True):
    """Make a token for oneself, or for `principal`.

    `namespaces` and `roles` narrow what it may be used for; `lifetime` is in seconds, by default 90 days.
    """

    principal: str | None = None
    namespaces: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    lifetime: int | None = None
    note: str = ""


class ListTokens(Paged, frozen=True, kw_only=True):
    """One's own tokens, those of `principal`, or those of everybody."""

    principal: str | None = None
    everybody: bool = False


class OfToken(Request, frozen=True, kw_only=True):
    """One token, by its public id."""

    token: str


class GrantView(View, frozen=True, kw_only=True):
    """A role in a namespace, or everywhere (`*`)."""

    namespace: str
    role: str


class PrincipalView(View, frozen=True, kw_only=True):
    """A person or service; `roles` are those that the caller may see, `name` is null where it was forgotten."""

    id: str
    name: str | None
    kind: str
    introduced: str
    removed: str | None = None
    roles: tuple[GrantView, ...] = ()


class TokenView(View, frozen=True, kw_only=True):
    """A token. It may be used in `namespaces` and for what `roles` may do, null for all that `principal` may.

    `state` is `live`, `expired` or `revoked`; `issuer` the token that was shown to make it.
    """

    id: str
    principal: str
    name: str | None
    namespaces: tuple[str, ...] | None
    roles: tuple[str, ...] | None
    note: str | None
    issued: str
    expires: str
    state: str
    revoked: str | None = None
    issuer: str | None = None


class TokenCreated(View, frozen=True, kw_only=True):
    """A new token. `secret` is its text, shown this once."""

    token: TokenView
    secret: str


class Identity(View, frozen=True, kw_only=True):
    """Who asks, and how that is known; `owner` says that it is the owner of the folder, who may ask for everything."""

    id: str
    name: str | None
    kind: str
    authentication: str
    owner: bool
    roles: tuple[GrantView, ...]
    token: TokenView | None = None


class PrincipalPage(View, frozen=True, kw_only=True):
    """People and services, by pseudonym; `next_token` asks for what follows, null on the last page."""

    principals: tuple[PrincipalView, ...]
    next_token: str | None = None


class TokenPage(View, frozen=True, kw_only=True):
    """Tokens, by id; `next_token` asks for what follows, null on the last page."""

    tokens: tuple[TokenView, ...]
    next_token: str | None = None


class CreateNamespace(OfNamespace, frozen=True, kw_only=True):
    """Make a namespace; `as_arrived` of what has arrived from elsewhere, where the rest will never come."""

    as_arrived: bool = False


class NamespaceView(View, frozen=True, kw_only=True):
    """A namespace that was made; `role` is what its maker was given in it, null where they governed it anyway."""

    namespace: str
    role: str | None
