"""A change with a key happens once, whoever lost its answer; another change with that key is refused."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stemma.app import create_folder, open_folder
from stemma.backends.database.transaction import SettableClock
from stemma.errors import ConflictError
from stemma.operations import BY_NAME
from stemma.operations.people.values import CreateToken
from stemma.operations.requests import OfNamespace
from stemma.operations.views import Done
from stemma.system import KEPT_FOR
from tests.http.asking import Got, ask
from tests.wire.native.conftest import MODEL, Served

OPEN = BY_NAME["namespace.open"]
START = 1_700_000_000_000_000


def register(served: Served, key: str | None, what: str, **more: object) -> Got:
    body = {"model": MODEL, "manifest": served.manifest, "what": what, **more}
    headers = {} if key is None else {"Idempotency-Key": key}
    return ask(served.url, "/api/v1/versions", method="POST", body=body, headers={**served.headers, **headers})


def count(served: Served) -> int:
    return int(ask(served.url, "/api/v1/model", query={"model": MODEL}, headers=served.headers).json["versions"])


def test_the_same_change_with_the_same_key_happens_once(served: Served) -> None:
    before = count(served)
    first = register(served, "once", "Once")
    again = register(served, "once", "Once")
    assert first.status == again.status == 200
    assert again.body == first.body
    assert count(served) == before + 1


def test_without_a_key_it_happens_twice(served: Served) -> None:
    before = count(served)
    register(served, None, "Twice")
    register(served, None, "Twice")
    assert count(served) == before + 2


def test_the_order_of_members_does_not_make_another_change(served: Served) -> None:
    first = register(served, "order", "Order", labels={"a": "1", "b": "2"})
    again = register(served, "order", "Order", labels={"b": "2", "a": "1"})
    assert again.body == first.body


def test_another_change_with_the_same_key_is_a_conflict(served: Served) -> None:
    register(served, "taken", "First")
    before = count(served)
    got = register(served, "taken", "Second")
    assert (got.status, got.code) == (409, "conflict")
    got = ask(
        served.url, "/api/v1/namespaces", method="POST", body={"namespace": "a"}, headers={"Idempotency-Key": "taken"}
    )
    assert (got.status, got.code) == (409, "conflict")
    assert count(served) == before


def test_a_change_that_failed_may_be_tried_again_with_its_key(served: Served) -> None:
    for _ in range(2):
        got = register(served, "failed", "Failed", parents=[{"origin": "bank/nothing@production"}])
        assert (got.status, got.code) == (404, "not_found")
    assert register(served, "failed", "Mended").status == 200


def test_many_at_once_with_one_key_make_one_change(served: Served) -> None:
    before = count(served)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: register(served, "rush", "Rush"), range(32)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert count(served) == before + 1


@pytest.mark.parametrize("key", ["", "x" * 129, "a\tb", "ä", "\x7f"])
def test_what_is_no_key_is_refused(served: Served, key: str) -> None:
    got = register(served, key, "No key")
    assert (got.status, got.code) == (400, "invalid")


def test_keys_belong_to_their_callers(guarded: Served) -> None:
    headers = guarded.headers
    body = {"name": "grace", "role": "admin", "namespace": "*"}
    assert ask(guarded.url, "/api/v1/users", method="POST", body=body, headers=headers).status == 200
    made = ask(guarded.url, "/api/v1/tokens", method="POST", body={"principal": "grace"}, headers=headers).json
    first = register(guarded, "shared", "Mine")
    theirs = Served(guarded.url, guarded.root, guarded.manifest, guarded.digest, made["secret"])
    other = register(theirs, "shared", "Theirs")
    assert first.status == other.status == 200
    assert first.body != other.body


def test_a_secret_is_told_once_and_not_kept(guarded: Served) -> None:
    headers = {**guarded.headers, "Idempotency-Key": "secret"}
    first = ask(guarded.url, "/api/v1/tokens", method="POST", body={}, headers=headers)
    again = ask(guarded.url, "/api/v1/tokens", method="POST", body={}, headers=headers)
    assert (first.status, again.status, again.code) == (200, 409, "conflict")
    secret = first.json["secret"].rpartition("_")[2].encode()
    for file in (guarded.root / ".stemma").glob("stemma.db*"):
        assert secret not in file.read_bytes()


def test_keys_are_forgotten_after_a_day(tmp_path: Path) -> None:
    create_folder(tmp_path)
    clock = SettableClock(START)
    folder = open_folder(tmp_path, clock=clock)
    owner, system = folder.owner("ada"), folder.system
    try:
        asked = OfNamespace(namespace="bank")
        assert system.run(OPEN, owner, asked, "k") == Done(changed=True)
        clock.advance(KEPT_FOR - 1)
        assert system.run(OPEN, owner, asked, "k") == Done(changed=True)
        with pytest.raises(ConflictError, match="another request"):
            system.run(OPEN, owner, OfNamespace(namespace="other"), "k")
        clock.advance(1)
        assert system.run(OPEN, owner, asked, "k") == Done(changed=False)
        assert system.run(OPEN, owner, asked, "k") == Done(changed=False)
        clock.advance(KEPT_FOR + 1)
        assert system.executor.write(lambda tx: tx.answers.drop(tx.now - KEPT_FOR)) == 1
        assert system.executor.read(lambda tx: tx.answers.find(owner.view, "k")) is None
    finally:
        folder.close()


def test_a_key_serves_in_this_process_too(tmp_path: Path) -> None:
    create_folder(tmp_path)
    folder = open_folder(tmp_path)
    owner, system = folder.owner("ada"), folder.system
    try:
        create = BY_NAME["token.create"]
        system.run(create, owner, CreateToken(), "t")
        with pytest.raises(ConflictError, match="told once"):
            system.run(create, owner, CreateToken(), "t")
    finally:
        folder.close()
