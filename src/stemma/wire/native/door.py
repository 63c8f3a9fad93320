"""The native door: every operation, the routes of bytes, and the document that describes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stemma.http.routes import Route
from stemma.operations import TABLE
from stemma.wire.native.content import ContentDoor
from stemma.wire.native.exports import EXPORT
from stemma.wire.native.openapi import describe, document_of, document_route
from stemma.wire.native.routes import route_of
from stemma.wire.native.uploads import UploadDoor


@dataclass(frozen=True, slots=True)
class NativeDoor:
    """The protocol of Stemma's own client."""

    routes: Sequence[Route]
    name: str = "native"

    stop: Callable[[], None] = lambda: None
    """Ends, soon, what goes on when the server ends."""


def open_native() -> NativeDoor:
    """Return the door with a route for each operation, and with those that carry files."""
    uploads, content = UploadDoor(), ContentDoor()
    operations = (route_of(operation, describe(operation)) for operation in TABLE)
    routes = (*operations, EXPORT, *uploads.routes, *content.routes)
    return NativeDoor((*routes, document_route(document_of(TABLE, routes))), stop=uploads.commits.stop)
