"""The repository: what people use from Python, and what the command line stands on."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stemma.access import Caller
from stemma.client.answers import Affected, Damage, PushResult, RepositoryStatus, Verified
from stemma.client.audit import Audit
from stemma.client.calls import Calls, follow
from stemma.client.database import Database
from stemma.client.family import Family
from stemma.client.files.transfer import cached_folder, check_out_manifest, store_folder, told
from stemma.client.names import Aliases, Branches
from stemma.client.objects.loading import load_folder
from stemma.client.objects.saving import saved
from stemma.client.progress import SILENCE, Progress
from stemma.errors import NotFoundError, UnsupportedError
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
from stemma.operations.views import FileView, ModelView, TreeNode, VersionView
from stemma.records import Digest
from stemma.settings import REPOSITORY_FOLDER, Settings, account_name, find_repository, load_settings

if TYPE_CHECKING:
    from stemma.app import RepositoryFolder

CHECKOUTS = "checkouts"


class Repository:
    """A repository in a folder. Close it when you are done, or use it in a `with` statement: that signs the log.

    `aliases`, `branches`, `lineage`, `audit` and `database` are its other nouns. Every method raises errors of
    `stemma.errors` only.
    """

    def __init__(self, folder: "RepositoryFolder", settings: Settings) -> None:
        self.root = folder.root
        self.settings = settings
        self._folder = folder
        self._calls = Calls(folder.root, folder.system, self._identify)
        self.aliases = Aliases(self._calls)
        self.branches = Branches(self._calls)
        self.lineage = Family(self._calls)
        self.database = Database(folder)

    @classmethod
    def init(cls, where: str | Path = ".") -> Self:
        """Make a folder a repository, and open it; AlreadyExistsError where it is one."""
        from stemma.app import create_folder

        root = _folder_of(where)
        settings = load_settings(repository=root)
        create_folder(root, settings.text("key.passphrase"))
        return cls.open(root)

    @classmethod
    def open(cls, where: str | Path | None = None) -> Self:
        """Open the repository in a folder; by default `STEMMA_REPO`, else the nearest at or above this folder."""
        from stemma.app import open_folder

        where = where or load_settings().text("repo")
        root = _folder_of(where) if where is not None else find_repository(Path.cwd())
        if root is None:
            raise NotFoundError(
                f"there is no repository in {str(Path.cwd())!r} or above it",
                hint="Make one with 'stemma init', or say where yours is with --repo or STEMMA_REPO.",
            )
        settings = load_settings(repository=root)
        folder = open_folder(
            root, passphrase=settings.text("key.passphrase"), lock_timeout=settings.number("lock.timeout")
        )
        return cls(folder, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Sign what was written since the last checkpoint, and let go; idempotent."""
        try:
            if self._calls.wrote:
                self._calls.wrote = False
                self._calls.system.sign()
        finally:
            self._folder.close()

    @cached_property
    def audit(self) -> Audit:
        """The log of all changes."""
        return Audit(self._calls)

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
        metrics: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        if_changed: bool = False,
        follow_links: bool = False,
        progress: Progress = SILENCE,
    ) -> PushResult:
        """Store a folder, a file or a model object as a new version of `model`.

        `parents` are references, or pairs of a reference and a kind such as `fine_tuned_from`; by default the head of
        the branch. With `if_changed` an unchanged head is answered and nothing is registered.
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
            metrics=tuple(_metric(name, value) for name, value in (metrics or {}).items()),
            labels=dict(labels or {}),
            if_changed=if_changed,
        )
        self._calls.prepare()
        with saved(source) as folder:
            stored = store_folder(
                self._calls.system,
                self._calls.caller,
                name.namespace,
                folder,
                follow_links=follow_links,
                progress=progress,
            )
        self._calls.run(models.OPEN_NAMESPACE, OfNamespace(namespace=name.namespace))
        done = self._calls.run(versions.REGISTER, _with_manifest(request, stored.manifest))
        return PushResult(
            version=self.show(done.version.reference),
            changed=done.changed,
            files=stored.files,
            bytes=stored.bytes,
            stored=stored.stored,
            shared=stored.shared,
            warnings=stored.warnings,
        )

    def pull(
        self, reference: str, folder: str | Path, *, overwrite: bool = False, progress: Progress = SILENCE
    ) -> VersionView:
        """Write the files of a version into `folder`, each verified; ConflictError where it holds anything else."""
        found = self.resolve(reference)
        check_out_manifest(
            self._calls.system, Digest(found.manifest), Path(folder), overwrite=overwrite, progress=progress
        )
        return found

    def path(self, reference: str, progress: Progress = SILENCE) -> Path:
        """Return a verified folder with the files of a version, shared and not to be written to."""
        return self._cached(self.resolve(reference), progress)

    def load(self, reference: str, *, trust: bool = False) -> object:
        """Return the model of a version; what could run code when it is read needs `trust`."""
        found = self.resolve(reference)
        return load_folder(self._cached(found, SILENCE), trust=trust, reference=found.reference)

    def _cached(self, found: VersionView, progress: Progress) -> Path:
        cache = self.root / REPOSITORY_FOLDER / CHECKOUTS
        return cached_folder(self._calls.system, Digest(found.manifest), cache, progress)

    def resolve(self, reference: str, *, at: str | None = None) -> VersionView:
        """Return the version that a reference means; `at` (RFC 3339) asks what an alias held at that time."""
        return self._calls.run(versions.SHOW, Resolve(reference=reference, at=at))

    def show(self, reference: str) -> VersionView:
        """Return all that is known of a version."""
        return self.resolve(reference)

    def files(self, reference: str) -> list[FileView]:
        """Return the files of a version, by path."""
        return list(self._calls.run(versions.FILES, OfReference(reference=reference)).files)

    def versions(self, model: str, *, branch: str | None = None, label: str | None = None) -> Iterator[VersionView]:
        """Yield the versions of a model, newest first."""
        for page in follow(
            lambda token: self._calls.run(
                versions.VERSIONS, ListVersions(model=model, branch=branch, label=label, token=token)
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

    # -- upkeep -------------------------------------------------------------------------------------------------

    def verify(self, *, deep: bool = True, progress: Progress = SILENCE) -> Verified:
        """Check the store; `deep` reads every byte. Nothing is changed."""
        artifacts, executor = self._calls.system.subjects.artifacts, self._calls.system.executor
        with told(progress, "Verifying", None):
            report = executor.read(lambda tx: artifacts.verify(tx, deep=deep, progress=progress.advance))
        users = self._users({file.digest for file in report.affected}) if report.affected else {}
        notes = [f"pack {pack} waits for its upload to be finished or forgotten" for pack in report.unindexed]
        return Verified(
            sound=report.sound,
            deep=deep,
            packs=report.packs,
            blocks=report.blocks,
            files=report.files,
            bytes=report.bytes,
            damage=tuple(
                Damage(file=f"pack {each.pack}", offset=each.offset, what=each.what) for each in report.damages
            ),
            affected=tuple(
                Affected(
                    digest=file.digest,
                    what=f"{file.what}: {file.lost:,} of {file.size:,} bytes are lost",
                    references=tuple(users.get(file.digest, ())),
                )
                for file in report.affected
            ),
            notes=(*notes, *report.unsupported),
        )

    def _users(self, digests: set[Digest]) -> dict[Digest, list[str]]:
        users: dict[Digest, list[str]] = {}
        for model in self.models():
            for version in self.versions(model.model):
                for file in self.files(f"{model.model}@{version.digest}"):
                    if file.digest in digests:
                        users.setdefault(Digest(file.digest), []).append(f"{version.reference}:{file.path}")
        return users

    def status(self) -> RepositoryStatus:
        """Say what is here, and one thing to do next."""
        found = self._calls.run(models.STATUS, Nothing())
        packs = self._calls.system.executor.read(lambda tx: tx.artifacts.packs())
        return RepositoryStatus(
            models=found.models,
            versions=found.versions,
            bytes=found.bytes,
            unsigned=found.unsigned,
            next_step=found.next_step,
            stored=sum(pack.size for pack in packs),
        )

    def _identify(self) -> Caller:
        return self._folder.owner(self.settings.text("user.name") or account_name())


def _folder_of(where: str | Path) -> Path:
    if "://" in str(where):
        raise UnsupportedError(
            f"{str(where)!r} is a server, and this release works on folders only", hint="Give a folder."
        )
    return Path(where).absolute()


def _parent(given: str | tuple[str, str]) -> ParentGiven:
    return ParentGiven(origin=given) if isinstance(given, str) else ParentGiven(origin=given[0], kind=given[1])


def _metric(name: str, value: float) -> MetricGiven:
    return MetricGiven(name=name, value=value)


def _with_manifest(request: Register, manifest: Digest) -> Register:
    members = {name: getattr(request, name) for name in request.__struct_fields__}
    return Register(**members | {"manifest": manifest})
