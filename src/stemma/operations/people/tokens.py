"""Operations on tokens. The text of a token leaves here once, in the answer to who made it."""

from stemma.access import Caller, Principal, Scope, unseen
from stemma.errors import InvalidError
from stemma.names import SYSTEM_NAMESPACE
from stemma.operations.operation import Operation, Subjects, Transaction, system_log
from stemma.operations.people.values import CreateToken, ListTokens, OfToken, TokenCreated, TokenPage
from stemma.operations.people.viewing import read_role, view_token
from stemma.operations.views import Done


def _create(subjects: Subjects, tx: Transaction, caller: Caller, asked: CreateToken) -> TokenCreated:
    """Make a token; its secret is in this answer alone."""
    scope = Scope(
        None if asked.namespaces is None else frozenset(asked.namespaces),
        None if asked.roles is None else frozenset(read_role(role) for role in asked.roles),
    )
    issued = subjects.access.tokens.issue(
        tx, caller, _principal(subjects, tx, caller, asked.principal), scope, lifetime=asked.lifetime, note=asked.note
    )
    for namespace in (scope.namespaces or frozenset()) - {SYSTEM_NAMESPACE}:
        if tx.registry.namespaces.find(namespace) is None:
            raise unseen(namespace)
    return TokenCreated(token=view_token(subjects, tx, issued.token), secret=issued.text)


def _list(subjects: Subjects, tx: Transaction, caller: Caller, asked: ListTokens) -> TokenPage:
    """List somebody's tokens."""
    if asked.everybody and asked.principal is not None:
        raise InvalidError("these are the tokens of somebody or of everybody", hint="Ask for one of them.")
    whose = None if asked.everybody else _principal(subjects, tx, caller, asked.principal).id
    query = f"tokens {whose}"
    after = subjects.name(asked.token, query, caller)
    found, more = subjects.access.tokens.page(tx, caller, whose, after=after, limit=asked.limit)
    token = subjects.token(found[-1].id, query, caller) if more else None
    return TokenPage(tokens=tuple(view_token(subjects, tx, each) for each in found), next_token=token)


def _revoke(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfToken) -> Done:
    """End a token at once."""
    return Done(changed=subjects.access.tokens.revoke(tx, caller, asked.token))


def _principal(subjects: Subjects, tx: Transaction, caller: Caller, text: str | None) -> Principal:
    return subjects.access.who(tx, caller, caller.id if text is None else text)


CREATE = Operation(
    "token.create",
    CreateToken,
    TokenCreated,
    None,
    "POST",
    "/tokens",
    _create,
    system_log,
    confidential=True,
    unasked="one's own, no wider than oneself; for others one must govern its namespaces",
)
LIST = Operation(
    "token.list",
    ListTokens,
    TokenPage,
    None,
    "GET",
    "/tokens",
    _list,
    unasked="lists one's own, and what one might have made",
)
REVOKE = Operation(
    "token.revoke",
    OfToken,
    Done,
    None,
    "DELETE",
    "/token",
    _revoke,
    system_log,
    unasked="one's own, or what one might have made",
)
