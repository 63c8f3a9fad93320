"""Exports of all logs over HTTP: a stream of JSON lines, `{"path": …, "data": base64}`, one for each static file.

Whoever asks must be able to audit every log, since an export without one proves nothing of it. The ends of all logs
are signed first.
"""

import base64
import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp

from stemma.access import EVERYWHERE, Caller, Permission, require
from stemma.http.routes import Exchange, Route
from stemma.ledger.evidence.export import export
from stemma.operations import Transaction
from stemma.system import System
from stemma.wire.native.routes import PREFIX

MEDIA_TYPE = "application/x-ndjson"
_IN_MEMORY = 8 << 20
_PORTION = 1 << 18


async def _answer(exchange: Exchange) -> ASGIApp:
    caller = await exchange.runner.authenticate(exchange)
    await exchange.read(lambda tx: _require(tx, caller))
    system = exchange.runner.system
    await exchange.in_thread(system.sign)
    file, size = await exchange.in_thread(_spool, system, caller)
    headers = {"content-length": str(size), "cache-control": "no-store"}
    return StreamingResponse(_portions(file), media_type=MEDIA_TYPE, headers=headers)


def _require(tx: Transaction, caller: Caller) -> None:
    require(tx, caller, Permission.AUDIT, EVERYWHERE)


def _spool(system: System, caller: Caller) -> tuple[IO[bytes], int]:
    """Write the export to a file that nobody else sees, and return it with its size."""
    signers = system.signers()
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # whoever sends it closes it

    def step(tx: Transaction) -> None:
        _require(tx, caller)
        file.seek(0)
        file.truncate()
        for path, data in export(tx, system.subjects.ledger.repository, signers):
            file.write(msgspec.json.encode({"path": path, "data": base64.b64encode(data).decode()}) + b"\n")

    try:
        system.executor.read(step)
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, size


def _portions(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while data := file.read(_PORTION):
            yield data


EXPORT = Route(
    "GET",
    f"{PREFIX}/log/export",
    Permission.AUDIT,
    "log.export",
    _answer,
    description={
        "summary": "Export all logs as static files that prove themselves.",
        "responses": {
            "200": {
                "description": "One JSON object a line: the path of a file and its bytes in base64",
                "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
            }
        },
    },
)
