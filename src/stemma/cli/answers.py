"""What commands print with `--json` where it is neither a view nor an answer of the SDK: `docs/reference/cli.md`.

Listings stand in an object under the name of what is listed. `truncated` says that `--limit` cut them short. Members
are only ever added.
"""

from typing import Literal

from stemma.operations.people.values import Identity, PrincipalView, TokenView
from stemma.operations.views import (
    EntryView,
    FileView,
    ModelView,
    MoveView,
    NodeView,
    PointerView,
    TreeNode,
    VersionView,
    View,
)


class Initialized(View, frozen=True, kw_only=True):
    """`stemma init`."""

    root: str


class Served(View, frozen=True, kw_only=True):
    """`stemma serve`, once it answers."""

    url: str


class Pulled(View, frozen=True, kw_only=True):
    """`stemma pull`."""

    version: VersionView
    folder: str


class Models(View, frozen=True, kw_only=True):
    """`stemma ls` and `stemma ls NAMESPACE/`."""

    models: tuple[ModelView, ...]
    truncated: bool


class Versions(View, frozen=True, kw_only=True):
    """`stemma ls NAMESPACE/NAME`."""

    model: str
    versions: tuple[VersionView, ...]
    truncated: bool


class Files(View, frozen=True, kw_only=True):
    """`stemma ls REFERENCE`."""

    reference: str
    files: tuple[FileView, ...]


class HistoryEvent(View, frozen=True, kw_only=True):
    """Something that happened to a model: a version was registered, or a name moved; the other member is null."""

    time: str
    kind: Literal["version", "move"]
    version: VersionView | None = None
    move: MoveView | None = None


class History(View, frozen=True, kw_only=True):
    """`stemma log`."""

    model: str
    events: tuple[HistoryEvent, ...]
    truncated: bool


class Family(View, frozen=True, kw_only=True):
    """`stemma tree`: parents before children."""

    model: str
    nodes: tuple[TreeNode, ...]


class Related(View, frozen=True, kw_only=True):
    """`stemma lineage`: nearest first; `direction` is `ancestors`, `descendants` or `impact`."""

    reference: str
    direction: str
    nodes: tuple[NodeView, ...]
    truncated: bool


class Labels(View, frozen=True, kw_only=True):
    """`stemma label`."""

    reference: str
    labels: dict[str, str | None]


class Moves(View, frozen=True, kw_only=True):
    """`stemma alias log`: newest first."""

    model: str
    alias: str
    moves: tuple[MoveView, ...]
    truncated: bool


class Held(View, frozen=True, kw_only=True):
    """`stemma alias at`: `reference` is null where the alias held nothing."""

    model: str
    alias: str
    at: str
    reference: str | None
    move: MoveView


class Protection(View, frozen=True, kw_only=True):
    """`stemma alias protect` and `stemma alias unprotect`: how it is now, and whether that is new."""

    model: str
    alias: str
    protected: bool
    changed: bool


class Pointers(View, frozen=True, kw_only=True):
    """`stemma alias list` and `stemma branch list`."""

    model: str
    pointers: tuple[PointerView, ...]


class Entries(View, frozen=True, kw_only=True):
    """`stemma audit log`."""

    entries: tuple[EntryView, ...]
    truncated: bool


class ConfigValue(View, frozen=True, kw_only=True):
    """One setting: `value` is null where it is not set or secret, `place` is the file or variable it came from."""

    key: str
    value: str | None
    origin: str
    place: str
    set: bool
    secret: bool
    variable: str
    help: str


class Config(View, frozen=True, kw_only=True):
    """`stemma config list`."""

    settings: tuple[ConfigValue, ...]


class ConfigChanged(View, frozen=True, kw_only=True):
    """`stemma config set` and `stemma config unset`."""

    key: str
    file: str
    changed: bool


class Completion(View, frozen=True, kw_only=True):
    """`stemma completion`."""

    shell: str
    script: str


class Status(View, frozen=True, kw_only=True):
    """`stemma status`: `place` is a folder or a URL, `bytes` what versions hold, `stored` what that takes on disk."""

    place: str
    models: int
    versions: int
    bytes: int
    stored: int
    unsigned: int
    next_step: str


class DatabaseFinding(View, frozen=True, kw_only=True):
    """Something wrong with the database."""

    check: str
    place: str
    message: str
    hint: str | None


class Checked(View, frozen=True, kw_only=True):
    """`stemma db check`: nothing is wrong where there are no findings."""

    findings: tuple[DatabaseFinding, ...]


class Migrated(View, frozen=True, kw_only=True):
    """`stemma db migrate`: the level before and after; `backup` is null where nothing was to do."""

    before: str
    after: str
    backup: str | None


class Rebuilt(View, frozen=True, kw_only=True):
    """`stemma db rebuild`: rows that were not what the log says, and whether they were replaced."""

    entries: int
    differences: tuple[str, ...]
    repaired: bool


class Principals(View, frozen=True, kw_only=True):
    """`stemma user list` and `stemma namespace members`."""

    principals: tuple[PrincipalView, ...]
    truncated: bool


class RoleChanged(View, frozen=True, kw_only=True):
    """`stemma user grant` and `stemma user revoke`; the namespace `*` means everywhere."""

    principal: str
    role: str
    namespace: str
    granted: bool
    changed: bool


class Tokens(View, frozen=True, kw_only=True):
    """`stemma token list`."""

    tokens: tuple[TokenView, ...]
    truncated: bool


class TokenRevoked(View, frozen=True, kw_only=True):
    """`stemma token revoke`."""

    token: str
    changed: bool


class Namespaces(View, frozen=True, kw_only=True):
    """`stemma namespace list`."""

    namespaces: tuple[str, ...]
    truncated: bool


class LoggedIn(View, frozen=True, kw_only=True):
    """`stemma login`."""

    server: str
    identity: Identity


class LoggedOut(View, frozen=True, kw_only=True):
    """`stemma logout`."""

    server: str
    revoked: bool
