"""The document that describes the server: `/openapi.json`, OpenAPI 3.1, made from the table of operations.

Schemas are those that msgspec makes of requests and views, so that what is checked and what is described are one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

import msgspec
from starlette.types import ASGIApp

from stemma.http.answers import answer_tagged
from stemma.http.problems import Problem
from stemma.http.routes import Exchange, Route
from stemma.operations import AnyOperation

_TEMPLATE = "#/components/schemas/{name}"
_JSON = "application/json"
_PROBLEMS = {
    status: {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}},
    }
    for status, description in (
        ("4XX", "The request is refused; `code` says why."),
        ("5XX", "The server cannot answer; trying again may help where it is a 503."),
    )
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeats of a change with the same key, within a day, get the same answer, and happen once.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,128}$"},
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of `stemma token create`."},
    "password": {"type": "http", "scheme": "basic", "description": "The token as password, with any name."},
}
_EXAMPLES: Mapping[str, Any] = {
    "model": "bank/loans",
    "reference": "bank/loans@production",
    "start": "bank/loans@production",
    "ancestor": "bank/loans@v1",
    "namespace": "bank",
    "alias": "production",
    "branch": "main",
    "selector": "v1",
    "what": "Trained on the data of March",
    "reason": "Approved by the model risk board",
    "manifest": f"sha256:{'0' * 64}",
    "metrics": [{"name": "auc", "value": 0.81}],
    "set": {"stage": "test"},
    "principal": "ada",
    "role": "reader",
    "name": "ada",
    "token": "0" * 24,
    "title": "Loans",
}
"""What members look like, by name; a request whose required members are all here has an example."""
Json = dict[str, Any]


def document_of(operations: Sequence[AnyOperation], routes: Iterable[Route]) -> Json:
    """Return the document that describes `routes`, with the schemas of `operations`."""
    kinds = [kind for operation in operations for kind in (operation.request, operation.response)]
    _, schemas = msgspec.json.schema_components([*kinds, Problem], ref_template=_TEMPLATE)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path.replace(":path}", "}"), {})[route.method.lower()] = _described(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stemma",
            "version": version("stemma-ml"),
            "summary": "Versions, lineage and releases of machine-learning models.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
        "security": [{"token": []}, {"password": []}],
    }


def _described(route: Route) -> Json:
    described: Json = {"operationId": route.operation, **route.description}
    described["responses"] = {**described.get("responses", {"200": {"description": "Done."}}), **_PROBLEMS}
    if route.public:
        described["security"] = []
    if route.permission is not None:
        described["x-permission"] = str(route.permission)
    return described


def describe(operation: AnyOperation) -> Json:
    """Return what the document says of one operation."""
    answer = {_JSON: {"schema": {"$ref": _TEMPLATE.format(name=operation.response.__name__)}}}
    asked, answered = (cleandoc(kind.__doc__ or "") for kind in (operation.request, operation.response))
    ok: Json = {"description": answered, "content": answer}
    described: Json = {
        "summary": operation.says,
        "description": asked,
        "tags": [operation.name.partition(".")[0]],
        "responses": {"200": ok},
    }
    if operation.writes:
        content: Json = {"schema": {"$ref": _TEMPLATE.format(name=operation.request.__name__)}}
        required = _schema_of(operation).get("required", ())
        if set(required) <= _EXAMPLES.keys():
            content["example"] = {name: _EXAMPLES[name] for name in required}
        return described | {"requestBody": {"required": True, "content": {_JSON: content}}, "parameters": [_KEY]}
    ok["headers"] = {"ETag": {"description": "Changes with the answer.", "schema": {"type": "string"}}}
    described["responses"]["304"] = {"description": "As `If-None-Match` says, the caller has it."}
    return described | {"parameters": _parameters(operation)}


def _parameters(operation: AnyOperation) -> list[Json]:
    schema = _schema_of(operation)
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _in_query(shape)}
        | ({"example": _EXAMPLES[name]} if name in required and name in _EXAMPLES else {})
        for name, shape in schema["properties"].items()
    ]


def _schema_of(operation: AnyOperation) -> Mapping[str, Any]:
    _, components = msgspec.json.schema_components([operation.request], ref_template=_TEMPLATE)
    schema: Mapping[str, Any] = components[operation.request.__name__]
    return schema


def _in_query(shape: Json) -> Json:
    """Return the schema of a parameter: one that is absent is null, so null itself is not written."""
    shape = {name: value for name, value in shape.items() if not (name == "default" and value in (None, []))}
    options = [option for option in shape.pop("anyOf", ()) if option != {"type": "null"}]
    return options[0] | shape if len(options) == 1 else shape | ({"anyOf": options} if options else {})


def document_route(document: Json) -> Route:
    """Return the route that shows the document to anybody."""
    text = json.dumps(document, separators=(",", ":")).encode()
    return Route("GET", "/openapi.json", None, "openapi", partial(_show, text=text), public=True, description=_ITSELF)


async def _show(exchange: Exchange, text: bytes) -> ASGIApp:
    answer = answer_tagged(text, exchange.headers.get(b"if-none-match"))
    answer.cache = b"public, max-age=60"
    return answer


_ITSELF: Json = {
    "summary": "This document.",
    "responses": {"200": {"description": "OpenAPI 3.1.", "content": {_JSON: {"schema": {"type": "object"}}}}},
}
