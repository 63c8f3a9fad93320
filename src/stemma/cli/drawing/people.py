"""People, services and tokens as tables and sheets."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stemma.cli.drawing.sheets import facts
from stemma.cli.drawing.tables import BAD, DIM, NUMBER, WITHDRAWN, cut, table
from stemma.cli.text import joined, moment, safe
from stemma.operations.people.values import GrantView, Identity, PrincipalView, TokenView

EVERYWHERE = "*"
_STATES = {"live": None, "expired": DIM, "revoked": WITHDRAWN}


def principals(views: Sequence[PrincipalView]) -> Table:
    """Draw people and services with what they hold."""
    made = table("name", "kind", "roles", "since (UTC)", "principal", wide=("name", "roles"))
    for view in views:
        made.add_row(
            _name(view),
            Text(safe(view.kind)),
            cut("removed" if view.removed else _listed(view.roles), style=BAD if view.removed else None),
            moment(view.introduced),
            Text(safe(view.id), style=DIM),
        )
    return made


def principal(view: PrincipalView) -> RenderableType:
    """Draw one person or service."""
    rows: list[tuple[str, RenderableType]] = [
        ("principal", Text(safe(view.id))),
        ("kind", Text(safe(view.kind))),
        ("introduced", Text(f"{moment(view.introduced)} UTC")),
    ]
    if view.removed:
        rows.append(("removed", Text(f"{moment(view.removed)} UTC", style=BAD)))
    return Group(_name(view), facts([*rows, *_roles(view.roles)]))


def identity(view: Identity) -> RenderableType:
    """Draw who asks."""
    how = "the owner of this folder" if view.owner else f"by {safe(view.authentication)}"
    rows: list[tuple[str, RenderableType]] = [
        ("principal", Text(safe(view.id))),
        ("kind", Text(safe(view.kind))),
        ("known", Text(how)),
        *_roles(view.roles),
    ]
    if view.token is not None:
        rows += [("token", Text(safe(view.token.id))), *_narrowed(view.token)]
    return Group(Text(safe(view.name or view.id), style=NUMBER), facts(rows))


def tokens(views: Sequence[TokenView]) -> Table:
    """Draw tokens with what they may be used for."""
    made = table("token", "of", "may", "state", "until (UTC)", "note", wide=("of", "may", "note"))
    for view in views:
        style = _STATES.get(view.state)
        made.add_row(
            Text(safe(view.id), style=style or NUMBER),
            cut(safe(view.name or view.principal)),
            cut(_scope(view)),
            Text(safe(view.state), style=style or ""),
            moment(view.expires),
            cut(safe(view.note or "")),
        )
    return made


def token(view: TokenView) -> RenderableType:
    """Draw one token."""
    rows: list[tuple[str, RenderableType]] = [("of", Text(safe(view.name or view.principal))), *_narrowed(view)]
    if view.note:
        rows.append(("note", Text(safe(view.note))))
    return Group(Text(safe(view.id), style=NUMBER), facts(rows))


def _name(view: PrincipalView) -> Text:
    return Text(safe(view.name or "(forgotten)"), style=WITHDRAWN if view.removed else NUMBER)


def _roles(grants: Sequence[GrantView]) -> list[tuple[str, RenderableType]]:
    return [("role", Text(_held(grant))) for grant in grants]


def _held(grant: GrantView) -> str:
    return f"{safe(grant.role)} {'everywhere' if grant.namespace == EVERYWHERE else 'in ' + safe(grant.namespace)}"


def _listed(grants: Sequence[GrantView]) -> str:
    return ", ".join(_held(grant) for grant in grants)


def _narrowed(view: TokenView) -> list[tuple[str, RenderableType]]:
    return [("may", Text(_scope(view))), ("until", Text(f"{moment(view.expires)} UTC"))]


def _scope(view: TokenView) -> str:
    if view.namespaces is None and view.roles is None:
        return "all that its principal may"
    roles = "all" if view.roles is None else joined(view.roles)
    return roles if view.namespaces is None else f"{roles} in {joined(view.namespaces)}"
