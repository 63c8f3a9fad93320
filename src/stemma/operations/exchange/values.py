"""What is asked and answered when logs are exchanged. docs/spec/exchange.md is normative.

Entries and records are their canonical bytes as text, hashes and salts are hexadecimal, keys are C2SP verifier keys
under the name of the repository, notes are signed notes.
"""

from stemma.operations.requests import OfModel, OfNamespace, Request
from stemma.operations.views import View


class LogOffer(View, frozen=True, kw_only=True):
    """A log as it stands: `size` and `root` are of all its entries, `signed` of how many the newest `note` signs.

    `note` is null where nothing was signed yet. `exists` says whether there is a namespace of that name to work with:
    while a log arrives from elsewhere for the first time there is none.
    """

    repository: str
    namespace: str
    exists: bool
    size: int
    root: str
    signed: int
    note: str | None
    keys: tuple[str, ...]


class ReadRoot(OfNamespace, frozen=True, kw_only=True):
    """Ask for the root of a log at `size`, and the proof that the log at size `until` continues it."""

    size: int
    until: int


class LogRoot(View, frozen=True, kw_only=True):
    """The root of a log at a size, and a consistency proof from there."""

    size: int
    root: str
    path: tuple[str, ...]


class ReadPart(OfNamespace, frozen=True, kw_only=True):
    """Ask for entries from `first` on, none beyond size `until`, at most `limit` of them."""

    first: int
    until: int
    limit: int = 500


class ProveEntry(OfNamespace, frozen=True, kw_only=True):
    """Ask for the proof that entry `index` stands in the log at `size`."""

    index: int
    size: int


class EntryProof(View, frozen=True, kw_only=True):
    """An entry and its inclusion proof."""

    entry: str
    index: int
    size: int
    path: tuple[str, ...]


class TextSent(View, frozen=True, kw_only=True):
    """A detached text with its salt; one that was redacted is null and has an empty salt."""

    commitment: str
    salt: str
    text: str | None


class PersonSent(View, frozen=True, kw_only=True):
    """The name of somebody who acts in entries."""

    pseudonym: str
    name: str


class PartSent(View, frozen=True, kw_only=True):
    """Entries of a log from `first` on, what they bring, and the consistency proof from behind the last to `until`."""

    first: int
    entries: tuple[str, ...]
    records: tuple[str, ...]
    texts: tuple[TextSent, ...]
    people: tuple[PersonSent, ...]
    path: tuple[str, ...]


class TextGiven(Request, frozen=True, kw_only=True):
    """A detached text with its salt; one that was redacted is null and has an empty salt."""

    commitment: str
    salt: str
    text: str | None


class PersonGiven(Request, frozen=True, kw_only=True):
    """The name of somebody who acts in entries."""

    pseudonym: str
    name: str


class ReceiveEntries(OfNamespace, frozen=True, kw_only=True):
    """Continue a log with entries of another repository's log that `note` signs.

    `path` is the consistency proof from behind the last entry to the size that the note signs. `manifests` are those of
    the versions that the entries register; the contents that they list were uploaded before. `trusted` are the
    fingerprints of keys that the caller has confirmed, needed once for each repository.
    """

    first: int
    entries: tuple[str, ...]
    records: tuple[str, ...]
    texts: tuple[TextGiven, ...]
    people: tuple[PersonGiven, ...]
    manifests: tuple[str, ...]
    path: tuple[str, ...]
    note: str
    keys: tuple[str, ...]
    trusted: tuple[str, ...] = ()


class Received(View, frozen=True, kw_only=True):
    """How many entries the log has now, and whether all that the note signs is here."""

    size: int
    complete: bool


class ImportVersion(OfNamespace, frozen=True, kw_only=True):
    """Register a version as another repository's log registers it, where the two logs have parted.

    `entry` is the entry that registers it there, `path` the proof that it stands in the log that `note` signs.
    `records` are the version's own and what it brings.
    """

    entry: str
    path: tuple[str, ...]
    records: tuple[str, ...]
    texts: tuple[TextGiven, ...]
    people: tuple[PersonGiven, ...]
    manifests: tuple[str, ...]
    note: str
    keys: tuple[str, ...]
    branch: str


class BindNumber(OfModel, frozen=True, kw_only=True):
    """Bind a number to the version with digest `version`, as another repository did, where both are free."""

    version: str
    number: str


class ImportEvidence(OfModel, frozen=True, kw_only=True):
    """Add evidence about the version with digest `version` as another repository's log has it."""

    version: str
    record: str
    texts: tuple[TextGiven, ...] = ()


class Imported(View, frozen=True, kw_only=True):
    """The version as it is named here, and whether it was new."""

    reference: str
    digest: str
    changed: bool
