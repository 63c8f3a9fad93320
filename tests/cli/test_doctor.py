"""`stemma doctor`: one line for each thing that was looked at, of a folder and of a server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from stemma.app import open_folder
from stemma.client.answers import Diagnosis
from stemma.client.doctor.condition import condition
from stemma.client.doctor.place import clock, identity, skew
from stemma.client.repository import Repository
from stemma.operations.people.values import Identity, TokenView
from stemma.operations.upkeep.health import Health, JobView, LeaseView, WebhookHealth
from stemma.upkeep import Report
from tests.cli.running import Ran, stemma
from tests.serving import serving


@pytest.fixture
def place() -> str:
    """Stay in a folder; servers are examined below."""
    return "folder"


NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def states(ran: Ran) -> dict[str, set[str]]:
    found = json.loads(ran.out)
    assert {"findings", "healthy"} == found.keys()
    read: dict[str, set[str]] = {}
    for each in found["findings"]:
        assert each["state"] == "ok" or each["hint"], each
        read.setdefault(each["check"], set()).add(each["state"])
    return read


@pytest.mark.usefixtures("model")
def test_a_folder_that_is_well(folder: Path) -> None:
    ran = stemma("doctor", "--json")
    assert ran.code == 0
    found = states(ran)
    assert found["backup"] == {"warn"}
    assert {check for check, state in found.items() if state != {"ok"}} == {"backup"}
    assert stemma("backup", folder.parent / "backup").code == 0
    assert states(stemma("doctor", "--json"))["backup"] == {"ok"}
    assert "made" in stemma("doctor").out


@pytest.mark.usefixtures("model")
def test_what_asks_for_attention_and_what_fails(folder: Path) -> None:
    opened = open_folder(folder)
    executor = opened.system.executor
    executor.write(lambda tx: tx.upkeep.put(Report("webhooks", tx.now, "it broke", 5)))
    executor.write(lambda tx: tx.upkeep.claim("job webhooks", "elsewhere:1:x", tx.now - 10, tx.now - 5))
    executor.write(lambda tx: opened.system.subjects.artifacts.begin(tx, owner="u_1", namespace="bank", lease=-1))
    opened.close()
    (folder / ".stemma-1234.tmp").mkdir()
    ran = stemma("doctor", "--json")
    assert ran.code == 1
    found = states(ran)
    assert found["jobs"] == {"fail"}
    assert found["leases"] == found["uploads"] == found["leftovers"] == {"warn"}
    assert "stemma jobs run webhooks" in stemma("doctor").out
    assert stemma("jobs", "run").code == 0
    assert states(stemma("doctor", "--json"))["jobs"] == {"ok"}


@pytest.mark.usefixtures("folder")
def test_secrets_are_private_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "home" / "stemma" / "credentials.json"
    credentials.parent.mkdir(parents=True, exist_ok=True)
    credentials.write_text("{}")
    credentials.chmod(0o644)
    monkeypatch.setenv("STEMMA_KEY_PASSPHRASE", "open sesame")
    ran = stemma("doctor", "--json")
    assert ran.code == 1
    assert "sesame" not in ran.out
    assert states(ran)["permissions"] == {"fail"}
    credentials.chmod(0o600)
    assert states(stemma("doctor", "--json"))["permissions"] == {"ok"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, str]]:
    """Run a server with an admin and a reader; return its URL and their tokens."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Repository.init(tmp_path / "served") as repository:
        repository.people.add("Ada", role="admin", namespace="*")
        repository.people.add("Rob", role="reader", namespace="*")
        tokens = [repository.tokens.create(name).secret for name in ("Ada", "Rob")]
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path / "served") as url:
        yield url, tokens[0], tokens[1]


