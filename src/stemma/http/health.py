"""The door for whoever runs the server: is it alive, does its database answer, and what did it do so far."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from stemma.http.answers import Answer
from stemma.http.routes import Exchange, Route

_ALIVE = b'{"status":"ok"}'


async def _alive(_exchange: Exchange) -> ASGIApp:
    return Answer(_ALIVE)


async def _ready(exchange: Exchange) -> ASGIApp:
    """Answer where the database does; UnavailableError becomes a 503."""
    await exchange.read(lambda tx: tx.registry.namespaces.page("", 1))
    return Answer(_ALIVE)


@dataclass(frozen=True, slots=True)
class HealthDoor:
    """`/healthz` and `/readyz`, which tell nothing and ask for no token."""

    name: str = "health"
    routes: Sequence[Route] = (
        Route("GET", "/healthz", None, "health.alive", _alive, public=True),
        Route("GET", "/readyz", None, "health.ready", _ready, public=True),
    )
