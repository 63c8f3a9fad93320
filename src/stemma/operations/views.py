"""What operations answer with: plain values that are the same in Python, in JSON and over HTTP.

Times are RFC 3339, UTC, with six digits. Digests are `sha256:…`. Sizes are in bytes. A member that is unknown is
null, never absent. Fields are only ever added.
"""

from typing import Any

from msgspec import Struct


class View(Struct, frozen=True, kw_only=True):
    """One answer, or a part of one."""


class ParentView(View, frozen=True, kw_only=True):
    """A version that another came from: `version` is a digest, `external` an outside model; one of them is null."""

    kind: str
    version: str | None = None
    external: str | None = None
    reference: str | None = None
    withdrawn: bool = False


class MessageView(View, frozen=True, kw_only=True):
    """What changed, why and with what impact; a text that was redacted is null."""

    what: str | None
    why: str | None = None
    impact: str | None = None


class MetricView(View, frozen=True, kw_only=True):
    """A measured figure. `value` is null where `kind` is `nan`, `+inf` or `-inf`, else `kind` is `finite`."""

    name: str
    value: float | None
    kind: str = "finite"
    slice: str | None = None
    dataset: str | None = None
    low: float | None = None
    high: float | None = None
    added: str = ""


class WithdrawalView(View, frozen=True, kw_only=True):
    """That, when and why a version was withdrawn."""

    time: str
    reason: str | None


class VersionView(View, frozen=True, kw_only=True):
    """A version as it stands now: its frozen record, and what has been said of it since."""

    reference: str
    model: str
    number: str | None
    sequence: int
    digest: str
    manifest: str
    branch: str
    message: MessageView
    author: str | None
    registered: str
    parents: tuple[ParentView, ...]
    numbers: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    labels: dict[str, str | None] = {}
    params: dict[str, str | int | float | bool | None] = {}
    metrics: tuple[MetricView, ...] = ()
    withdrawn: WithdrawalView | None = None
    tainted: bool = False
    files: int = 0
    bytes: int = 0
    warnings: tuple[str, ...] = ()


class Resolved(View, frozen=True, kw_only=True):
    """Which version a reference means: enough to fetch it, and no more, so that asking is cheap."""

    reference: str
    model: str
    number: str | None
    sequence: int
    digest: str
    manifest: str
    branch: str
    withdrawn: bool = False
    tainted: bool = False


class FileView(View, frozen=True, kw_only=True):
    """One file of a version."""

    path: str
    size: int
    digest: str
    executable: bool


class ModelView(View, frozen=True, kw_only=True):
    """A model and where its names point."""

    model: str
    title: str | None
    created: str
    versions: int
    latest: str | None
    aliases: dict[str, str]
    branches: dict[str, str | None]
    labels: dict[str, str | None] = {}


class PointerView(View, frozen=True, kw_only=True):
    """An alias or a branch, and the version that it points to."""

    model: str
    name: str
    kind: str
    reference: str | None
    digest: str | None
    protected: bool = False
    moved: str | None = None


class MoveView(View, frozen=True, kw_only=True):
    """One step in the history of an alias: from where to where, when, by whom and why."""

    alias: str
    action: str
    before: str | None
    after: str | None
    time: str
    actor: str
    reason: str | None
    override: bool = False
    changed: bool = True


class EntryView(View, frozen=True, kw_only=True):
    """One entry of the ledger, with its people named and its texts read; `data` is the entry itself."""

    namespace: str
    sequence: int
    time: str
    actor: str
    action: str
    thing: str
    before: str | None
    after: str | None
    reason: str | None
    outcome: str
    data: dict[str, Any]


class EdgeView(View, frozen=True, kw_only=True):
    """One step of lineage: `child` came from `parent`."""

    child: str
    parent: str
    kind: str


class NodeView(View, frozen=True, kw_only=True):
    """Something in the graph of lineage: `id` is a digest or an outside model, `depth` counts steps from the start."""

    id: str
    depth: int
    reference: str | None = None
    kind: str | None = None
    aliases: tuple[str, ...] = ()


class TreeNode(View, frozen=True, kw_only=True):
    """A version in a family tree; `parents` are digests within the tree or names of outside models."""

    digest: str
    reference: str
    number: str | None
    sequence: int
    branch: str
    registered: str
    what: str | None
    parents: tuple[ParentView, ...]
    aliases: tuple[str, ...] = ()
    withdrawn: bool = False


class Done(View, frozen=True, kw_only=True):
    """Whether a wish changed anything."""

    changed: bool


class Registered(View, frozen=True, kw_only=True):
    """The version that a registration led to; `changed` is false where it was there already."""

    version: Resolved
    changed: bool


class VersionPage(View, frozen=True, kw_only=True):
    """Versions, newest first; `next_token` asks for what follows, null on the last page."""

    versions: tuple[VersionView, ...]
    next_token: str | None = None


class ModelPage(View, frozen=True, kw_only=True):
    """Models, by name; `next_token` asks for what follows, null on the last page."""

    models: tuple[ModelView, ...]
    next_token: str | None = None


class NamespacePage(View, frozen=True, kw_only=True):
    """Namespaces, by name; `next_token` asks for what follows, null on the last page."""

    namespaces: tuple[str, ...]
    next_token: str | None = None


class FileList(View, frozen=True, kw_only=True):
    """The files of a version, by path, and its empty directories."""

    reference: str
    files: tuple[FileView, ...]
    directories: tuple[str, ...] = ()


class Pointers(View, frozen=True, kw_only=True):
    """The aliases or branches of a model."""

    pointers: tuple[PointerView, ...]


class MovePage(View, frozen=True, kw_only=True):
    """Moves, newest first; `next_token` asks for what follows, null on the last page."""

    moves: tuple[MoveView, ...]
    next_token: str | None = None


class EntryPage(View, frozen=True, kw_only=True):
    """Entries of a log; `next_token` asks for what follows, null on the last page."""

    entries: tuple[EntryView, ...]
    next_token: str | None = None


class NodePage(View, frozen=True, kw_only=True):
    """Nodes, nearest first; `next_token` asks for what follows, null on the last page."""

    nodes: tuple[NodeView, ...]
    next_token: str | None = None


class PathList(View, frozen=True, kw_only=True):
    """The shortest paths; `complete` is false where the search ended at its bound."""

    paths: tuple[tuple[EdgeView, ...], ...]
    complete: bool


class Family(View, frozen=True, kw_only=True):
    """A family: parents before children; `truncated` says that it has more members than are shown."""

    nodes: tuple[TreeNode, ...]
    truncated: bool = False


class Status(View, frozen=True, kw_only=True):
    """What is here for the caller: `bytes` is what all versions hold, `stored` what the packs take for that.

    `unsigned` counts entries that no checkpoint signs yet.
    """

    models: int
    versions: int
    bytes: int
    stored: int
    unsigned: int
    next_step: str
