"""Three server processes on one database: names move as if there were one server, and no version is lost."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stemma.client import Repository
from tests.databases import KINDS
from tests.http.asking import ask
from tests.http.test_serve import started
from tests.processes.history import NOTHING, Call, is_linearizable

SERVERS, CLIENTS, ROUNDS, ALIASES = 3, 6, 40, 8
MODEL = "bank/loans"


@dataclass
class Recorder:
    """The calls on each alias."""

    calls: dict[str, list[Call]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, alias: str, call: Call) -> None:
        with self.lock:
            self.calls.setdefault(alias, []).append(call)


@dataclass(frozen=True)
class Client:
    """Somebody who reads, sets and swaps aliases at one server after the other, and remembers what they were told."""

    urls: list[str]
    digests: list[str]
    recorder: Recorder
    seed: int

    def run(self) -> None:
        generator = random.Random(self.seed)
        held: dict[str, str] = {}
        for _ in range(ROUNDS):
            alias = f"a{generator.randrange(ALIASES)}"
            url, value = generator.choice(self.urls), generator.choice(self.digests)
            kind = generator.choice(["read", "write", "swap", "swap"])
            began = time.monotonic()
            if kind == "read":
                held[alias] = value = self.read(url, alias)
                call = Call("read", value, began, time.monotonic())
            else:
                expected = held.get(alias, NOTHING) if kind == "swap" else NOTHING
                refused = not self.move(url, alias, value, expected if kind == "swap" else None)
                call = Call(kind, value, began, time.monotonic(), expected, refused)
                if not refused:
                    held[alias] = value
            self.recorder.add(alias, call)

    def read(self, url: str, alias: str) -> str:
        got = ask(url, "/api/v1/resolve", query={"reference": f"{MODEL}@{alias}"})
        assert got.status in {200, 404}, got
        return str(got.json["digest"]) if got.status == 200 else NOTHING

    def move(self, url: str, alias: str, value: str, expected: str | None) -> bool:
        body = {"model": MODEL, "alias": alias, "selector": value}
        if expected is not None:
            body["expected"] = "none" if expected == NOTHING else expected
        got = ask(url, "/api/v1/alias", method="PUT", body=body)
        assert got.status in {200, 409}, got
        return got.status == 200


@pytest.fixture
def servers(repository: Path) -> Iterator[list[str]]:
    """Run three servers on the repository."""
    with ExitStack() as stack:
        yield [stack.enter_context(started(repository, "--log-requests", "no")).url for _ in range(SERVERS)]


@pytest.mark.slow
def test_names_move_as_if_there_were_one_server(repository: Path, servers: list[str]) -> None:
    with Repository.open(repository) as opened:
        digests = [version.digest for version in opened.versions(MODEL)]
    recorder = Recorder()
    clients = [Client(servers, digests, recorder, seed) for seed in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client.run) for client in clients]:
            done.result()
    assert sum(map(len, recorder.calls.values())) == CLIENTS * ROUNDS
    moved = 0
    for alias, calls in recorder.calls.items():
        assert is_linearizable(calls), (alias, sorted(calls, key=lambda call: call.began))
        moved += sum(call.kind != "read" and not call.refused for call in calls)
    assert any(call.refused for calls in recorder.calls.values() for call in calls)
    with Repository.open(repository) as opened:
        history = [move for alias in recorder.calls for move in opened.aliases.history(MODEL, alias)]
        assert 0 < len(history) <= moved  # setting what is held already changes nothing
        assert opened.database.check() == ()
        opened.audit.verify()


@pytest.mark.slow
def test_versions_are_registered_without_gap_or_loss(repository: Path, servers: list[str]) -> None:
    with Repository.open(repository) as opened:
        before = opened.show(f"{MODEL}@latest")

    def register(number: int) -> str:
        body = {"model": MODEL, "manifest": before.manifest, "what": f"version {number}"}
        got = ask(servers[number % SERVERS], "/api/v1/versions", method="POST", body=body)
        assert got.status == 200, got
        return str(got.json["version"]["digest"])

    with ThreadPoolExecutor(CLIENTS) as pool:
        acknowledged = list(pool.map(register, range(120)))
    with Repository.open(repository) as opened:
        versions = list(opened.versions(MODEL))
        assert [version.sequence for version in versions] == list(range(before.sequence + 120, 0, -1))
        assert set(acknowledged) <= {version.digest for version in versions}
        assert len({version.number for version in versions}) == len(versions)
        assert opened.database.check() == ()
        assert opened.database.rebuild().differences == ()


@pytest.fixture(params=KINDS)
def repository(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository with a few versions, on each kind of database."""
    database = None
    if request.param == "postgresql":
        database = str(request.getfixturevalue("postgresql").empty())
        monkeypatch.setenv("STEMMA_DATABASE_URL", database)
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights.bin").write_bytes(b"weights")
    root = tmp_path / "repository"
    with Repository.init(root, database=database) as made:
        for number in range(5):
            made.push(MODEL, source, message=f"version {number}")
    return root
