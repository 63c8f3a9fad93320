"""Every operation has a route that answers, with what the operation answers in this process."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from stemma.access import Permission
from stemma.http.application import check_permissions
from stemma.operations import TABLE, AnyOperation
from stemma.wire.native.door import NativeDoor, open_native
from tests.http.asking import ask, connect
from tests.wire.native.conftest import MODEL, Served

PREFIX = "/api/v1"
WRITES = [operation for operation in TABLE if operation.writes]
READS = [operation for operation in TABLE if not operation.writes]


def name(operation: AnyOperation) -> str:
    return operation.name


@pytest.mark.parametrize("operation", READS, ids=name)
def test_every_reading_operation_is_answered(served: Served, operation: AnyOperation) -> None:
    got = ask(served.url, PREFIX + operation.path, query={"no_such_parameter": 1})
    assert (got.status, got.code) == (400, "invalid")
    assert got.json["place"] == "no_such_parameter"


@pytest.mark.parametrize("operation", WRITES, ids=name)
def test_every_changing_operation_is_answered(served: Served, operation: AnyOperation) -> None:
    got = ask(served.url, PREFIX + operation.path, method=operation.method, body={"no_such_member": 1})
    assert (got.status, got.code) == (400, "invalid")


@pytest.mark.parametrize("operation", TABLE, ids=name)
def test_every_operation_asks_for_a_token_where_there_are_users(guarded: Served, operation: AnyOperation) -> None:
    body: object = None if operation.method == "GET" else {}
    for headers in ({}, {"Authorization": "Bearer stm_" + "0" * 24 + "_" + "0" * 64}, {"Authorization": "Bearer x"}):
        got = ask(guarded.url, PREFIX + operation.path, method=operation.method, body=body, headers=headers)
        if operation.writes or got.status != 400:  # a query that is wrong is told so to anybody, and nothing else is
            assert (got.status, got.code) == (401, "unauthenticated")


def test_a_stranger_cannot_send_much(guarded: Served) -> None:
    head = b"POST /api/v1/exchange/entries HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connect(guarded.url) as peer:
        peer.sendall(head + b"Content-Length: 60000000\r\n\r\n" + b" " * 1000)
        assert peer.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_the_answer_is_the_view(served: Served) -> None:
    got = ask(served.url, f"{PREFIX}/resolve", query={"reference": f"{MODEL}@production"})
    assert got.status == 200
    assert got.headers["content-type"] == "application/json"
    assert got.json["digest"] == served.digest
    assert got.json["manifest"] == served.manifest


def test_a_change_is_made_and_seen(served: Served) -> None:
    asked = {
        "model": MODEL,
        "manifest": served.manifest,
        "what": "Again",
        "labels": {"stage": "test"},
        "metrics": [{"name": "auc", "value": 0.8}],
        "params": {"depth": 3, "rate": 0.1, "seed": "9007199254740993"},
    }
    got = ask(served.url, f"{PREFIX}/versions", method="POST", body=asked)
    assert got.status == 200, got
    assert got.headers["cache-control"] == "no-store"
    reference = got.json["version"]["reference"]
    shown = ask(served.url, f"{PREFIX}/version", query={"reference": reference}).json
    assert shown["labels"] == {"stage": "test"}
    assert shown["message"]["what"] == "Again"
    assert shown["metrics"][0]["value"] == 0.8


def test_what_is_not_there_is_a_problem(served: Served) -> None:
    for path in "/ // /%2e%2e/ /api/v1 /api/v1/ /api/v1/resolve/ /api/v1/../resolve /api/v2/resolve".split():
        got = ask(served.url, path)
        assert (got.status, got.code) == (404, "not_found"), path


def test_other_methods_are_a_problem_that_lists_the_right_ones(served: Served) -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        got = ask(served.url, f"{PREFIX}/resolve", method=method)
        assert (got.status, got.code) == (405, "invalid"), method
        assert got.headers["allow"] == "GET, HEAD, OPTIONS"


def test_options_tells_the_methods_and_opens_nothing(served: Served) -> None:
    got = ask(served.url, f"{PREFIX}/versions", method="OPTIONS", headers={"Access-Control-Request-Method": "POST"})
    assert (got.status, got.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert not any(header.startswith("access-control") for header in got.headers)
    assert ask(served.url, "/nowhere", method="OPTIONS").status == 404


def test_head_is_get_without_a_body(served: Served) -> None:
    query = {"reference": MODEL}
    whole = ask(served.url, f"{PREFIX}/resolve", query=query)
    got = ask(served.url, f"{PREFIX}/resolve", query=query, method="HEAD")
    assert (got.status, got.body) == (200, b"")
    assert got.headers["content-length"] == str(len(whole.body))
    assert got.headers["etag"] == whole.headers["etag"]
    assert ask(served.url, f"{PREFIX}/resolve", method="HEAD").status == 400


def test_every_answer_says_that_it_is_what_it_says(served: Served) -> None:
    for path in (f"{PREFIX}/resolve?reference={MODEL}", "/nowhere", "/healthz", "/openapi.json"):
        headers = ask(served.url, path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in headers
        assert headers["x-request-id"]


def test_a_request_keeps_its_id_where_it_is_harmless(served: Served) -> None:
    got = ask(served.url, "/nowhere", headers={"X-Request-Id": "trace-1.2_3"})
    assert got.headers["x-request-id"] == got.json["request"] == "trace-1.2_3"
    for given in ("a b", "a\tb", "x" * 65, "ä", ""):
        assert ask(served.url, "/nowhere", headers={"X-Request-Id": given}).headers["x-request-id"] != given


def test_entity_tags_spare_what_is_known(served: Served) -> None:
    query = {"model": MODEL}
    first = ask(served.url, f"{PREFIX}/model", query=query)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    assert first.headers["cache-control"] == "private, no-cache"
    for given in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        got = ask(served.url, f"{PREFIX}/model", query=query, headers={"If-None-Match": given})
        assert (got.status, got.body, got.headers["etag"]) == (304, b"", tag)
    ask(served.url, f"{PREFIX}/title", method="PUT", body={"model": MODEL, "title": "Loans"})
    got = ask(served.url, f"{PREFIX}/model", query=query, headers={"If-None-Match": tag})
    assert got.status == 200
    assert got.headers["etag"] != tag


def test_tokens_come_as_bearer_or_as_password(guarded: Served) -> None:
    basic = base64.b64encode(f"anybody:{guarded.token}".encode()).decode()
    for scheme in (f"Bearer {guarded.token}", f"bearer {guarded.token}", f"Basic {basic}", f"BASIC {basic}"):
        got = ask(guarded.url, f"{PREFIX}/whoami", headers={"Authorization": scheme})
        assert (got.status, got.json.get("name")) == (200, "ada")


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer ", "Basic", "Basic !!!", "Basic YQ==", "Digest x", "Negotiate x", "stm_x"),
        *("Bearer stm_", "Bearer null", f"Bearer {'x' * 5000}", f"Bearer stm_{'a' * 24}_{'b' * 64}"),
    ],
)
def test_what_is_no_token_is_refused_alike(guarded: Served, header: str) -> None:
    got = ask(guarded.url, f"{PREFIX}/whoami", headers={"Authorization": header})
    assert (got.status, got.code) == (401, "unauthenticated")
    assert got.headers["www-authenticate"] == 'Bearer realm="stemma"'


def test_a_token_that_was_revoked_is_refused_at_once(guarded: Served) -> None:
    made = ask(guarded.url, f"{PREFIX}/tokens", method="POST", body={}, headers=guarded.headers).json
    mine = {"Authorization": f"Bearer {made['secret']}"}
    assert ask(guarded.url, f"{PREFIX}/whoami", headers=mine).status == 200
    token = {"token": made["token"]["id"]}
    assert ask(guarded.url, f"{PREFIX}/token", method="DELETE", body=token, headers=guarded.headers).status == 200
    assert ask(guarded.url, f"{PREFIX}/whoami", headers=mine).status == 401


def test_health_asks_for_no_token_and_figures_do(guarded: Served, served: Served) -> None:
    for server in (guarded, served):
        assert ask(server.url, "/healthz").json == ask(server.url, "/readyz").json == {"status": "ok"}
    assert ask(guarded.url, "/metrics").status == 401
    for server in (guarded, served):
        ask(server.url, "/nowhere", headers=server.headers)
        got = ask(server.url, "/metrics", headers=server.headers)
        assert got.status == 200
        text = got.body.decode()
        assert 'stemma_http_requests_total{operation="health.alive",status="200"}' in text
        assert 'stemma_http_requests_total{operation="unknown",status="404"}' in text
        assert "stemma_resident_bytes" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"public": True, "permission": Permission.READ}, "is public and asks for read"),
        ({"permission": None, "operation": "content.read"}, "declares no permission"),
        ({"permission": None}, "asks for None, and its operation for read"),
        ({"permission": Permission.AUDIT}, "asks for audit, and its operation for read"),
        ({"public": True, "permission": None}, "asks for None, and its operation for read"),
    ],
)
def test_a_route_that_does_not_say_what_it_needs_ends_the_start(change: dict[str, Any], said: str) -> None:
    resolve = next(route for route in open_native().routes if route.operation == "resolve")
    check_permissions([NativeDoor([resolve])])
    with pytest.raises(TypeError, match=said):
        check_permissions([NativeDoor([replace(resolve, **change)])])


def test_problems_are_json_as_their_type_says(served: Served) -> None:
    got = ask(served.url, f"{PREFIX}/resolve", query={"reference": "bank/nothing@production"})
    assert json.loads(got.body)["type"] == "urn:stemma:problem:not_found"
    assert got.headers["cache-control"] == "no-store"
