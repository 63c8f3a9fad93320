"""What a synchronisation answers. Sizes are in bytes."""

from stemma.operations.views import View


class Conflict(View, frozen=True, kw_only=True):
    """Something that is one way at the source and another at the target, and was left as it is.

    `kind` is number, branch, alias, label, title, withdrawal, protection or version; `source` and `target` say what
    each has, null for nothing.
    """

    kind: str
    model: str
    name: str
    source: str | None
    target: str | None
    why: str


class NamespaceSynced(View, frozen=True, kw_only=True):
    """What went over of one namespace, or would go.

    `relation` is how the target's log stood to the source's: new, behind, same, ahead, or parted. `versions` are those
    that the target lacked, `entries` those of the log that moved as they are. `unsigned` entries at the end of the
    source's log stay until its server has signed them.
    """

    namespace: str
    relation: str
    entries: int
    versions: int
    bytes: int
    unsigned: int = 0
    conflicts: tuple[Conflict, ...] = ()


class Synced(View, frozen=True, kw_only=True):
    """A synchronisation; where it is `planned` nothing was changed."""

    source: str
    target: str
    planned: bool
    repository: str | None
    fingerprints: tuple[str, ...]
    namespaces: tuple[NamespaceSynced, ...]

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """All conflicts of all namespaces."""
        return tuple(conflict for namespace in self.namespaces for conflict in namespace.conflicts)
