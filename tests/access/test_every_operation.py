"""Every operation, asked by who may not and about what is not theirs: nothing is told, and nothing is changed.

What somebody may not see answers in every word like what is not there. A new operation needs a case here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args, get_type_hints

import msgspec
import pytest

from stemma.access import Caller
from stemma.errors import ForbiddenError, NotFoundError, StemmaError, UnauthenticatedError
from stemma.operations import BY_NAME, TABLE
from stemma.operations.evidence import OfLog, ReadEntries
from stemma.operations.exchange.values import (
    BindNumber,
    ImportEvidence,
    ImportVersion,
    PersonGiven,
    ProveEntry,
    ReadPart,
    ReadRoot,
    ReceiveEntries,
    TextGiven,
)
from stemma.operations.files.uploads import OfUpload
from stemma.operations.people.values import (
    AddPrincipal,
    ChangeRole,
    CreateNamespace,
    CreateToken,
    ListMembers,
    ListTokens,
    OfPrincipal,
    OfToken,
    RemovePrincipal,
)
from stemma.operations.requests import (
    AddMetrics,
    AliasBack,
    AliasLog,
    CreateBranch,
    DeleteAlias,
    FindPaths,
    ListModels,
    ListVersions,
    MetricGiven,
    Nothing,
    OfModel,
    OfNamespace,
    OfReference,
    Paged,
    ParentGiven,
    Protect,
    ReadLog,
    Register,
    Release,
    Request,
    Resolve,
    SetAlias,
    SetLabels,
    SetTitle,
    Walk,
    Withdraw,
)
from stemma.operations.upkeep.webhooks import AddWebhook, ListDeliveries, ListWebhooks, OfWebhook
from tests.access.world import ABSENT, Outcome, Place, World, made_in, replaced

KINDS = {
    "namespace", "place", "model", "reference", "start", "selector", "digest", "manifest",
    "principal", "token", "webhook", "upload",
}  # fmt: skip
"""What a text can name; `place` is a namespace, or `*`."""


DIGEST = re.compile("sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Case:
    """A request that is right where its texts name things in `place`, and what each of its texts names.

    Texts that name nothing of others are `free`.
    """

    request: Request
    names: dict[str, str] = field(default_factory=dict)
    free: frozenset[str] = frozenset()

    def at(self, place: Place) -> Iterator[Request]:
        """Yield the request about a place, in every way in which it can be named."""
        requests = [self.request]
        for path, kind in self.names.items():
            requests = [
                replaced(request, tuple(path.split(".")), value) for request in requests for value in place.values(kind)
            ]
        yield from requests

    def with_foreign(self, own: Place, foreign: Place) -> Iterator[tuple[str, Request]]:
        """Yield the request about `own` with one text that names something of `foreign`, by which text."""
        base = next(self.at(own))
        for path, kind in self.names.items():
            for value in foreign.values(kind):
                yield path, replaced(base, tuple(path.split(".")), value)


def case(request: Request, free: str = "", **names: str) -> Case:
    return Case(request, {path.replace("__", "."): kind for path, kind in names.items()}, frozenset(free.split()))


NAME = "x"
CASES: dict[str, Case] = {
    "namespace.open": case(OfNamespace(namespace=NAME), namespace="namespace"),
    "namespace.list": case(Paged(), "token"),
    "namespace.create": case(CreateNamespace(namespace=NAME), namespace="namespace"),
    "namespace.members": case(ListMembers(namespace=NAME), "token", namespace="namespace"),
    "model.list": case(ListModels(namespace=NAME), "token label", namespace="namespace"),
    "model.show": case(OfModel(model=NAME), model="model"),
    "model.entitle": case(SetTitle(model=NAME, title="A title"), "title", model="model"),
    "model.family": case(OfModel(model=NAME), model="model"),
    "status": case(Nothing()),
    "resolve": case(Resolve(reference=NAME), "at", reference="reference"),
    "version.show": case(Resolve(reference=NAME), "at", reference="reference"),
    "version.register": case(
        Register(
            model=NAME,
            manifest=NAME,
            what="More",
            parents=(ParentGiven(origin=NAME),),
            metrics=(MetricGiven(name="auc", value=0.5),),
        ),
        "what why impact branch number parents.kind metrics.name metrics.value metrics.slice",
        model="model",
        manifest="manifest",
        parents__origin="start",
    ),
    "version.release": case(Release(reference=NAME), "number", reference="reference"),
    "version.withdraw": case(Withdraw(reference=NAME, reason="It leaks"), "reason", reference="reference"),
    "version.measure": case(
        AddMetrics(reference=NAME, metrics=(MetricGiven(name="auc", value=0.5),)),
        "metrics.name metrics.value metrics.slice",
        reference="reference",
    ),
    "version.list": case(ListVersions(model=NAME), "token branch label text", model="model"),
    "version.files": case(OfReference(reference=NAME), reference="reference"),
    "label.set": case(SetLabels(reference=NAME, set={"mine": "yes"}), "remove", reference="reference"),
    "alias.set": case(
        SetAlias(model=NAME, alias="other", selector=NAME), "alias reason expected", model="model", selector="selector"
    ),
    "alias.back": case(AliasBack(model=NAME, alias="production", reason="Worse"), "alias reason", model="model"),
    "alias.delete": case(DeleteAlias(model=NAME, alias="production"), "alias reason", model="model"),
    "alias.log": case(AliasLog(model=NAME, alias="production"), "token alias at", model="model"),
    "alias.list": case(OfModel(model=NAME), model="model"),
    "alias.protect": case(Protect(model=NAME, alias="other"), "alias reason", model="model"),
    "branch.create": case(
        CreateBranch(model=NAME, branch="side", start=NAME), "branch", model="model", start="selector"
    ),
    "branch.list": case(OfModel(model=NAME), model="model"),
    "lineage.ancestors": case(Walk(start=NAME), "token kinds", start="start"),
    "lineage.descendants": case(Walk(start=NAME), "token kinds", start="start"),
    "lineage.impact": case(Walk(start=NAME), "token kinds", start="start"),
    "lineage.paths": case(FindPaths(start=NAME, ancestor=NAME), start="start", ancestor="start"),
    "log.read": case(
        ReadLog(namespace=NAME, concerns=NAME), "token action since until", namespace="namespace", concerns="model"
    ),
    "log.list": case(Nothing()),
    "log.keys": case(Nothing()),
    "log.checkpoint": case(OfLog(namespace=NAME), namespace="namespace"),
    "log.entries": case(ReadEntries(namespace=NAME), namespace="namespace"),
    "server.show": case(Nothing()),
    "server.health": case(Nothing()),
    "whoami": case(Nothing()),
    "user.add": case(AddPrincipal(name="Somebody", role="reader", namespace=NAME), "name kind role", namespace="place"),
    "user.list": case(Paged(), "token"),
    "user.show": case(OfPrincipal(principal=NAME), principal="principal"),
    "user.remove": case(RemovePrincipal(principal=NAME), principal="principal"),
    "role.grant": case(
        ChangeRole(principal=NAME, role="reader", namespace=NAME), "role", principal="principal", namespace="place"
    ),
    "role.revoke": case(
        ChangeRole(principal=NAME, role="contributor", namespace=NAME), "role", principal="principal", namespace="place"
    ),
    "token.create": case(
        CreateToken(principal=NAME, namespaces=(NAME,)), "roles note", principal="principal", namespaces="namespace"
    ),
    "token.list": case(ListTokens(principal=NAME), "token", principal="principal"),
    "token.revoke": case(OfToken(token=NAME), token="token"),  # noqa: S106  # the kind of thing that it names
    "webhook.add": case(
        AddWebhook(url="https://93.184.215.14/x", namespace=NAME), "url events secret", namespace="namespace"
    ),
    "webhook.list": case(ListWebhooks(namespace=NAME), namespace="namespace"),
    "webhook.remove": case(OfWebhook(webhook=NAME), webhook="webhook"),
    "webhook.pause": case(OfWebhook(webhook=NAME), webhook="webhook"),
    "webhook.resume": case(OfWebhook(webhook=NAME), webhook="webhook"),
    "webhook.test": case(OfWebhook(webhook=NAME), webhook="webhook"),
    "webhook.deliveries": case(ListDeliveries(webhook=NAME), "state", webhook="webhook"),
    "webhook.retry": case(OfWebhook(webhook=NAME), webhook="webhook"),
    "upload.begin": case(OfNamespace(namespace=NAME), namespace="namespace"),
    "upload.show": case(OfUpload(upload=NAME), upload="upload"),
    "upload.renew": case(OfUpload(upload=NAME), upload="upload"),
    "upload.abandon": case(OfUpload(upload=NAME), upload="upload"),
    "exchange.offer": case(OfNamespace(namespace=NAME), namespace="namespace"),
    "exchange.root": case(ReadRoot(namespace=NAME, size=1, until=1), namespace="namespace"),
    "exchange.prove": case(ProveEntry(namespace=NAME, index=0, size=1), namespace="namespace"),
    "exchange.entries": case(ReadPart(namespace=NAME, first=0, until=1), namespace="namespace"),
    "exchange.receive": case(
        ReceiveEntries(
            namespace=NAME,
            first=0,
            entries=("{}",),
            records=(),
            texts=(TextGiven(commitment="sha256:" + "0" * 64, salt="", text=None),),
            people=(PersonGiven(pseudonym="u_" + "0" * 32, name="Somebody"),),
            manifests=(),
            path=(),
            note="x",
            keys=(),
        ),
        "entries records manifests texts.commitment texts.salt texts.text people.pseudonym people.name path note keys "
        "trusted",
        namespace="namespace",
    ),
    "exchange.import": case(
        ImportVersion(
            namespace=NAME,
            entry="{}",
            path=(),
            records=(),
            texts=(TextGiven(commitment="sha256:" + "0" * 64, salt="", text=None),),
            people=(PersonGiven(pseudonym="u_" + "0" * 32, name="Somebody"),),
            manifests=(),
            note="x",
            keys=(),
            branch="main",
        ),
        "entry path records manifests texts.commitment texts.salt texts.text people.pseudonym people.name note keys "
        "branch",
        namespace="namespace",
    ),
    "exchange.number": case(
        BindNumber(model=NAME, version=NAME, number="9.0.0"), "number", model="model", version="digest"
    ),
    "exchange.evidence": case(
        ImportEvidence(
            model=NAME,
            version=NAME,
            record="{}",
            texts=(TextGiven(commitment="sha256:" + "0" * 64, salt="", text=None),),
        ),
        "record texts.commitment texts.salt texts.text",
        model="model",
        version="digest",
    ),
}
BY_EXACT_NAME = {("role.grant", "principal")}
"""Where somebody may be named whom one does not see: who governs a namespace lets anybody in, and must find them."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with made_in(tmp_path_factory.mktemp("world") / "repository") as made:
        yield made


