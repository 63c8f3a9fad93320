"""Synchronising: for each namespace find out how the two logs stand to each other, and bring the target up to date.

One way: nothing of the source is changed. Running it again changes nothing, and goes on where it was interrupted.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from stemma.client.calls import Calls, follow
from stemma.client.local.calls import LocalCalls
from stemma.client.progress import SILENCE, Progress
from stemma.client.syncing.answers import NamespaceSynced, Synced
from stemma.client.syncing.content import Content
from stemma.client.syncing.merging import merge
from stemma.client.syncing.sending import Sent, measure_log, send_log
from stemma.client.syncing.standing import Relation, Standing, compare, offered_size
from stemma.client.syncing.trust import Trust, remember
from stemma.errors import AlreadyExistsError, ConflictError
from stemma.operations.models import NAMESPACES, OPEN_NAMESPACE
from stemma.operations.requests import OfNamespace, Paged

_ATTEMPTS = 3
"""How often a namespace is begun anew because somebody wrote to it meanwhile."""


def synchronise(
    source: Calls,
    target: Calls,
    *,
    namespaces: Sequence[str] = (),
    trust: Trust | None = None,
    plan: bool = False,
    progress: Progress = SILENCE,
) -> Synced:
    """Bring `target` up to what `source` has of `namespaces`, by default of all that can be read; or only plan it.

    Raises RefusedError for keys that nobody vouches for, CorruptError where the source does not prove what it says,
    InvalidError for a repository and itself. Conflicts are answered, not raised.
    """
    if isinstance(source, LocalCalls):
        source.folder.system.sign()
    if not plan:
        target.prepare()
    done: list[NamespaceSynced] = []
    standing: Standing | None = None
    for namespace in dict.fromkeys(namespaces) or _all(source):
        if offered_size(source, namespace) == 0:
            done.append(_open(target, namespace, plan=plan))
            continue
        standing, synced = _bring(source, target, namespace, trust or Trust(), plan=plan, progress=progress)
        done.append(synced)
    origin = None if standing is None else standing.origin
    return Synced(
        source=source.place,
        target=target.place,
        planned=plan,
        repository=None if origin is None else origin.repository,
        fingerprints=() if origin is None else tuple(map(str, origin.fingerprints)),
        namespaces=tuple(done),
    )


def _all(source: Calls) -> Iterator[str]:
    for page in follow(lambda token: source.run(NAMESPACES, Paged(token=token))):
        yield from page.namespaces


def _open(target: Calls, namespace: str, *, plan: bool) -> NamespaceSynced:
    """Make a namespace that has no entries yet."""
    if not plan:
        with suppress(AlreadyExistsError):
            target.run(OPEN_NAMESPACE, OfNamespace(namespace=namespace))
    return NamespaceSynced(namespace=namespace, relation=Relation.SAME, entries=0, versions=0, bytes=0)


def _bring(
    source: Calls, target: Calls, namespace: str, trust: Trust, *, plan: bool, progress: Progress
) -> tuple[Standing, NamespaceSynced]:
    """Bring one namespace up to date; begin anew where the target's log grew meanwhile."""
    moved = 0
    for attempt in range(_ATTEMPTS):
        content = Content(source, target, namespace, moved)
        standing = compare(source, target, namespace)
        if not plan:
            trust.check(source, standing)
        try:
            synced = _bring_once(source, target, standing, content, plan=plan, progress=progress)
        except ConflictError:
            if plan or attempt == _ATTEMPTS - 1 or compare(source, target, namespace).shared == standing.shared:
                raise
            moved = content.bytes
            continue
        if not plan:
            remember(standing.origin)
        return standing, synced
    raise ConflictError(f"somebody keeps writing to {namespace}", place=target.place, hint="Try again.")


def _bring_once(
    source: Calls, target: Calls, standing: Standing, content: Content, *, plan: bool, progress: Progress
) -> NamespaceSynced:
    match standing.relation:
        case Relation.SAME | Relation.AHEAD:
            return _synced(standing, Sent(), content)
        case Relation.NEW | Relation.BEHIND:
            if plan:
                return _synced(standing, measure_log(source, standing, content, progress), content)
            return _synced(standing, send_log(source, target, standing, content, progress), content)
        case Relation.PARTED:
            sent, conflicts = merge(source, target, standing, content, progress, plan=plan)
            return NamespaceSynced(
                namespace=standing.origin.namespace,
                relation=standing.relation,
                entries=0,
                versions=sent.versions,
                bytes=content.bytes,
                unsigned=standing.unsigned,
                conflicts=conflicts,
            )


def _synced(standing: Standing, sent: Sent, content: Content) -> NamespaceSynced:
    return NamespaceSynced(
        namespace=standing.origin.namespace,
        relation=standing.relation,
        entries=sent.entries,
        versions=sent.versions,
        bytes=content.bytes,
        unsigned=standing.unsigned,
    )
