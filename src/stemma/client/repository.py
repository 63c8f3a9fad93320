"""The repository: what people use from Python, and what the command line stands on."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import isfinite, isnan
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stemma.client.address import is_address
from stemma.client.answers import PushResult, Verified
from stemma.client.audit import Audit
from stemma.client.calls import Calls, follow
from stemma.client.database import Database
from stemma.client.family import Family
from stemma.client.files.wanted import Wanted
from stemma.client.names import Aliases, Branches
from stemma.client.objects.loading import load_folder
from stemma.client.objects.saving import saved
from stemma.client.people import People, Tokens
from stemma.client.progress import SILENCE, Progress
from stemma.client.upkeep.upkeep import Upkeep
from stemma.client.upkeep.webhooks import Webhooks, rules_of
from stemma.client.verification import verify_store, verify_versions
from stemma.errors import NotFoundError, StemmaError, UnsupportedError
from stemma.names import ModelName
from stemma.operations import models, versions
from stemma.operations.requests import (
    AddMetrics,
    ListModels,
    ListVersions,
    MetricGiven,
    Nothing,
    OfModel,
    OfNamespace,
    OfReference,
    Paged,
    ParentGiven,
    Register,
    Release,
    Resolve,
    SetLabels,
    SetTitle,
    Withdraw,
)
from stemma.operations.views import FileView, ModelView, Registered, Status, TreeNode, VersionView
from stemma.records import Digest
from stemma.registry import Parameter
from stemma.settings import Settings, account_name, find_repository, load_settings

if TYPE_CHECKING:
    from stemma.client.syncing.answers import Synced


class Repository:
    """A repository in a folder or on a server. Close it when you are done, or use it in a `with` statement.

    `aliases`, `branches`, `lineage`, `people`, `tokens`, `audit`, `database`, `webhooks` and `upkeep` are its other
    nouns. `place` is its folder or its URL. Every method raises errors of `stemma.errors` only. Closing signs the log
    of a folder; a server signs its own.
    """

    def __init__(self, calls: Calls, settings: Settings) -> None:
        self.place = calls.place
        self.settings = settings
        self._calls = calls
        self.aliases = Aliases(calls)
        self.branches = Branches(calls)
        self.lineage = Family(calls)
        self.audit = Audit(calls)
        self.people = People(calls)
        self.tokens = Tokens(calls)
        self.database = Database(calls)
        self.webhooks = Webhooks(calls)
        self.upkeep = Upkeep(calls)

    @classmethod
    def init(cls, where: str | Path = ".", *, database: str | None = None) -> Self:
        """Make a folder a repository, and open it; AlreadyExistsError where it is one.

        With `database`, the URL of a PostgreSQL database that is empty, the tables are made there; opening such a
        repository takes the setting `database.url`.
        """
        from stemma.app import create_folder

        if is_address(where):
            raise UnsupportedError(
                f"{str(where)!r} is a server", hint="Make a repository in a folder there, and run 'stemma serve' in it."
            )
        root = Path(where).absolute()
        settings = load_settings(repository=root, flags={"database.url": database})
        create_folder(root, settings.text("key.passphrase"), database_url=database)
        return cls._open_folder(root, settings)

    @classmethod
    def open(
        cls,
        where: str | Path | None = None,
        *,
        token: str | None = None,
        patience: float | None = None,
        warn: Callable[[str], None] | None = None,
        older: bool = False,
    ) -> Self:
        """Open the repository in a folder or behind a URL; by default `STEMMA_REPO`, else the nearest folder upward.

        A server is asked only when something is: opening reaches for nothing. `token` authenticates to it, by default
        `STEMMA_TOKEN`, else what `stemma login` kept. `patience` is for how many seconds calls that fail on the way are
        tried again, by default `server.patience`. `warn` is told what a person should know, for example that an
        answer is from before because the server cannot be reached; by default it is a Python warning. With `older`
        the database may be one of an earlier release, for `database.check` and `database.migrate`, and nothing else.
        """
        where = where or load_settings().text("repo")
        if where is not None and is_address(where):
            from stemma.client.remote.calls import open_server

            settings = load_settings(flags={"token": token})
            return cls(open_server(str(where), settings, warn, patience), settings)
        root = find_repository(Path.cwd()) if where is None else Path(where).absolute()
        if root is None:
            raise NotFoundError(
                f"there is no repository in {str(Path.cwd())!r} or above it",
                hint="Make one with 'stemma init', or say where yours is with --repo or STEMMA_REPO.",
            )
        return cls._open_folder(root, load_settings(repository=root), older=older)

    @classmethod
    def _open_folder(cls, root: Path, settings: Settings, *, older: bool = False) -> Self:
        from stemma.app import open_folder
        from stemma.client.local.calls import LocalCalls

        folder = open_folder(
            root,
            passphrase=settings.text("key.passphrase"),
            lock_timeout=settings.number("lock.timeout"),
            database_url=settings.text("database.url"),
            webhook_rules=rules_of(settings),
            older=older,
        )
        return cls(LocalCalls(folder, settings.text("user.name") or account_name()), settings)

    @property
    def root(self) -> Path:
        """The folder that holds `.stemma`; UnsupportedError for a server, whose `place` is a URL."""
        return self._calls.upkeep("its folder").root

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Sign what was written since the last checkpoint, and let go; idempotent."""
        self._calls.close()

    # -- versions -----------------------------------------------------------------------------------------------

    def push(  # noqa: PLR0913  # one for each thing that can be said of a version
        self,
        model: str,
        source: object,
        *,
        message: str,
        why: str | None = None,
        impact: str | None = None,
        version: str | None = None,
        experimental: bool = False,
        branch: str = "main",
        parents: Sequence[str | tuple[str, str]] = (),
        params: Mapping[str, Parameter] | None = None,
        metrics: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        if_changed: bool = False,
        follow_links: bool = False,
        progress: Progress = SILENCE,
    ) -> PushResult:
        """Store a folder, a file or a model object as a new version of `model`.

        `parents` are references, or pairs of a reference and a kind such as `fine_tuned_from`; by default the head of
        the branch. `params` are what it was trained with, `metrics` what was measured of it. With `if_changed` an
        unchanged head is answered and nothing is registered.
        """
        name = ModelName.parse(model)
        request = Register(
            model=str(name),
            manifest="",
            what=message,
            why=why,
            impact=impact,
            branch=branch,
            number=version,
            experimental=experimental,
            parents=tuple(_parent(parent) for parent in parents),
            params=dict(params or {}),
            metrics=tuple(_metric(name, value) for name, value in (metrics or {}).items()),
            labels=dict(labels or {}),
            if_changed=if_changed,
        )
        self._calls.prepare()
        with saved(source) as folder:
            stored = self._calls.files.store(name.namespace, folder, follow_links=follow_links, progress=progress)
        done = self._register(name.namespace, _with_manifest(request, stored.manifest))
        return PushResult(
            version=self.show(done.version.reference),
            changed=done.changed,
            files=stored.files,
            bytes=stored.bytes,
            stored=stored.stored,
            shared=stored.shared,
            warnings=stored.warnings,
        )

    def _register(self, namespace: str, request: Register) -> Registered:
        """Register a version, in a namespace that is made where it is missing and the caller may make one."""
        try:
            return self._calls.run(versions.REGISTER, request)
        except NotFoundError as error:
            try:
                self._calls.run(models.OPEN_NAMESPACE, OfNamespace(namespace=namespace))
            except StemmaError:
                raise error from None
        return self._calls.run(versions.REGISTER, request)  # also where somebody else made it just now

    def pull(
        self, reference: str, folder: str | Path, *, overwrite: bool = False, progress: Progress = SILENCE
    ) -> VersionView:
        """Write the files of a version into `folder`, each verified; ConflictError where it holds anything else."""
        found = self.show(reference)
        self._calls.files.check_out(_wanted(found), Path(folder), overwrite=overwrite, progress=progress)
        return found

    def path(self, reference: str, progress: Progress = SILENCE) -> Path:
        """Return a verified folder with the files of a version, shared and not to be written to."""
        return self._calls.files.shared(_wanted(self.show(reference)), progress)

    def load(self, reference: str, *, trust: bool = False) -> object:
        """Return the model of a version; what could run code when it is read needs `trust`."""
        found = self.show(reference)
        folder = self._calls.files.shared(_wanted(found), SILENCE)
        return load_folder(folder, trust=trust, reference=found.reference)

    def resolve(self, reference: str, *, at: str | None = None) -> VersionView:
        """Return the version that a reference means; `at` (RFC 3339) asks what an alias held at that time."""
        return self._calls.run(versions.SHOW, Resolve(reference=reference, at=at))

    def show(self, reference: str) -> VersionView:
        """Return all that is known of a version."""
        return self.resolve(reference)

    def files(self, reference: str) -> list[FileView]:
        """Return the files of a version, by path."""
        return list(self._calls.run(versions.FILES, OfReference(reference=reference)).files)

    def versions(
        self, model: str, *, branch: str | None = None, label: str | None = None, text: str | None = None
    ) -> Iterator[VersionView]:
        """Yield the versions of a model, newest first; with `text` those whose message holds all its words."""
        for page in follow(
            lambda token: self._calls.run(
                versions.VERSIONS, ListVersions(model=model, branch=branch, label=label, text=text, token=token)
            )
        ):
            yield from page.versions

    def history(self, model: str) -> list[VersionView]:
        """Return all versions of a model, newest first."""
        return list(self.versions(model))

    def release(self, reference: str, number: str | None = None) -> VersionView:
        """Give a pre-release its release number."""
        return self._calls.run(versions.RELEASE, Release(reference=reference, number=number))

    def withdraw(self, reference: str, reason: str) -> VersionView:
        """Say that a version must not be used any more, and why."""
        return self._calls.run(versions.WITHDRAW, Withdraw(reference=reference, reason=reason))

    def add_metrics(self, reference: str, metrics: Mapping[str, float]) -> VersionView:
        """Attach measured figures to a version."""
        given = tuple(_metric(name, value) for name, value in metrics.items())
        return self._calls.run(versions.MEASURE, AddMetrics(reference=reference, metrics=given))

    def set_labels(self, reference: str, set: Mapping[str, str] | None = None, remove: Sequence[str] = ()) -> bool:  # noqa: A002  # what it does
        """Set and remove labels of a version or a model; return whether that changed anything."""
        request = SetLabels(reference=reference, set=dict(set or {}), remove=tuple(remove))
        return self._calls.run(versions.LABEL, request).changed

    # -- models -------------------------------------------------------------------------------------------------

    def models(self, namespace: str | None = None, label: str | None = None) -> Iterator[ModelView]:
        """Yield the models of a namespace, or of all."""
        names = [namespace] if namespace else list(self.namespaces())
        for name in names:
            for page in follow(
                lambda token, name=name: self._calls.run(  # type: ignore[misc]  # mypy cannot type a default
                    models.MODELS, ListModels(namespace=name, label=label, token=token)
                )
            ):
                yield from page.models

    def namespaces(self) -> Iterator[str]:
        """Yield the namespaces."""
        for page in follow(lambda token: self._calls.run(models.NAMESPACES, Paged(token=token))):
            yield from page.namespaces

    def model(self, name: str) -> ModelView:
        """Return a model and where its names point."""
        return self._calls.run(models.MODEL, OfModel(model=name))

    def set_title(self, model: str, title: str | None) -> bool:
        """Give a model a title in any spelling; return whether that changed anything."""
        return self._calls.run(models.ENTITLE, SetTitle(model=model, title=title)).changed

    def tree(self, model: str) -> list[TreeNode]:
        """Return the family of a model: its versions and all that is related to them, parents before children."""
        return list(self._calls.run(models.FAMILY, OfModel(model=model)).nodes)

    def sync_to(
        self,
        target: "Repository | str | Path",
        *,
        namespaces: Sequence[str] = (),
        plan: bool = False,
        trust_keys: Collection[str] = (),
        confirm: Callable[[str, tuple[str, ...]], bool] | None = None,
        progress: Progress = SILENCE,
    ) -> "Synced":
        """Bring another repository up to what this one has of `namespaces`, by default of all; `plan` changes nothing.

        Conflicts are answered and left as they are. `trust_keys` are fingerprints of the keys that sign the log here,
        or `confirm` is asked about them: RefusedError where nobody vouches for them and they were not pinned before.
        """
        from stemma.client.syncing.synchronise import synchronise
        from stemma.client.syncing.trust import Trust

        if not isinstance(target, Repository):
            with Repository.open(target) as opened:
                return self.sync_to(
                    opened,
                    namespaces=namespaces,
                    plan=plan,
                    trust_keys=trust_keys,
                    confirm=confirm,
                    progress=progress,
                )
        return synchronise(
            self._calls,
            target._calls,  # noqa: SLF001  # another of the same class
            namespaces=namespaces,
            trust=Trust(tuple(trust_keys), confirm),
            plan=plan,
            progress=progress,
        )

    # -- upkeep -------------------------------------------------------------------------------------------------

    def verify(self, *references: str, deep: bool = True, progress: Progress = SILENCE) -> Verified:
        """Check the files of the versions named, every byte of them; without any, the whole store of a folder.

        `deep` is for the whole store: without it only frames and indexes are read. On a server what is checked is what
        it sends, here; its store is verified by who runs it, in its folder. Nothing is changed.
        """
        if references:
            found = [self._calls.run(versions.RESOLVE, Resolve(reference=reference)) for reference in references]
            return verify_versions(self._calls, found, progress)
        return verify_store(self._calls, self._holding, deep=deep, progress=progress)

    def _holding(self, digests: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield (digest, where) of every file of every version with one of `digests`."""
        for model in self.models():
            for version in self.versions(model.model):
                for file in self.files(f"{model.model}@{version.digest}"):
                    if file.digest in digests:
                        yield file.digest, f"{version.reference}:{file.path}"

    def status(self) -> Status:
        """Say what is here, and one thing to do next."""
        return self._calls.run(models.STATUS, Nothing())


def _parent(given: str | tuple[str, str]) -> ParentGiven:
    return ParentGiven(origin=given) if isinstance(given, str) else ParentGiven(origin=given[0], kind=given[1])


def _metric(name: str, value: float) -> MetricGiven:
    if not isfinite(value):  # JSON has no such numbers
        return MetricGiven(name=name, value="nan" if isnan(value) else f"{value:+}")
    return MetricGiven(name=name, value=value)


def _wanted(found: VersionView) -> Wanted:
    return Wanted(f"{found.model}@{found.digest}", Digest(found.manifest))


def _with_manifest(request: Register, manifest: Digest) -> Register:
    members = {name: getattr(request, name) for name in request.__struct_fields__}
    return Register(**members | {"manifest": manifest})
