"""Calls: what the SDK stands on. A repository in a folder and one behind HTTP are two answers to these protocols.

`client.local` answers in this process, `client.remote` over HTTP. Every error that leaves them is a StemmaError.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from stemma.artifacts.manifest import Manifest
from stemma.artifacts.ports import SourceFile
from stemma.artifacts.verification import Report
from stemma.client.files.checkout import Checkout
from stemma.client.files.transfer import Stored
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.ledger.audit import LogReport
from stemma.ledger.evidence.note import PublicKey
from stemma.ledger.evidence.pins import Pin
from stemma.operations import Operation
from stemma.operations.requests import Request
from stemma.operations.views import View
from stemma.records import Digest
from stemma.upkeep import Report as JobReport

if TYPE_CHECKING:
    from stemma.app import Finding, Made, Migrated, Rebuilt

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered", bound=View)


Opened = Callable[[Collection[Digest]], AbstractContextManager[Sequence[SourceFile]]]
"""Opens contents by their digests."""


class Wire(Protocol):
    """The bytes of versions, on their way in and out. Nothing that is not verified is ever seen."""

    def store(self, namespace: str, source: Path, *, follow_links: bool, progress: Progress) -> Stored:
        """Store the files under `source`, for versions of `namespace`; nothing of a store that fails is seen."""
        ...

    def manifest(self, wanted: Wanted) -> Manifest:
        """Return the list of files; it has the digest that is wanted."""
        ...

    def check_out(self, wanted: Wanted, destination: Path, *, overwrite: bool, progress: Progress) -> Checkout:
        """Write the files into `destination`, as `client.files.checkout.check_out` says."""
        ...

    def opened(
        self, wanted: Sequence[Wanted], digests: Collection[Digest]
    ) -> AbstractContextManager[Sequence[SourceFile]]:
        """Open the contents with `digests` of some versions, each once, to be stored elsewhere."""
        ...

    def take(self, namespace: str, manifests: Sequence[Manifest], opened: Opened) -> int:
        """Store the contents of manifests that are not here, as `opened` opens them; return how many bytes they have.

        They may then be named in versions of `namespace`; the manifests themselves are not stored.
        """
        ...

    def check(self, wanted: Wanted, progress: Progress) -> Iterator[tuple[str, str]]:
        """Read every file again and yield (path, what is wrong) of those that are not what they were."""
        ...


class Transfer(Wire, Protocol):
    """The bytes of versions, and a place on this machine for those that are used again."""

    def shared(self, wanted: Wanted, progress: Progress) -> Path:
        """Return a verified folder with the files, which others use too: it must not be written to."""
        ...


class Logs(Protocol):
    """The logs of one repository, to be verified by who reads them."""

    @property
    def absence(self) -> str:
        """What to do where a log that was seen before cannot be seen any more."""
        ...

    @property
    def name(self) -> str:
        """What the origins of all its logs begin with."""
        ...

    def keys(self) -> tuple[PublicKey, ...]:
        """Return the keys that it says sign the logs; whether they may is for the pins to say."""
        ...

    def namespaces(self) -> Sequence[str]:
        """Return the names of the logs that can be read."""
        ...

    def verify(self, namespace: str, keys: Sequence[PublicKey], pin: Pin | None) -> LogReport:
        """Recompute a log, which must be signed by `keys` and continue `pin`; a CorruptError says where it does not."""
        ...

    def export(self, folder: Path) -> None:
        """Sign the ends of all logs, and write all that proves them into `folder`, which is empty or absent."""
        ...


class Upkeep(Protocol):
    """What the owner of a folder can do to it."""

    @property
    def root(self) -> Path:
        """The folder that holds `.stemma`."""
        ...

    def check(self) -> "tuple[Finding, ...]":
        """Return what is wrong with the database, nothing where all is well; only reads."""
        ...

    def migrate(self) -> "Migrated":
        """Bring the database to the level of this release, after a backup."""
        ...

    def rebuild(self, *, repair: bool) -> "Rebuilt":
        """Make names, numbers and edges again from the log and compare; with `repair` replace what differs."""
        ...

    def verify(self, *, deep: bool, progress: Progress) -> Report:
        """Check the whole store; `deep` reads every byte."""
        ...

    def back_up(self, target: Path, *, keys: bool, link: bool, progress: Progress) -> "Made":
        """Bring the backup in `target` up to this repository."""
        ...

    def run_jobs(self, names: Sequence[str]) -> Sequence[JobReport]:
        """Do jobs of the clock once, all where none is named."""
        ...


class Run(Protocol):
    """Runs one operation."""

    def __call__(self, operation: Operation[Asked, Answered], request: Asked, /) -> Answered:
        """Return what it answers; a change is durable by then."""
        ...


class Calls(Protocol):
    """One repository, asked by one caller."""

    @property
    def place(self) -> str:
        """Its folder or its URL, for messages."""
        ...

    @property
    def files(self) -> Transfer:
        """The bytes of its versions."""
        ...

    def run(self, operation: Operation[Asked, Answered], request: Asked) -> Answered:
        """Run one operation; a change is durable when this returns."""
        ...

    def prepare(self) -> None:
        """Make sure, before anything is changed, that it can be."""
        ...

    def logs(self) -> Logs:
        """Return the logs."""
        ...

    def upkeep(self, wish: str, instead: str = "") -> Upkeep:
        """Return what a folder's owner can do; UnsupportedError on a server: of `wish`, and what to do `instead`."""
        ...

    def close(self) -> None:
        """Sign what was written, and let go; idempotent."""
        ...


class Paged(Protocol):
    """A page of a listing."""

    @property
    def next_token(self) -> str | None:
        """What asks for the next page."""
        ...


PageType = TypeVar("PageType", bound=Paged)


def follow(ask: Callable[[str | None], PageType]) -> Iterator[PageType]:
    """Yield every page of a listing."""
    token: str | None = None
    while True:
        page = ask(token)
        yield page
        token = page.next_token
        if token is None:
            return
