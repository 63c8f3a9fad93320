"""The native door: every operation, the routes of bytes, and the document that describes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from stemma.http.routes import Route
from stemma.operations import TABLE
from stemma.wire.native.openapi import describe, document_of, document_route
from stemma.wire.native.routes import route_of


@dataclass(frozen=True, slots=True)
class NativeDoor:
    """The protocol of Stemma's own client."""

    routes: Sequence[Route]
    name: str = "native"


def open_native(byte_routes: Sequence[Route] = ()) -> NativeDoor:
    """Return the door with a route for each operation, and with `byte_routes`, which carry files."""
    routes = (*(route_of(operation, describe(operation)) for operation in TABLE), *byte_routes)
    return NativeDoor((*routes, document_route(document_of(TABLE, routes))))
