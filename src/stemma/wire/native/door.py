"""The native door: every operation, the routes of bytes, and the document that describes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from stemma.http.routes import Route
from stemma.operations import TABLE
from stemma.wire.native.routes import route_of


@dataclass(frozen=True, slots=True)
class NativeDoor:
    """The protocol of Stemma's own client; `bytes_routes` carry files, outside the table."""

    routes: Sequence[Route]
    name: str = "native"


def open_native(byte_routes: Sequence[Route] = ()) -> NativeDoor:
    """Return the door with a route for each operation."""
    return NativeDoor((*(route_of(operation, {}) for operation in TABLE), *byte_routes))
