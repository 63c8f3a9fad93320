"""A repository with three namespaces, and people who may see some of them.

`open` is Bob's and Ada's, `hidden` is Ada's alone, `aside` is Bob's and Ada's; there is no `absent`. A version in
`open` came from one in `hidden`, which came from another in `open`, so that what is related can give it away.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from stemma.access import EVERYWHERE, Caller, Grant, Role, Scope
from stemma.app import RepositoryFolder, create_folder, open_folder
from stemma.artifacts.manifest import Manifest
from stemma.errors import StemmaError
from stemma.ledger import Actor
from stemma.operations import AnyOperation, Transaction
from stemma.operations.files.uploads import BEGIN
from stemma.operations.models import ENTITLE, OPEN_NAMESPACE
from stemma.operations.people import tokens, users
from stemma.operations.people.values import AddPrincipal, CreateToken
from stemma.operations.pointers import PROTECT, SET_ALIAS
from stemma.operations.requests import (
    OfNamespace,
    ParentGiven,
    Protect,
    Register,
    Request,
    Resolve,
    SetAlias,
    SetLabels,
    SetTitle,
)
from stemma.operations.upkeep.webhooks import ADD as ADD_WEBHOOK
from stemma.operations.upkeep.webhooks import AddWebhook
from stemma.operations.versions import LABEL, REGISTER, RESOLVE
from stemma.records import Digest
from stemma.system import encode

NAMESPACES = ("open", "hidden", "aside")


@dataclass(frozen=True)
class Place:
    """What there is in a namespace, or would be: all by which it can be asked for."""

    namespace: str
    model: str
    digest: str
    manifest: str
    principal: str
    pseudonym: str
    token: str
    webhook: str
    upload: str
    external: str

    def values(self, kind: str) -> tuple[str, ...]:
        """Return every way to name something of a kind."""
        match kind:
            case "reference":
                selectors = ("v1", "production", "main", "latest", "^1", self.digest)
                return (self.model, *(f"{self.model}@{selector}" for selector in selectors))
            case "start":
                return (*self.values("reference"), self.digest, self.external)
            case "selector" | "digest":
                return (self.digest,)
            case "principal":
                return (self.principal, self.pseudonym)
            case "place":
                return (self.namespace,)
            case _:
                return (str(getattr(self, kind)),)

    def hide(self, text: str) -> str:
        """Return `text` with all that names this place as the kind of thing that it is."""
        kinds = (
            "external",
            "webhook",
            "upload",
            "model",
            "digest",
            "manifest",
            "principal",
            "pseudonym",
            "token",
            "namespace",
        )
        for kind in kinds:
            text = text.replace(str(getattr(self, kind)), f"<{kind}>").replace(
                str(getattr(self, kind))[:19], f"<{kind}>"
            )
        return text


ABSENT = Place(
    "absent",
    "absent/stones",
    "sha256:" + "ab" * 32,
    "sha256:" + "cd" * 32,
    "Zoe Nobody",
    "u_" + "e" * 32,
    "c" * 24,
    "absent/" + "0" * 16,
    "d" * 32,
    "hf:absent/base@" + "1" * 40,
)


class UndoneError(StemmaError):
    """Carries what an operation answered out of a transaction that leaves nothing behind."""

    def __init__(self, outcome: "Outcome") -> None:
        super().__init__("undone")
        self.outcome = outcome


@dataclass(frozen=True)
class Outcome:
    """What an operation answered, or the error that it raised; and whether anything was written."""

    answer: str = ""
    error: StemmaError | None = None
    changed: bool = False

    def told(self) -> tuple[object, ...]:
        """Return all that the caller learns."""
        error = self.error
        return (self.answer,) if error is None else (type(error), error.message, error.hint, error.place)


@dataclass
class World:
    """The repository; each operation is undone."""

    folder: RepositoryFolder
    owner: Caller
    callers: dict[str, Caller] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """The tokens that the callers show."""

    def run(self, operation: AnyOperation, request: Request, caller: Caller | None = None) -> Any:  # noqa: ANN401
        """Run an operation for good."""
        return self.folder.system.run(operation, caller or self.owner, request)

    def ask(self, operation: AnyOperation, request: Request, caller: Caller) -> Outcome:
        """Run an operation and undo it."""
        subjects = self.folder.system.subjects

        def step(tx: Transaction) -> Outcome:
            before = _changes(tx)
            try:
                answer = encode(operation.run(subjects, tx, caller, request)).decode()
            except StemmaError as error:
                return Outcome(error=error)
            return Outcome(answer, changed=_changes(tx) != before)

        if not operation.writes:
            return self.folder.system.executor.read(step)

        def undone(tx: Transaction) -> None:
            raise UndoneError(step(tx))

        try:
            logs = operation.logs(request)
        except StemmaError as error:
            return Outcome(error=error)
        try:
            self.folder.system.executor.write(undone, logs)
        except UndoneError as end:
            return end.outcome
        raise AssertionError("it was not undone")


def _changes(tx: Any) -> int:  # noqa: ANN401  # of the database's own transaction
    return int(tx.connection.driver.total_changes)


@contextmanager
def made_in(root: Path) -> Iterator[World]:
    """Make the world in a folder."""
    create_folder(root)
    folder = open_folder(root)
    try:
        yield _fill(World(folder, folder.owner("keeper")))
    finally:
        folder.close()


def _fill(world: World) -> World:
    people = {name: world.run(users.ADD, AddPrincipal(name=name)).id for name in ("Ada", "Bob", "Nobody", "Hildegard")}
    for namespace in NAMESPACES:
        world.run(OPEN_NAMESPACE, OfNamespace(namespace=namespace))
    roles = [("Ada", namespace, Role.ADMIN) for namespace in NAMESPACES]
    roles += [("Bob", "open", Role.ADMIN), ("Bob", "open", Role.DEPLOYER), ("Bob", "aside", Role.ADMIN)]
    roles += [("Hildegard", "hidden", Role.CONTRIBUTOR), ("Ada", "open", Role.DEPLOYER)]
    for name, namespace, role in roles:
        grant = Grant(people[name], namespace, role)
        world.folder.system.executor.write(partial(give, world, grant))
    shown = {name: world.run(tokens.CREATE, CreateToken(principal=name)) for name in people}
    first = push(world, "open/stones", "The first of all")
    secret = push(world, "hidden/stones", "Whispered", ParentGiven(origin=first), external="hf:hidden/base@" + "2" * 40)
    push(world, "hidden/stones", "Whispered again")
    push(world, "open/stones", "Comes from elsewhere", ParentGiven(origin=secret))
    push(world, "aside/stones", "Stands alone")
    for namespace in NAMESPACES:
        model = f"{namespace}/stones"
        world.run(SET_ALIAS, SetAlias(model=model, alias="production", selector="v1"))
        world.run(PROTECT, Protect(model=model, alias="kept"))
        world.run(LABEL, SetLabels(reference=f"{model}@v1", set={f"key-of-{namespace}": "value"}))
        world.run(ENTITLE, SetTitle(model=model, title=f"Title of {namespace}"))
        webhook = world.run(ADD_WEBHOOK, AddWebhook(url=f"https://93.184.215.14/{namespace}", namespace=namespace))
        holder = {"open": "Ada", "hidden": "Hildegard", "aside": "Bob"}[namespace]
        world.places[namespace] = Place(
            namespace,
            model,
            *_digests(world, model),
            holder,
            people[holder],
            shown[holder].token.id,
            webhook.webhook.webhook,
            world.run(BEGIN, OfNamespace(namespace=namespace), Caller(Actor("user", people[holder]))).upload,
            f"hf:{namespace}/base@" + "2" * 40,
        )
    _let_in(world, people)
    return world


def give(world: World, grant: Grant, tx: Transaction) -> bool:
    """Give a role."""
    return world.folder.access.grant(tx, world.owner, grant)


def _let_in(world: World, people: dict[str, str]) -> None:
    access, executor = world.folder.access, world.folder.system.executor
    near = frozenset({"open", "aside"})
    shown = {
        "nobody": ("Nobody", Scope()),
        "bob": ("Bob", Scope()),
        "narrow": ("Ada", Scope(near)),
        "reader": ("Ada", Scope(near, frozenset({Role.READER}))),
    }

    def issue(tx: Transaction, who: str) -> Caller:
        name, scope = shown[who]
        issued = access.tokens.issue(tx, world.owner, access.find(tx, people[name]), scope)
        world.texts[who] = issued.text
        return access.authenticate(tx, issued.text)

    for who in shown:
        world.callers[who] = executor.write(partial(issue, who=who))
    assert EVERYWHERE not in {grant.namespace for grant in _held(world, people["Ada"])}


def _held(world: World, pseudonym: str) -> tuple[Grant, ...]:
    return world.folder.system.executor.read(lambda tx: tuple(tx.access.roles.of(pseudonym)))


def expired(world: World) -> str:
    """Return a token of Ada's that was good an hour ago."""
    access = world.folder.access

    def issue(tx: Any) -> str:  # noqa: ANN401  # whose clock is put back
        tx.now -= 3_600_000_000
        return access.tokens.issue(tx, world.owner, access.find(tx, "Ada"), lifetime=60).text

    return str(world.folder.system.executor.write(issue))


def push(world: World, model: str, what: str, *parents: ParentGiven, external: str | None = None) -> str:
    """Register a version of files that nobody else has, and return its digest."""
    manifest = Manifest.of([], [f"folder-{what}"])
    namespace = model.partition("/")[0]
    system = world.folder.system
    system.executor.write(lambda tx: system.subjects.artifacts.store_manifest(tx, manifest, namespace=namespace))
    given = (*parents, ParentGiven(origin=external, kind="fine_tuned_from")) if external else parents
    request = Register(model=model, manifest=str(Digest.of(manifest.encode())), what=what, parents=given)
    return str(world.run(REGISTER, request).version.digest)


def _digests(world: World, model: str) -> tuple[str, str]:
    found = world.run(RESOLVE, Resolve(reference=f"{model}@v1"))
    return str.__str__(found.digest), str.__str__(found.manifest)


def replaced(request: Request, path: tuple[str, ...], value: str) -> Request:
    """Return a request with another text in one place."""
    name, *rest = path
    held = getattr(request, name)
    if isinstance(held, tuple):
        held = tuple(replaced(each, tuple(rest), value) if rest else value for each in held)
        return msgspec.structs.replace(request, **{name: held})
    return msgspec.structs.replace(request, **{name: value})
