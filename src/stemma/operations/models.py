"""Operations on namespaces, models, and the family of a model."""

from collections.abc import Iterator
from itertools import islice

from stemma.access import Caller, Permission, may, readable, unseen
from stemma.ledger import format_time
from stemma.lineage import walk
from stemma.names import SYSTEM_NAMESPACE, ModelName
from stemma.operations.operation import Operation, Subjects, Transaction, of_model, system_log
from stemma.operations.reading import hides, view_parent
from stemma.operations.requests import ListModels, Nothing, OfModel, OfNamespace, Paged, SetTitle
from stemma.operations.views import Done, Family, ModelPage, ModelView, NamespacePage, Status, TreeNode
from stemma.records import Digest
from stemma.registry import MAIN, Registration, Subject

_RELATIVES = 2000
_PAGE = 1000


def _open_namespace(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfNamespace) -> Done:
    """Make sure that a namespace is there.

    Who may make none is not told whether one that they cannot see exists.
    """
    namespace = asked.namespace
    is_there = tx.registry.namespaces.find(namespace) is not None
    if is_there and may(tx, caller, Permission.READ, namespace):
        return Done(changed=False)
    if not may(tx, caller, Permission.MAINTAIN, SYSTEM_NAMESPACE):
        raise unseen(namespace)
    if not is_there:
        subjects.registry.create_namespace(tx, caller, namespace)
        subjects.access.found(tx, caller, namespace)
    return Done(changed=not is_there)


def _namespaces(subjects: Subjects, tx: Transaction, caller: Caller, asked: Paged) -> NamespacePage:
    """List the namespaces that the caller may see."""
    after = subjects.name(asked.token, "namespaces", caller)
    found, more = subjects.registry.namespaces(tx, caller, after=after, limit=asked.limit)
    token = subjects.token(found[-1].name, "namespaces", caller) if more else None
    return NamespacePage(namespaces=tuple(namespace.name for namespace in found), next_token=token)


def _models(subjects: Subjects, tx: Transaction, caller: Caller, asked: ListModels) -> ModelPage:
    """List models, those of one namespace or all that the caller may see."""
    namespace = asked.namespace or ""
    query = f"models {namespace} {asked.label}"
    after = subjects.name(asked.token, query, caller)
    if asked.label is None:
        models, more = subjects.registry.models(tx, caller, namespace, after=after, limit=asked.limit)
        names = tuple(model.name.name for model in models)
    else:
        key, _, value = asked.label.partition("=")
        given = value if "=" in asked.label else None
        names, more = subjects.registry.labels.models(tx, caller, namespace, key, given, after=after, limit=asked.limit)
    token = subjects.token(names[-1], query, caller) if more else None
    views = tuple(_view_model(subjects, tx, caller, ModelName(namespace, name)) for name in names)
    return ModelPage(models=views, next_token=token)


def _model(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfModel) -> ModelView:
    """Tell of a model and where its names point."""
    return _view_model(subjects, tx, caller, ModelName.parse(asked.model))


def _view_model(subjects: Subjects, tx: Transaction, caller: Caller, name: ModelName) -> ModelView:
    registry = subjects.registry
    model = registry.model(tx, caller, name)
    branches = {line.branch.name: line.tip for line in registry.branches.every(tx, caller, name)}
    latest = branches.get(MAIN)
    return ModelView(
        model=str(name),
        title=model.title,
        created=format_time(model.time),
        versions=model.last,
        latest=None if latest is None else latest.reference,
        aliases={each.alias.name: each.version.reference for each in registry.aliases.every(tx, caller, name)},
        branches={branch: None if tip is None else tip.reference for branch, tip in branches.items()},
        labels={label.key: label.value for label in registry.labels.of(tx, caller, Subject(name))},
    )


def _entitle(subjects: Subjects, tx: Transaction, caller: Caller, asked: SetTitle) -> Done:
    """Give a model a title in any spelling, or none."""
    return Done(changed=subjects.registry.entitle(tx, caller, ModelName.parse(asked.model), asked.title))