def texts_of(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Yield the path of every member that holds text, in nested requests too."""
    for name, hint in get_type_hints(kind).items():
        parts = {hint, *get_args(hint), *(part for each in get_args(hint) for part in get_args(each))}
        nested = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
        if nested:
            yield from texts_of(nested[0], f"{prefix}{name}.")
        elif str in parts and dict not in {getattr(part, "__origin__", None) for part in parts}:
            yield prefix + name


def test_every_operation_has_a_case() -> None:
    assert set(CASES) == set(BY_NAME)


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_each_text_names(name: str) -> None:
    case = CASES[name]
    assert type(case.request) is BY_NAME[name].request
    assert set(texts_of(type(case.request))) == set(case.names) | case.free
    assert set(case.names.values()) <= KINDS


def told(world: World, outcome: Outcome, place: Place) -> tuple[object, ...]:
    """Return what the caller learns, with the names of the place left out, and the digests of what was just made."""
    known = {digest for each in world.places.values() for digest in (each.digest, each.manifest)}

    def hide(text: str) -> str:
        return DIGEST.sub(lambda found: found[0] if found[0] in known else "<new>", place.hide(text))

    return tuple(hide(part) if isinstance(part, str) else part for part in outcome.told())


def assert_alike(world: World, name: str, caller: Caller, ones: list[Request], others: list[Request]) -> None:
    """Check that a request about what is hidden answers as the same about what is not there."""
    hidden = world.places["hidden"]
    for one, other in zip(ones, others, strict=True):
        seen = world.ask(BY_NAME[name], one, caller)
        unseen = world.ask(BY_NAME[name], other, caller)
        assert told(world, seen, hidden) == told(world, unseen, ABSENT), (one, other)


@pytest.mark.parametrize("who", ["nobody", "bob", "narrow"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_hidden_answers_like_what_is_not_there(world: World, name: str, who: str) -> None:
    """In every text of every request, and in all of them at once."""
    case, own, hidden, caller = CASES[name], world.places["aside"], world.places["hidden"], world.callers[who]
    assert_alike(world, name, caller, list(case.at(hidden)), list(case.at(ABSENT)))
    for (path, one), (again, other) in zip(case.with_foreign(own, hidden), case.with_foreign(own, ABSENT), strict=True):
        assert path == again
        if (name, path) in BY_EXACT_NAME and caller is not world.callers["nobody"]:
            continue
        assert_alike(world, name, caller, [one], [other])


@pytest.mark.parametrize("who", ["nobody", "bob", "narrow"])
@pytest.mark.parametrize("name", [operation.name for operation in TABLE if operation.writes])
def test_nobody_changes_what_they_may_not_see(world: World, name: str, who: str) -> None:
    for request in CASES[name].at(world.places["hidden"]):
        outcome = world.ask(BY_NAME[name], request, world.callers[who])
        assert outcome.error is not None
        assert not outcome.changed


@pytest.mark.parametrize("name", CASES)
def test_somebody_without_roles_is_told_nothing(world: World, name: str) -> None:
    operation = BY_NAME[name]
    for place in world.places.values():
        for request in CASES[name].at(place):
            outcome = world.ask(operation, request, world.callers["nobody"])
            assert not outcome.changed
            if operation.permission is not None or operation.writes:
                assert isinstance(outcome.error, NotFoundError | ForbiddenError | StemmaError), request
            for text in secrets_of(world, *world.places):
                assert text not in outcome.answer


@pytest.mark.parametrize("name", [operation.name for operation in TABLE if operation.writes])
def test_a_token_for_reading_changes_nothing(world: World, name: str) -> None:
    for request in CASES[name].at(world.places["open"]):
        outcome = world.ask(BY_NAME[name], request, world.callers["reader"])
        if name == "namespace.open":
            assert outcome.answer == '{"changed":false}'
        else:
            assert isinstance(outcome.error, ForbiddenError | NotFoundError), (request, outcome)
        assert not outcome.changed


@pytest.mark.parametrize("name", [operation.name for operation in TABLE if operation.permission is not None])
def test_what_is_declared_is_what_is_asked_for(world: World, name: str) -> None:
    """Who may do everything is not refused, so that each case is a right one and refusals are about permissions."""
    outcomes = [world.ask(BY_NAME[name], request, world.owner) for request in CASES[name].at(world.places["open"])]
    assert not any(isinstance(outcome.error, ForbiddenError | UnauthenticatedError) for outcome in outcomes)


@pytest.mark.parametrize("who", ["bob", "narrow", "reader"])
@pytest.mark.parametrize("name", CASES)
def test_nothing_of_what_is_hidden_stands_in_what_is_told(world: World, name: str, who: str) -> None:
    """Neither where it is related to what one asks about, nor in a listing, nor in an error."""
    for place in (world.places["open"], world.places["aside"]):
        for request in CASES[name].at(place):
            outcome = world.ask(BY_NAME[name], request, world.callers[who])
            said = " ".join(map(str, outcome.told()))
            for text in secrets_of(world, "hidden"):
                assert text not in said, (request, said)


def secrets_of(world: World, *names: str) -> list[str]:
    """Return what only those know who can read in these namespaces.

    Not the digest of the version that one in `open` came from: that one's own record holds it.
    """
    found: list[str] = []
    for name in names:
        place = world.places[name]
        found += [place.model, place.manifest, place.token, place.webhook, place.external]
        found += [f"key-of-{name}", f"Title of {name}"]
    if "hidden" in names:
        found += ["hidden", "Whispered", "Hildegard", world.places["hidden"].pseudonym]
    return found
