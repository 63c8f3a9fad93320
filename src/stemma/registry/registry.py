"""The registry: models, their versions, and the names by which people find them.

`Registry` is the front: namespaces, models and references here, the other nouns in fronts of their own. Each method
runs in the caller's transaction, checks the caller's permission before it reads, and never commits.
"""

from stemma.access import Caller, Permission, require
from stemma.errors import AlreadyExistsError, ConflictError, NotFoundError
from stemma.ledger import Draft, Entry, Thing, append, commit_text
from stemma.names import SYSTEM_NAMESPACE, ModelName, Pointer, Reference, check_name
from stemma.paging import check_limit, split_page
from stemma.registry.annotations import EvidenceLog, Labels
from stemma.registry.gate import Gate
from stemma.registry.pointers import Aliases, Branches
from stemma.registry.projection import project
from stemma.registry.records.message import clean_line, clean_text, title_key
from stemma.registry.resolve import can_read, check_target, find_at, find_model, find_version
from stemma.registry.store import Model, Namespace, Registration, RegistryTransaction
from stemma.registry.versions import Versions

_REMEMBERED = 4096


class Registry:
    """Models and references; `versions`, `aliases`, `branches`, `labels` and `evidence` are the other nouns."""

    def __init__(self, gate: Gate) -> None:
        self.versions = Versions()
        self.aliases = Aliases(gate)
        self.branches = Branches()
        self.labels = Labels()
        self.evidence = EvidenceLog()
        self._pointed: dict[tuple[object, ModelName, str], Registration] = {}

    def create_namespace(
        self, tx: RegistryTransaction, caller: Caller, name: str, *, has_arrived: bool = False
    ) -> Namespace:
        """Make a namespace, entered in `_system`; AlreadyExistsError if there is one of that name.

        ConflictError where its log is arriving from another repository, unless it `has_arrived`.
        """
        require(tx, caller, Permission.MAINTAIN, SYSTEM_NAMESPACE)
        check_name(name, "namespace")
        if tx.registry.namespaces.find(name) is not None:
            raise AlreadyExistsError(f"there is a namespace {name!r} already")
        if not has_arrived and tx.ledger.head(name).size:
            hint = "Let 'stemma sync' come to its end, or make it of what is there with --as-arrived."
            raise ConflictError(f"the namespace {name!r} is arriving from another repository", hint=hint)
        draft = Draft(SYSTEM_NAMESPACE, caller.actor, "namespace.create", Thing("namespace", name))
        entry = append(tx, draft)
        project(tx, entry)
        return Namespace(name, entry.time)

    def namespaces(
        self, tx: RegistryTransaction, caller: Caller, *, after: str = "", limit: int | None = None
    ) -> tuple[tuple[Namespace, ...], bool]:
        """Return namespaces behind `after` that the caller may read, by name, and whether more follow."""
        size = check_limit(limit)
        found: list[Namespace] = []
        while len(found) <= size and (rows := tx.registry.namespaces.page(after, size + 1)):
            found += [row for row in rows if can_read(tx, caller, row.name)]
            after = rows[-1].name
        return split_page(found, size)

    def extent(self, tx: RegistryTransaction, caller: Caller, namespace: str) -> tuple[int, int]:
        """Return how many versions a namespace has, and how many bytes they hold, each counted by itself."""
        require(tx, caller, Permission.READ, namespace)
        return tx.registry.namespaces.extent(namespace)

    def model(self, tx: RegistryTransaction, caller: Caller, name: ModelName) -> Model:
        """Return a model."""
        require(tx, caller, Permission.READ, name.namespace)
        return find_model(tx, name)

    def models(
        self, tx: RegistryTransaction, caller: Caller, namespace: str, *, after: str = "", limit: int | None = None
    ) -> tuple[tuple[Model, ...], bool]:
        """Return models behind `after`, by name, and whether more follow."""
        require(tx, caller, Permission.READ, namespace)
        if tx.registry.namespaces.find(namespace) is None:
            raise NotFoundError(f"there is no namespace {namespace!r}")
        size = check_limit(limit)
        return split_page(tx.registry.models.page(namespace, after, size + 1), size)

    def create_model(self, tx: RegistryTransaction, caller: Caller, name: ModelName) -> Model:
        """Make a model without versions; AlreadyExistsError if there is one of that name."""
        require(tx, caller, Permission.REGISTER, name.namespace)
        if tx.registry.namespaces.find(name.namespace) is None:
            raise NotFoundError(f"there is no namespace {name.namespace!r}", hint="Make it first.")
        if tx.registry.models.find(name) is not None:
            raise AlreadyExistsError(f"there is a model {name} already")
        self._enter(tx, caller, name, "model.create", {})
        return find_model(tx, name)

    def entitle(self, tx: RegistryTransaction, caller: Caller, name: ModelName, title: str | None) -> bool:
        """Give a model a title in any spelling, or none; return whether that changed anything.

        AlreadyExistsError where another model of the namespace has one that differs in case or form only.
        """
        require(tx, caller, Permission.DESCRIBE, name.namespace)
        model = find_model(tx, name)
        clean = None if title is None else clean_line(title, "title")
        if clean == model.title and (clean is not None or model.title_text is None):
            return False
        if clean is not None:
            holder = tx.registry.models.titled(name.namespace, title_key(clean))
            if holder is not None and holder != name:
                raise AlreadyExistsError(f"the title {clean!r} is that of {holder}")
        text = None if clean is None else str(commit_text(tx, clean))
        self._enter(tx, caller, name, "model.entitle", {"title": text})
        return True

    def titled(self, tx: RegistryTransaction, caller: Caller, namespace: str, title: str) -> Model:
        """Return the model with a title, whatever its case and form."""
        require(tx, caller, Permission.READ, namespace)
        name = tx.registry.models.titled(namespace, title_key(clean_line(title, "title")))
        if name is None:
            raise NotFoundError(f"no model of {namespace!r} has the title {title[:80]!r}")
        return find_model(tx, name)

    def describe(self, tx: RegistryTransaction, caller: Caller, name: ModelName, description: str | None) -> None:
        """Give a model a description, or none."""
        require(tx, caller, Permission.DESCRIBE, name.namespace)
        find_model(tx, name)
        clean = clean_text(description or "", "description")
        text = str(commit_text(tx, clean)) if clean else None
        self._enter(tx, caller, name, "model.describe", {"description": text})

    def resolve(
        self, tx: RegistryTransaction, caller: Caller, reference: Reference, *, at: int | None = None
    ) -> Registration:
        """Return the version that a reference means, by default `latest`; with `at` what an alias held then (µs).

        A withdrawn version is returned where it is named by number, sequence number or digest: look at `withdrawn`.
        """
        require(tx, caller, Permission.READ, reference.model.namespace)
        check_target(reference)
        if at is not None:
            return find_at(tx, reference.model, reference.selector, at)
        if not isinstance(reference.selector, Pointer) or tx.generation is None:
            return find_version(tx, reference.model, reference.selector)
        key = (tx.generation, reference.model, reference.selector.name)
        found = self._pointed.get(key)
        if found is None:
            found = find_version(tx, reference.model, reference.selector)
            if len(self._pointed) >= _REMEMBERED:
                self._pointed.clear()
            self._pointed[key] = found
        return found

    def project(self, tx: RegistryTransaction, entry: Entry) -> None:
        """Bring the registry's rows up to `entry`; entries of other subjects change nothing."""
        project(tx, entry)

    def _enter(
        self, tx: RegistryTransaction, caller: Caller, name: ModelName, action: str, facts: dict[str, str | None]
    ) -> None:
        thing = Thing("model", str(name))
        draft = Draft(name.namespace, caller.actor, action, thing, facts={"model": name.name, **facts})
        project(tx, append(tx, draft))