def _family(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfModel) -> Family:
    """Draw a model's family: its versions and all that are related to them, wherever the caller may read."""
    name = ModelName.parse(asked.model)
    members: dict[Digest, Registration] = {}
    more = False
    for version in _every_version(subjects, tx, caller, name):
        if more := len(members) >= _RELATIVES:
            break
        members[version.digest] = version
    newest_first, veil = tuple(members), hides(tx, caller)
    for goes_up in (True, False):
        start = newest_first if goes_up else newest_first[::-1]
        reached: set[str] = set()
        for digest in start:
            if digest in reached:  # and so is all that lies behind it
                continue
            for node in islice(walk(tx, digest, "parents" if goes_up else "children", veil), _RELATIVES):
                reached.add(node)
                if node.startswith("sha256:") and node not in members and len(members) < _RELATIVES:
                    found = subjects.registry.versions.find(tx, caller, Digest(node))
                    members |= {relative.digest: relative for relative in found[:1]}
    ordered = sorted(members.values(), key=lambda version: (version.time, str(version.model), version.sequence))
    nodes = tuple(_node(subjects, tx, caller, version) for version in ordered[:_RELATIVES])
    return Family(nodes=nodes, truncated=more or len(members) >= _RELATIVES)


def _node(subjects: Subjects, tx: Transaction, caller: Caller, version: Registration) -> TreeNode:
    account = subjects.registry.versions.show(tx, caller, version.model, version.digest)
    what = account.texts.get("what")
    return TreeNode(
        digest=version.digest,
        reference=version.reference,
        number=None if version.number is None else str(version.number),
        sequence=version.sequence,
        branch=version.branch,
        registered=format_time(version.time),
        what=None if what is None else what.partition("\n")[0],
        parents=tuple(view_parent(subjects, tx, caller, parent) for parent in account.version.parents),
        aliases=account.aliases,
        withdrawn=version.withdrawn is not None,
    )


def _status(subjects: Subjects, tx: Transaction, caller: Caller, asked: Nothing) -> Status:
    """Say what is here for the caller, what it takes, and one thing to do next."""
    del asked
    registry = subjects.registry
    names = list(_every_model(subjects, tx, caller))
    extents = [registry.extent(tx, caller, space) for space in {name.namespace for name in names}]
    scopes = readable(tx, caller)
    logs = (log for log in tx.ledger.namespaces() if may(tx, caller, Permission.AUDIT, log))
    unsigned = sum(subjects.ledger.unsigned_tail(tx, log) for log in logs)
    return Status(
        models=len(names),
        versions=sum(count for count, _ in extents),
        bytes=sum(size for _, size in extents),
        stored=sum(pack.size for pack in tx.artifacts.packs() if scopes is None or pack.scope in scopes),
        unsigned=unsigned,
        next_step=_next_step(subjects, tx, caller, names),
    )


def _every_model(subjects: Subjects, tx: Transaction, caller: Caller) -> Iterator[ModelName]:
    namespace, more = "", True
    while more:
        namespaces, more = subjects.registry.namespaces(tx, caller, after=namespace, limit=_PAGE)
        for each in namespaces:
            namespace, name, others = each.name, "", True
            while others:
                models, others = subjects.registry.models(tx, caller, each.name, after=name, limit=_PAGE)
                for model in models:
                    name = model.name.name
                    yield model.name


def _every_version(subjects: Subjects, tx: Transaction, caller: Caller, name: ModelName) -> Iterator[Registration]:
    before: int | None = None
    more = True
    while more:
        page, more = subjects.registry.versions.page(tx, caller, name, before=before, limit=_PAGE)
        for version in page:
            before = version.sequence
            yield version


def _next_step(subjects: Subjects, tx: Transaction, caller: Caller, names: list[ModelName]) -> str:
    """Suggest the one thing that helps most now."""
    if not names:
        return "stemma push NAMESPACE/NAME DIR -m MESSAGE"
    for name in names:
        if not subjects.registry.aliases.every(tx, caller, name):
            return f"stemma alias set {name} production latest"
    for name in names:
        if subjects.registry.model(tx, caller, name).last == 1:
            return f"stemma push {name} DIR -m MESSAGE"
    return f"stemma tree {names[0]}"


OPEN_NAMESPACE = Operation(
    "namespace.open", OfNamespace, Done, None, "PUT", "/namespaces", _open_namespace, system_log,
    unasked="makes one for who may, and says that one is there to who may read it",
)  # fmt: skip
NAMESPACES = Operation(
    "namespace.list", Paged, NamespacePage, None, "GET", "/namespaces", _namespaces,
    unasked="lists those that one may read",
)  # fmt: skip
MODELS = Operation("model.list", ListModels, ModelPage, Permission.READ, "GET", "/models", _models)
MODEL = Operation("model.show", OfModel, ModelView, Permission.READ, "GET", "/model", _model)
ENTITLE = Operation("model.entitle", SetTitle, Done, Permission.DESCRIBE, "PUT", "/title", _entitle, of_model)
FAMILY = Operation("model.family", OfModel, Family, Permission.READ, "GET", "/family", _family)
STATUS = Operation("status", Nothing, Status, None, "GET", "/status", _status, unasked="counts what one may read")
