"""The door for whoever runs the server: is it alive, does its database answer, and what did it do so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.types import ASGIApp

from stemma.access import Permission, require
from stemma.http.answers import Answer
from stemma.http.routes import Exchange, Route
from stemma.names import SYSTEM_NAMESPACE

_ALIVE = b'{"status":"ok"}'
_FIGURES = b"text/plain; version=0.0.4; charset=utf-8"


async def _alive(_exchange: Exchange) -> ASGIApp:
    return Answer(_ALIVE)


async def _ready(exchange: Exchange) -> ASGIApp:
    """Answer where the database does; UnavailableError becomes a 503."""
    await exchange.read(lambda tx: tx.registry.namespaces.page("", 1))
    return Answer(_ALIVE)


async def _figures(exchange: Exchange, figures: Callable[[], bytes]) -> ASGIApp:
    caller = await exchange.authenticate()
    await exchange.read(lambda tx: require(tx, caller, Permission.AUDIT, SYSTEM_NAMESPACE))
    return Answer(await exchange.in_thread(figures), media_type=_FIGURES)


@dataclass(frozen=True, slots=True)
class HealthDoor:
    """`/healthz` and `/readyz`, which tell nothing and ask for no token, and `/metrics` for who may audit."""

    routes: Sequence[Route]
    name: str = "health"

    def stop(self) -> None:
        """Nothing goes on beside requests."""


def open_health(figures: Callable[[], bytes]) -> HealthDoor:
    """Return the door; `figures` returns the text of Prometheus."""
    answer = partial(_figures, figures=figures)
    return HealthDoor(
        (
            Route("GET", "/healthz", None, "health.alive", _alive, public=True, description=_said("It is alive.")),
            Route(
                "GET", "/readyz", None, "health.ready", _ready, public=True, description=_said("Its database answers.")
            ),
            Route("GET", "/metrics", Permission.AUDIT, "health.figures", answer, description=_TEXT),
        )
    )


def _said(summary: str) -> dict[str, object]:
    schema = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {"application/json": {"schema": schema}}}},
    }


_TEXT = {
    "summary": "What was counted, in the text format of Prometheus.",
    "responses": {"200": {"description": "Figures.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
}
