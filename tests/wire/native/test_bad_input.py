"""What a hostile world sends: clear problems, bounded time, no change of state."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from stemma.operations import TABLE, AnyOperation
from tests.faults import SOON
from tests.http.asking import Got, ask
from tests.wire.native.conftest import MODEL, Served

WRITES = [operation for operation in TABLE if operation.writes]


def short(value: object) -> str:
    return ascii(value)[:60]


def post(served: Served, path: str, body: object, method: str = "POST") -> Got:
    begun = time.monotonic()
    got = ask(served.url, f"/api/v1{path}", method=method, body=body)
    assert time.monotonic() - begun < SOON
    return got


def state(root: Path) -> tuple[int, int]:
    """Return how many entries all logs hold, and how many records there are."""
    with closing(sqlite3.connect(root / ".stemma" / "stemma.db")) as database:
        entries, records = (
            database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608  # two names
            for name in ("entries", "records")
        )
        return entries, records


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: str(operation.name))
def test_hostile_bodies_are_refused_by_every_change_and_change_nothing(served: Served, operation: AnyOperation) -> None:
    before = state(served.root)
    for body in (
        b"[" * 100_000,
        b'{"model":' * 100_000,
        b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model": "bank/loans", "model": "bank/loans"}',
        b'{"model": NaN}',
        b'{"model": 1%s}' % (b"0" * 100_000),
        b'{"model": "\\ud800"}',
        b'{"model": "\xff"}',
        b"null",
        b"",
        b"{",
        b'{"approved_by": "me"}',
        b'{"__class__": "Register", "__proto__": {}}',
    ):
        got = post(served, operation.path, body, operation.method)
        assert (got.status, got.code) == (400, "invalid"), body[:80]
        assert len(got.body) < 2000
    assert state(served.root) == before


def registration(served: Served, **more: object) -> dict[str, object]:
    return {"model": MODEL, "manifest": served.manifest, "what": "x", **more}


@pytest.mark.parametrize(
    "more",
    [
        {"namespace": "other"},
        {"approved_by": "me"},
        {"metrics": [{"name": "auc", "value": 1, "approved_by": "me"}]},
        {"metrics": [{"name": "auc", "value": "a lot"}]},
        {"metrics": [{"name": "auc", "value": None}]},
        {"metrics": [{"name": "auc", "value": {}}]},
        {"metrics": [{"name": "auc", "value": True}]},
        {"params": {"a": {}}},
        {"params": {"a": [1]}},
        {"params": {"seed": 2**63}},
        {"parents": [{"origin": "bank/loans@production", "kind": "adopts"}]},
        {"parents": ["bank/loans@production"]},
        {"labels": {"a": 1}},
        {"labels": []},
        {"what": 1},
        {"what": ""},
        {"what": "a\0b"},
        {"model": "bank/../loans"},
        {"model": "bank\n/loans"},
        {"model": "BANK/loans"},
        {"model": "bank/" + "a" * 10_000},
        {"model": "../loans"},
        {"manifest": "sha256:" + "0" * 63},
        {"manifest": "md5:" + "0" * 32},
        {"number": "1.0"},
        {"number": "1.0.0'; DROP TABLE versions; --"},
        {"branch": "latest"},
        {"branch": "../main"},
    ],
    ids=short,
)
def test_registrations_that_are_wrong_are_refused(served: Served, more: dict[str, object]) -> None:
    before = state(served.root)
    got = post(served, "/versions", registration(served, **more))
    assert 400 <= got.status < 500
    assert got.code in {"invalid", "not_found"}
    assert state(served.root) == before


def test_floods_are_refused(served: Served) -> None:
    before = state(served.root)
    for more in (
        {"metrics": [{"name": f"m{number}", "value": number} for number in range(20_000)]},
        {"params": {f"p{number}": number for number in range(40_000)}},
        {"labels": {f"l{number}": "x" for number in range(40_000)}},
        {"parents": [{"origin": MODEL}] * 20_000},
        {"what": "x" * 900_000},
        {"what": "x" * 2_000_000},
    ):
        got = post(served, "/versions", registration(served, **more))
        assert got.status in {400, 413}, got
        assert got.code in {"invalid", "too_large"}
    assert state(served.root) == before


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "1000000000"},
        {"limit": "1.5"},
        {"limit": "9" * 400},
        {"token": ""},
        {"token": "x"},
        {"token": "eyJwIjoxfQ.AAAA"},
        {"token": "A" * 20_000},
        {"label": "a' OR '1'='1"},
        {"label": "%_=%"},
        {"namespace": "bank"},
    ],
    ids=short,
)
def test_listings_that_are_wrong_are_refused(served: Served, query: dict[str, str]) -> None:
    got = ask(served.url, "/api/v1/versions", query={"model": MODEL, **query})
    assert (got.status, got.code) == (400, "invalid")


def test_a_page_token_of_another_listing_is_refused(served: Served) -> None:
    for number in range(3):
        post(served, "/versions", registration(served, what=f"page {number}"))
    page = ask(served.url, "/api/v1/versions", query={"model": MODEL, "limit": 1}).json
    token = page["next_token"]
    assert ask(served.url, "/api/v1/versions", query={"model": MODEL, "limit": 1, "token": token}).status == 200
    for path, query in (
        ("/api/v1/versions", {"model": MODEL, "branch": "main"}),
        ("/api/v1/models", {"namespace": "bank"}),
        ("/api/v1/log", {"namespace": "bank"}),
    ):
        got = ask(served.url, path, query={**query, "token": token})
        assert (got.status, got.code) == (400, "invalid"), path
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    assert ask(served.url, "/api/v1/versions", query={"model": MODEL, "token": forged}).status == 400


@pytest.mark.parametrize(
    "reference",
    [
        *(
            "",
            "@",
            "bank/loans@",
            "bank/loans@1.2",
            "bank/loans@latest@latest",
            "bank//loans",
            "/bank/loans",
            "bank/loans?x=1",
        ),
        *("bank/loans@../../etc/passwd", "bank/loans@..%2f", "bank/loans@\0", "bank/loans@\n", "bank/loans@v0x1"),
        *("bank/loans@sha256:zz", "bank/loans@v99999999999999999999", "bank/loans@^" + "1." * 5000, "\u202ebank/loans"),
        *("bank/loans@' OR 1=1 --", "😀/loans", "bank/loans@>=1 <" * 100),
    ],
    ids=short,
)
def test_references_that_are_wrong_are_refused(served: Served, reference: str) -> None:
    got = ask(served.url, "/api/v1/resolve", query={"reference": reference})
    assert got.status in {400, 404}
    assert got.code in {"invalid", "not_found"}
    assert len(got.body) < 2000
