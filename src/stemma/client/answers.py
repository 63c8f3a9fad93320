"""What the SDK answers with where it is more than one operation's view. Sizes are in bytes."""

from typing import Literal

from stemma.operations.views import VersionView, View


class PushResult(View, frozen=True, kw_only=True):
    """A push: `stored` bytes are new in the repository, `shared` were there already or came twice.

    `changed` is false where `if_changed` found the head of the branch to be the same.
    """

    version: VersionView
    changed: bool
    files: int
    bytes: int
    stored: int
    shared: int
    warnings: tuple[str, ...] = ()


class Damage(View, frozen=True, kw_only=True):
    """One damaged place: `what` is wrong at `offset` of `file`."""

    file: str
    offset: int | None
    what: str


class Affected(View, frozen=True, kw_only=True):
    """A file that cannot be read any more as it was stored, and the versions that hold it."""

    digest: str
    what: str
    references: tuple[str, ...] = ()


class Verified(View, frozen=True, kw_only=True):
    """What a verification found: `deep` is whether every byte was read.

    `packs` and `blocks` are null where versions were verified and not the store that holds them.
    """

    sound: bool
    deep: bool
    packs: int | None
    blocks: int | None
    files: int
    bytes: int
    damage: tuple[Damage, ...] = ()
    affected: tuple[Affected, ...] = ()
    notes: tuple[str, ...] = ()


class Finding(View, frozen=True, kw_only=True):
    """One check of `stemma doctor`: `state` is `ok`, `warn` or `fail`, the latter two with what to do in `hint`."""

    check: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    hint: str | None = None


class Diagnosis(View, frozen=True, kw_only=True):
    """What `stemma doctor` found; `healthy` says that nothing fails."""

    findings: tuple[Finding, ...]
    healthy: bool


class BackupState(View, frozen=True, kw_only=True):
    """What a backup holds: the state of a repository at `time`, and the `keys` that sign the log or not."""

    place: str
    repository: str
    time: str
    release: str
    level: str
    entries: int
    rows: int
    packs: int
    bytes: int
    keys: bool


class BackedUp(View, frozen=True, kw_only=True):
    """A backup that was made: `copied` packs of `copied_bytes` were new in its folder."""

    backup: BackupState
    copied: int
    copied_bytes: int


class JobDone(View, frozen=True, kw_only=True):
    """How a job ended: `failure` is null where it did well."""

    name: str
    failure: str | None
    detail: str


class JobsDone(View, frozen=True, kw_only=True):
    """The jobs that were done; those that another process does are not among them."""

    jobs: tuple[JobDone, ...]


class LogState(View, frozen=True, kw_only=True):
    """One verified log: `unsigned` counts the entries at its end that no checkpoint signs yet."""

    origin: str
    size: int
    root: str
    unsigned: int


class Audited(View, frozen=True, kw_only=True):
    """What an audit found true.

    `first_use` says that nothing outside vouched for the keys yet. `records` and `texts` were checked too, `redacted`
    texts were removed: all null for a repository's own log, whose records `stemma db check` reads.
    """

    place: str
    logs: tuple[LogState, ...]
    fingerprints: tuple[str, ...]
    first_use: bool
    records: int | None = None
    texts: int | None = None
    redacted: int | None = None