def test_a_server_for_its_admin_for_a_reader_and_for_strangers(
    server: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, admin, reader = server
    monkeypatch.setenv("STEMMA_TOKEN", admin)
    ran = stemma("doctor", "--json", "--repo", url)
    assert ran.code == 0, ran.out
    found = states(ran)
    assert found["server"] == found["clock"] == found["identity"] == found["database"] == found["token"] == {"ok"}
    assert admin not in ran.out
    monkeypatch.setenv("STEMMA_TOKEN", reader)
    ran = stemma("doctor", "--repo", url)
    assert ran.code == 0
    assert "only admins" in ran.out
    assert "Rob" in ran.out
    monkeypatch.setenv("STEMMA_TOKEN", "stm_" + "0" * 24 + "_" + "0" * 64)
    ran = stemma("doctor", "--json", "--repo", url)
    assert ran.code == 1
    assert states(ran)["server"] == {"ok"}
    assert states(ran)["token"] == {"fail"}


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    ran = stemma("doctor", "--json", "--repo", "http://127.0.0.1:9")
    assert ran.code == 1
    assert states(ran)["server"] == {"fail"}


def health(**changed: object) -> Health:
    members: dict[str, object] = {
        "release": "1.0",
        "database": "PostgreSQL 16.4",
        "level": "0001",
        "time": "2026-03-03T12:00:00.000000Z",
        "last_entry": "2026-03-03T11:00:00.000000Z",
        "unsigned": 0,
        "backup": "2026-03-02T12:00:00.000000Z",
        "packs": 3,
        "unindexed": 0,
        "expired_uploads": 0,
        "jobs": (),
        "leases": (),
        "webhooks": (),
    }
    return Health(**{**members, **changed})  # type: ignore[arg-type]  # checked by whoever reads the test


JOB = JobView(name="uploads", ended="2026-03-03T11:59:00.000000Z", failure="no", failures=1, detail="")
LEASE = LeaseView(name="job x", holder="a:1:b", expires="2026-03-03T11:00:00.000000Z", expired=True)
HOOK = WebhookHealth(webhook="bank/0", host="hooks.example.com", active=True, pending=0, dead=2)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"jobs": (JOB,)}, {"jobs": "warn"}),
        ({"jobs": (JobView(name="x", ended="", failure="no", failures=3, detail=""),)}, {"jobs": "fail"}),
        ({"leases": (LEASE,)}, {"leases": "warn"}),
        ({"webhooks": (HOOK,)}, {"webhooks": "warn"}),
        ({"unsigned": 4}, {"log": "warn"}),
        ({"unsigned": 4, "last_entry": "2026-03-03T11:59:59.000000Z"}, {}),
        ({"unindexed": 1}, {"packs": "warn"}),
        ({"expired_uploads": 1}, {"uploads": "warn"}),
        ({"backup": None}, {"backup": "warn"}),
        ({"backup": None, "packs": 0}, {}),
        ({"backup": "2026-02-01T12:00:00.000000Z"}, {"backup": "warn"}),
    ],
)
def test_what_admins_are_told(changed: dict[str, object], expected: dict[str, str]) -> None:
    found = {each.check: each.state for each in condition(health(**changed), 1.0) if each.state != "ok"}
    assert found == expected


@pytest.mark.parametrize(("apart", "state"), [(0, "ok"), (59, "ok"), (61, "warn"), (-3600, "warn")])
def test_the_clock_of_a_server(apart: int, state: str) -> None:
    there = format_datetime(datetime.fromtimestamp(NOW.timestamp() + apart, UTC), usegmt=True)
    assert [each.state for each in skew({"date": there}, NOW.timestamp())] == [state]
    assert list(skew({}, 0)) == []
    assert list(skew({"date": "yesterday"}, 0)) == []


@pytest.mark.parametrize(
    ("expires", "expected"),
    [("2026-03-03T11:59:00Z", "fail"), ("2026-03-10T12:00:00Z", "warn"), ("2026-06-03T12:00:00Z", "ok")],
)
def test_a_token_that_ends(expires: str, expected: str) -> None:
    token = TokenView(
        id="1",
        principal="u_1",
        name="Ada",
        namespaces=("bank",),
        roles=None,
        note=None,
        issued="2026-01-01T00:00:00Z",
        expires=expires,
        state="live",
    )
    who = Identity(id="u_1", name="Ada", kind="user", authentication="token", owner=False, roles=(), token=token)
    first, second = identity(who, NOW)
    assert "in bank" in first.detail
    assert second.state == expected


def test_entries_from_the_future() -> None:
    assert [each.state for each in clock("2026-03-03T13:00:00.000000Z", NOW)] == ["fail"]
    assert [each.state for each in clock("2026-03-03T12:00:30.000000Z", NOW)] == ["ok"]
    assert [each.state for each in clock(None, NOW)] == ["ok"]


def test_the_answer_is_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stemma("doctor", "--json").read(Diagnosis).healthy
