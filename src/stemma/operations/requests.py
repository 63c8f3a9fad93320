"""What operations are asked: plain values, decoded strictly (unknown fields are errors), not yet understood.

References, names, digests and times are text here; the operation parses them. Optional members have the default
that a person would expect. Field names are those of `docs/reference/operations.md`.
"""

from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question or a wish."""


class Nothing(Request, frozen=True, kw_only=True):
    """No members."""


class Paged(Request, frozen=True, kw_only=True):
    """A listing: at most `limit` items (1 to 1,000), from behind `token`."""

    limit: int | None = None
    token: str | None = None


class OfModel(Request, frozen=True, kw_only=True):
    """`model` is `namespace/name`."""

    model: str


class OfReference(Request, frozen=True, kw_only=True):
    """`reference` is `namespace/name[@SELECTOR]`; without a selector it means `latest`."""

    reference: str


class Resolve(OfReference, frozen=True, kw_only=True):
    """`at` (RFC 3339) asks where an alias pointed at that time."""

    at: str | None = None


class ParentGiven(Request, frozen=True, kw_only=True):
    """A version that the new one came from: a reference, a digest, or `hf:org/name@commit`."""

    origin: str
    kind: str = "continues"


class MetricGiven(Request, frozen=True, kw_only=True):
    """A measured figure; `value` is a number, or the text `nan`, `+inf` or `-inf`."""

    name: str
    value: float | str
    slice: str | None = None
    low: float | None = None
    high: float | None = None


class Register(OfModel, frozen=True, kw_only=True):
    """Make a version of the files in `manifest` (a digest that was published before).

    `number` is the semantic number to bind, by default the next minor of the line. Without `parents` the head of
    the branch is the parent. `params` are what it was trained with. With `if_changed` an unchanged head of the branch
    is answered instead.
    """

    manifest: str
    what: str
    why: str | None = None
    impact: str | None = None
    branch: str = "main"
    number: str | None = None
    experimental: bool = False
    parents: tuple[ParentGiven, ...] = ()
    params: dict[str, str | int | float | bool | None] = {}
    metrics: tuple[MetricGiven, ...] = ()
    labels: dict[str, str] = {}
    if_changed: bool = False


class Release(OfReference, frozen=True, kw_only=True):
    """Give a pre-release its release number."""

    number: str | None = None


class Withdraw(OfReference, frozen=True, kw_only=True):
    """Say that a version must not be used any more, and why."""

    reason: str


class AddMetrics(OfReference, frozen=True, kw_only=True):
    """Attach measured figures to a version."""

    metrics: tuple[MetricGiven, ...]


class SetLabels(Request, frozen=True, kw_only=True):
    """Set and remove labels of a version (`ns/name@SELECTOR`) or of a model (`ns/name`)."""

    reference: str
    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class ListModels(Paged, frozen=True, kw_only=True):
    """Models of one namespace, or of all; with `label` (`key` or `key=value`) only those that carry it."""

    namespace: str | None = None
    label: str | None = None


class ListVersions(Paged, frozen=True, kw_only=True):
    """Versions of a model, newest first; one of `label` and `text` (words of the message) may cut them down."""

    model: str
    branch: str | None = None
    label: str | None = None
    text: str | None = None


class SetTitle(OfModel, frozen=True, kw_only=True):
    """Give a model a title in any spelling, or none."""

    title: str | None = None


class CreateBranch(OfModel, frozen=True, kw_only=True):
    """Begin a line at a version."""

    branch: str
    start: str


class SetAlias(OfModel, frozen=True, kw_only=True):
    """Point an alias at a version. `expected` (a digest, or `none`) makes it a compare-and-swap."""

    alias: str
    selector: str
    reason: str | None = None
    expected: str | None = None
    override: bool = False


class OfAlias(OfModel, frozen=True, kw_only=True):
    """One alias of a model."""

    alias: str


class AliasBack(OfAlias, frozen=True, kw_only=True):
    """Return an alias to the version that it held before."""

    reason: str


class DeleteAlias(OfAlias, frozen=True, kw_only=True):
    """Remove an alias; its history stays."""

    reason: str | None = None
    override: bool = False


class AliasLog(Paged, frozen=True, kw_only=True):
    """The moves of an alias, newest first; with `at` (RFC 3339) only the move that was in force then."""

    model: str
    alias: str
    at: str | None = None


class Protect(OfAlias, frozen=True, kw_only=True):
    """Put a name under the gate, or take it out."""

    protected: bool = True
    reason: str | None = None


class Walk(Paged, frozen=True, kw_only=True):
    """Walk the graph of lineage from `start`: a reference, a digest or `hf:org/name@commit`."""

    start: str
    kinds: tuple[str, ...] = ()


class FindPaths(Request, frozen=True, kw_only=True):
    """Find the shortest ways along lineage from `start` back to `ancestor`."""

    start: str
    ancestor: str
    limit: int = 10


class ReadLog(Paged, frozen=True, kw_only=True):
    """Entries of a namespace's log, newest first, filtered."""

    namespace: str | None = None
    concerns: str | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None
    oldest_first: bool = False


class OfNamespace(Request, frozen=True, kw_only=True):
    """One namespace."""

    namespace: str
