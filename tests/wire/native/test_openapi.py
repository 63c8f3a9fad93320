"""The document describes every route, and a stranger who believes it finds no bug and no broken promise."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stemma.operations import TABLE, AnyOperation
from stemma.wire.native.door import open_native
from tests.http.asking import ask
from tests.wire.native import reference
from tests.wire.native.conftest import Served

EXAMPLES = 12
CHECKS = """
    not_a_server_error status_code_conformance content_type_conformance response_headers_conformance
    response_schema_conformance negative_data_rejection unsupported_method ignored_auth
    """.split()


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    """Return the document that the server shows."""
    got = ask(served.url, "/openapi.json")
    assert got.headers["cache-control"] == "public, max-age=60"
    shown: dict[str, Any] = got.json
    return shown


def every(value: object, name: str) -> list[Any]:
    """Return all members called `name`, at any depth."""
    match value:
        case dict():
            mine = [value[name]] if name in value else []
            return mine + [found for each in value.values() for found in every(each, name)]
        case list():
            return [found for each in value for found in every(each, name)]
        case _:
            return []


def test_it_is_openapi_3_1_and_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    links = every(document, "$ref")
    assert links
    for link in links:
        name = link.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"], link


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: str(operation.name))
def test_every_operation_is_described(document: dict[str, Any], operation: AnyOperation) -> None:
    described = document["paths"][f"/api/v1{operation.path}"][operation.method.lower()]
    assert described["operationId"] == operation.name
    assert described["summary"].endswith(".")
    assert described["responses"].keys() >= {"200", "4XX", "5XX"}
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert answer.endswith(f"/{operation.response.__name__}")
    if operation.writes:
        body = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert document["components"]["schemas"][body.rpartition("/")[2]]["additionalProperties"] is False
        assert [parameter["name"] for parameter in described["parameters"]] == ["Idempotency-Key"]


def test_every_route_but_its_own_is_described(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = [route for route in open_native().routes if route.path != "/openapi.json"]
    assert described == {(route.method, re.sub(r":path}", "}", route.path)) for route in routes}


def test_the_reference_lists_every_route() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.text(), "run python -m tests.wire.native.reference"


def test_names_of_operations_are_unique(document: dict[str, Any]) -> None:
    names = every(document["paths"], "operationId")
    assert len(names) == len(set(names))


def test_there_is_an_operation_called_resolve(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/v1/resolve"]["get"]["operationId"] == "resolve"


@pytest.mark.slow
@pytest.mark.client
def test_schemathesis_finds_no_bug_and_no_broken_promise(guarded: Served, tmp_path: Path) -> None:
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{guarded.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {guarded.token}"),
        *("--checks", ",".join(CHECKS)),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--phases", "examples,coverage,fuzzing", "--workers", "2"),
        *("--report", "junit", "--report-dir", str(tmp_path), "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + json.dumps(command)
