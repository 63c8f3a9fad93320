"""The same over HTTP: every route, asked without a token, with one that ended, and about what is not one's own."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stemma.client.remote.messages import body_of, query_of
from stemma.http.routes import Route
from stemma.operations import BY_NAME, AnyOperation
from stemma.operations.requests import Request
from stemma.wire.native.door import open_native
from tests.access.test_every_operation import CASES
from tests.access.world import ABSENT, NAMESPACES, Place, World, expired, made_in
from tests.http.asking import Got, ask
from tests.serving import serving

PREFIX = "/api/v1"
BYTES = {"Content-Type": "application/octet-stream"}
PACK = "b3:" + "0" * 64


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    is_json: bool = True


def of_operation(operation: AnyOperation, request: Request) -> Asked:
    if operation.writes:
        return Asked(operation.method, PREFIX + operation.path, body=body_of(request))
    return Asked(operation.method, PREFIX + operation.path, tuple(query_of(request)))


def of_bytes(place: Place) -> dict[str, list[Asked]]:
    """Return requests about a place to the routes that stand outside the table."""
    upload = f"{PREFIX}/uploads/{place.upload}"
    commit = b'{"packs": [], "files": []}'
    return {
        "content.read": [
            Asked("GET", f"{PREFIX}/content", (("reference", reference), ("path", "model.bin")))
            for reference in place.values("reference")
        ],
        "upload.send": [Asked("PUT", f"{upload}/packs/{PACK}", (("offset", "0"),), b"bytes", is_json=False)],
        "upload.known": [Asked("POST", f"{upload}/known", (("kind", "files"),), bytes(32), is_json=False)],
        "upload.commit": [Asked("POST", f"{upload}/commit", body=commit)],
        "upload.commit.show": [Asked("GET", f"{upload}/commit")],
        "log.export": [Asked("GET", f"{PREFIX}/log/export")],
        "health.figures": [Asked("GET", "/metrics")],
    }


@dataclass(frozen=True)
class Served:
    """The world, where it is served, and a token that ended."""

    world: World
    url: str
    expired: str

    def ask(self, asked: Asked, token: str | None) -> Got:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= {} if asked.is_json else BYTES
        pairs: dict[str, list[str]] = {}
        for name, value in asked.query:
            pairs.setdefault(name, []).append(value)
        return ask(self.url, asked.path, method=asked.method, query=pairs, body=asked.body, headers=headers)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("world") / "repository"
    with made_in(root) as world:
        gone = expired(world)
        with serving(root) as url:
            yield Served(world, url, gone)


ROUTES: list[Route] = [route for route in open_native().routes if not route.public]


def test_every_route_has_its_requests() -> None:
    assert {route.operation for route in ROUTES} <= CASES.keys() | of_bytes(ABSENT).keys()


def requests_at(place: Place, name: str) -> list[Asked]:
    if name in CASES:
        return [of_operation(BY_NAME[name], request) for request in CASES[name].at(place)]
    return of_bytes(place)[name]


def told(got: Got, place: Place) -> tuple[int, str, str]:
    """Return what the caller learns; the id of the request is new each time."""
    text = got.body.decode()
    if got.headers.get("content-type") == "application/problem+json":
        problem = got.json
        text = " | ".join(str(problem[name]) for name in ("title", "detail", "code", "hint", "place"))
    return got.status, place.hide(text), str(got.headers.get("etag") is not None)


def heads(world: World) -> dict[str, int]:
    """Return how many entries each log has that are no refusals."""

    def count(tx: object) -> dict[str, int]:
        ledger = tx.ledger  # type: ignore[attr-defined]  # a transaction
        return {
            name: sum(b'"outcome":"refused"' not in row.data for row in ledger.rows(name, 0, 10_000))
            for name in ("_system", *NAMESPACES)
        }

    return world.folder.system.executor.read(count)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_what_is_no_token_opens_nothing(served: Served, route: Route) -> None:
    before = heads(served.world)
    for asked in requests_at(served.world.places["open"], route.operation)[:1]:
        for token in (None, served.expired, "x", "stm_" + "0" * 24 + "_" + "0" * 64):
            got = served.ask(asked, token)
            assert (got.status, got.code) == (401, "unauthenticated"), asked
    assert heads(served.world) == before


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_over_http_too_what_is_hidden_answers_like_what_is_not_there(served: Served, route: Route) -> None:
    hidden, before = served.world.places["hidden"], heads(served.world)
    for who in ("nobody", "bob", "narrow"):
        token = served.world.texts[who]
        for one, other in zip(requests_at(hidden, route.operation), requests_at(ABSENT, route.operation), strict=True):
            seen, unseen = served.ask(one, token), served.ask(other, token)
            assert seen.status < 500, (one, seen)  # the server's own fault
            assert told(seen, hidden) == told(unseen, ABSENT), (one, other)
    assert heads(served.world) == before


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.method != "GET"], ids=lambda route: route.operation
)
def test_over_http_too_a_token_for_reading_changes_nothing(served: Served, route: Route) -> None:
    before = heads(served.world)
    for asked in requests_at(served.world.places["open"], route.operation):
        got = served.ask(asked, served.world.texts["reader"])
        assert got.status in {403, 404} or route.operation == "namespace.open", (asked, got)
    assert heads(served.world) == before
