"""Webhooks end to end: what is entered is told, in order, at least once, signed, and retried for hours."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from stemma.access import Caller, Permission, Role, local_owner
from stemma.app import RepositoryFolder, create_folder, open_folder
from stemma.backends.database.transaction import SettableClock
from stemma.errors import (
    ConflictError,
    CorruptError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    StemmaError,
    TooLargeError,
)
from stemma.jobs import Runner, jobs_of, run
from stemma.ledger import Actor
from stemma.names import ModelName, Sequence
from stemma.records import Digest, canonical
from stemma.registry import Message, Subject, Submission, Version
from stemma.system import Transaction
from stemma.webhooks import Answer, Delivery, Rules, Webhook, WebhookName
from stemma.webhooks.outbox import MOST_PENDING
from stemma.webhooks.signing import read_secret, verify

if TYPE_CHECKING:
    from tests.postgresql import Databases

Result = TypeVar("Result")
OWNER = local_owner("u_" + "0" * 32)
NOW = 1_772_500_000_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND
LOANS = ModelName("bank", "loans")
URL = "https://hooks.example.com/in?token=hidden"


@dataclass
class Sent:
    """One attempt that a receiver saw."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads(self.body)
        return whole

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data


@dataclass
class Script:
    """A receiver that answers as it is told, 204 when it was told nothing."""

    answers: list[Answer] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, /) -> Answer:
        self.sent.append(Sent(url, dict(headers), body))
        return self.answers.pop(0) if self.answers else Answer(204)

    @property
    def types(self) -> list[object]:
        return [each.event["type"] for each in self.sent]


class World:
    """A repository in a folder with a clock that is moved by hand, and a receiver."""

    def __init__(self, root: Path, url: str | None = None) -> None:
        create_folder(root, database_url=url)
        self.url = url
        self.clock = SettableClock(NOW)
        self.root = root
        self.folder = self.open()
        self.receiver = Script()
        self.write(lambda tx: self.folder.system.subjects.registry.create_namespace(tx, OWNER, "bank"))

    def open(self) -> RepositoryFolder:
        return open_folder(self.root, database_url=self.url, clock=self.clock)

    def write(self, operation: Callable[[Transaction], Result]) -> Result:
        self.clock.advance(SECOND)
        return self.folder.system.executor.write(operation, frozenset({"_system", "bank", "lab"}))

    def add(self, *events: str, namespace: str | None = "bank", texts: bool = False) -> tuple[Webhook, str]:
        webhooks = self.folder.system.subjects.webhooks
        return self.write(lambda tx: webhooks.add(tx, OWNER, namespace, URL, events or ("*",), texts=texts))

    def register(self, text: str) -> None:
        registry = self.folder.system.subjects.registry

        def step(tx: Transaction) -> None:
            data = canonical({"files": [], "of": text})
            tx.records.put(Digest.of(data), data)
            tx.artifacts.manifests.add(Digest.of(data), LOANS.namespace, 0)
            submission = Submission(Version(Digest.of(data), tx.now), Message(text))
            registry.versions.register(tx, OWNER, LOANS, submission)

        self.write(step)

    def deliver(self) -> None:
        for report in run(self.folder.system, ["webhooks"], sender=self.receiver):
            assert report.failure == ""

    def deliveries(self, name: WebhookName) -> list[Delivery]:
        webhooks = self.folder.system.subjects.webhooks
        found = self.folder.system.executor.read(lambda tx: webhooks.deliveries(tx, OWNER, name, None, 1000))
        return list(reversed(found))


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = None
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("postgresql")
        url = databases.empty()
    made = World(tmp_path / "work", url)
    yield made
    made.folder.close()


def test_what_is_entered_is_told_once_in_order_and_signed(world: World) -> None:
    world.register("before")
    _, secret = world.add()
    for number in range(5):
        world.register(f"version {number}")
    world.deliver()
    expected = ["version.register", "version.number"] * 5
    assert [each for each in world.receiver.types if str(each).startswith("version")] == expected
    sequences = [each.data["sequence"] for each in world.receiver.sent]
    assert sequences == sorted(set(sequences))
    for each in world.receiver.sent:
        assert each.url == URL
        attempt = verify([secret], each.headers, each.body, now=world.clock.now() / SECOND)
        assert attempt.id == each.data["id"]
    count = len(world.receiver.sent)
    world.deliver()
    assert len(world.receiver.sent) == count


def test_an_event_says_what_the_entry_says_and_nothing_that_people_wrote(world: World) -> None:
    world.add("alias.*")
    spoken, _ = world.add("alias.set", texts=True)
    world.register("first")
    aliases = world.folder.system.subjects.registry.aliases
    world.write(lambda tx: aliases.set(tx, OWNER, LOANS, "production", Sequence(1), reason="Ada likes it"))
    world.deliver()
    silent, told = sorted(world.receiver.sent, key=lambda each: len(each.body))
    assert b"Ada" not in silent.body
    event = silent.event
    data = silent.data
    assert event["type"] == "alias.set"
    assert str(event["timestamp"]).endswith("Z")
    assert data["namespace"] == "bank"
    assert data["thing"]["id"] == "bank/loans@production"
    assert data["actor"] == {"id": OWNER.id, "kind": "user"}
    assert data["facts"]["model"] == "loans"
    assert data["reason"] is None
    assert told.data["reason"] == "Ada likes it"
    assert data["id"] != told.data["id"]
    assert spoken.texts


def test_refusals_are_events_of_their_own_type(world: World) -> None:
    world.register("first")
    world.add("access.*")
    reader = Caller(Actor("user", "u_" + "2" * 32), frozenset({Role.READER}))
    with pytest.raises(ForbiddenError):
        world.write(lambda tx: world.folder.system.subjects.registry.entitle(tx, reader, LOANS, "No"))
    world.deliver()
    assert world.receiver.types == [f"access.{Permission.DESCRIBE}.refused"]


def test_attempts_are_spread_over_hours_and_then_given_up(world: World) -> None:
    webhook, _ = world.add("model.create", "version.number")
    world.register("first")
    world.receiver.answers = [Answer(500, "it answered 500")] * 100
    waits = []
    for _ in range(30):
        world.deliver()
        first, *others = world.deliveries(webhook.name)
        assert all(each.attempts == 0 for each in others) or first.state == "dead"
        if first.state == "dead":
            break
        waits.append((first.due - world.clock.now()) / SECOND)
        world.clock.advance(first.due - world.clock.now())
    assert 10 <= len(waits) <= 12
    assert 3.75 <= waits[0] <= 6.25
    assert all(later > earlier for earlier, later in pairwise(waits[:7]))
    assert max(waits) <= 6 * 3600 * 1.25
    assert sum(waits) >= 19 * 3600
    bodies = {each.body for each in world.receiver.sent if each.event["type"] == "model.create"}
    assert len(bodies) == 1
    assert len({each.headers["webhook-timestamp"] for each in world.receiver.sent}) > 10
    assert (
        len({each.headers["webhook-id"] for each in world.receiver.sent if each.event["type"] == "model.create"}) == 1
    )


def test_what_was_given_up_is_kept_and_can_be_tried_again(world: World) -> None:
    webhook, _ = world.add("model.create")
    world.register("first")
    world.clock.advance(25 * HOUR)
    world.receiver.answers = [Answer(None, "no connection: Connection refused")]
    world.deliver()
    (dead,) = world.deliveries(webhook.name)
    assert (dead.state, dead.attempts, dead.status) == ("dead", 1, None)
    assert dead.detail == "no connection: Connection refused"
    world.deliver()
    assert len(world.receiver.sent) == 1
    webhooks = world.folder.system.subjects.webhooks
    assert world.write(lambda tx: webhooks.retry(tx, OWNER, webhook.name)) == 1
    world.deliver()
    (done,) = world.deliveries(webhook.name)
    assert (done.state, done.status) == ("delivered", 204)
    world.clock.advance(8 * 24 * HOUR)
    run(world.folder.system, ["answers"])
    assert world.deliveries(webhook.name) == []


def test_a_receiver_that_is_away_fills_no_table(world: World) -> None:
    webhook, _ = world.add("label.*")
    world.register("first")
    labels = world.folder.system.subjects.registry.labels

    def label(number: int, tx: Transaction) -> None:
        labels.set(tx, OWNER, Subject(LOANS), "turn", str(number))

    for number in range(MOST_PENDING + 40):
        world.write(partial(label, number))
    world.receiver.answers = [Answer(503, "away")]
    world.deliver()
    assert MOST_PENDING - 10 < len(world.deliveries(webhook.name)) <= MOST_PENDING
    world.clock.advance(10 * SECOND)
    world.deliver()
    assert len(world.receiver.sent) == MOST_PENDING + 40 + 1
    values = [each.data["sequence"] for each in world.receiver.sent[1:]]
    assert values == sorted(values)


def test_what_a_receiver_wishes_is_heeded(world: World) -> None:
    webhook, _ = world.add("model.create")
    world.register("first")
    world.receiver.answers = [Answer(429, "slower", wait=1000), Answer(410, "gone")]
    world.deliver()
    (waiting,) = world.deliveries(webhook.name)
    assert waiting.due - world.clock.now() == 1000 * SECOND
    world.clock.advance(1000 * SECOND)
    world.deliver()
    (dead,) = world.deliveries(webhook.name)
    assert dead.state == "dead"
    webhooks = world.folder.system.subjects.webhooks
    read = world.folder.system.executor.read
    assert not read(lambda tx: webhooks.find(tx, webhook.name)).active
    log = read(lambda tx: world.folder.system.subjects.ledger.log(tx, "_system"))
    assert log.entries[-1].action == "webhook.pause"
    with pytest.raises(ConflictError, match="paused"):
        world.write(lambda tx: webhooks.test(tx, OWNER, webhook.name))


def test_what_happens_while_paused_is_told_later(world: World) -> None:
    webhook, _ = world.add("version.register")
    webhooks = world.folder.system.subjects.webhooks
    assert world.write(lambda tx: webhooks.pause(tx, OWNER, webhook.name)) is True
    assert world.write(lambda tx: webhooks.pause(tx, OWNER, webhook.name)) is False
    world.register("first")
    world.deliver()
    assert world.receiver.sent == []
    assert world.write(lambda tx: webhooks.resume(tx, OWNER, webhook.name)) is True
    world.deliver()
    assert world.receiver.types == ["version.register"]


def test_a_test_overtakes_what_waits_and_is_tried_once(world: World) -> None:
    webhook, secret = world.add("model.create")
    world.register("first")
    webhooks = world.folder.system.subjects.webhooks
    world.receiver.answers = [Answer(500, "no")]
    world.deliver()
    world.write(lambda tx: webhooks.test(tx, OWNER, webhook.name))
    world.receiver.answers = [Answer(500, "no")]
    world.deliver()
    assert world.receiver.types == ["model.create", "webhook.test"]
    verify([secret], world.receiver.sent[1].headers, world.receiver.sent[1].body, now=world.clock.now() / SECOND)
    assert {each.type: each.state for each in world.deliveries(webhook.name)} == {
        "model.create": "pending",
        "webhook.test": "dead",
    }


def test_everywhere_means_every_log_also_those_to_come(world: World) -> None:
    world.add("namespace.*", "version.register", namespace=None)
    world.write(lambda tx: world.folder.system.subjects.registry.create_namespace(tx, OWNER, "lab"))
    world.register("first")
    world.deliver()
    assert sorted(str(each) for each in world.receiver.types) == ["namespace.create", "version.register"]


def flipped(attempt: Callable[[Transaction, Caller], object], who: Caller, tx: Transaction) -> object:
    return attempt(tx, who)


def test_who_may_not_maintain_may_not_tell_others(world: World) -> None:
    webhook, _ = world.add()
    webhooks = world.folder.system.subjects.webhooks
    reader = Caller(Actor("user", "u_" + "2" * 32), frozenset({Role.READER, Role.DEPLOYER}))
    stranger = Caller(Actor("user", "u_" + "3" * 32))
    attempts: list[Callable[[Transaction, Caller], object]] = [
        lambda tx, who: webhooks.add(tx, who, "bank", URL, ["*"]),
        lambda tx, who: webhooks.add(tx, who, None, URL, ["*"]),
        lambda tx, who: webhooks.remove(tx, who, webhook.name),
        lambda tx, who: webhooks.pause(tx, who, webhook.name),
        lambda tx, who: webhooks.resume(tx, who, webhook.name),
        lambda tx, who: webhooks.test(tx, who, webhook.name),
        lambda tx, who: webhooks.retry(tx, who, webhook.name),
        lambda tx, who: webhooks.list(tx, who, "bank"),
        lambda tx, who: webhooks.deliveries(tx, who, webhook.name, None, 10),
    ]
    for attempt in attempts:
        with pytest.raises(ForbiddenError):
            world.write(partial(flipped, attempt, reader))
        with pytest.raises((NotFoundError, ForbiddenError)):
            world.write(partial(flipped, attempt, stranger))
    elsewhere = WebhookName("_system", webhook.name.id)
    with pytest.raises(NotFoundError):
        world.write(lambda tx: webhooks.remove(tx, OWNER, elsewhere))


def test_inside_addresses_and_nonsense_are_refused_at_once(world: World) -> None:
    webhooks = world.folder.system.subjects.webhooks

    def add(url: str, *events: str, namespace: str = "bank") -> None:
        world.write(lambda tx: webhooks.add(tx, OWNER, namespace, url, events))

    for url in ("https://169.254.169.254/", "https://[::1]/", "http://hooks.example.com/", "https://10.0.0.1/"):
        with pytest.raises(RefusedError):
            add(url, "*")
    for events in ((), ("Alias.set",), ("*" * 5,), ("a b",), ("x",) * 33):
        with pytest.raises(StemmaError):
            add(URL, *events)
    for _ in range(50):
        add(URL, "*")
    with pytest.raises(TooLargeError):
        add(URL, "*")


def test_secret_and_url_are_not_in_the_ledger_nor_readable_in_the_database(world: World) -> None:
    webhook, secret = world.add()
    assert secret.startswith("whsec_")
    executor = world.folder.system.executor
    rows = executor.read(lambda tx: tx.ledger.rows("bank", 0, 100))
    assert b"hidden" not in b"".join(row.data for row in rows)
    world.folder.close()
    dump = b"".join(file.read_bytes() for file in (world.root / ".stemma").glob("stemma.db*"))
    assert read_secret(secret) not in dump
    assert secret.encode() not in dump
    world.folder = world.open()
    (world.root / ".stemma" / "keys" / "paging.key").write_bytes(b"x" * 32)
    world.folder.close()
    world.folder = world.open()
    webhooks = world.folder.system.subjects.webhooks
    with pytest.raises(CorruptError, match="another key"):
        world.folder.system.executor.read(lambda tx: webhooks.secret(tx, webhook))
    world.register("first")
    (report,) = run(world.folder.system, ["webhooks"], sender=world.receiver)
    assert "another key" in report.failure
    assert world.receiver.sent == []


def test_removing_forgets_secret_url_and_deliveries(world: World) -> None:
    webhook, _ = world.add()
    world.register("first")
    world.deliver()
    webhooks = world.folder.system.subjects.webhooks
    world.write(lambda tx: webhooks.remove(tx, OWNER, webhook.name))
    read = world.folder.system.executor.read
    assert read(lambda tx: tx.webhooks.secret(webhook.name.id)) is None
    assert read(lambda tx: tx.texts.read(webhook.url)) == (b"", None)
    assert read(lambda tx: webhooks.list(tx, OWNER, "bank")) == ()
    with pytest.raises(NotFoundError):
        world.deliveries(webhook.name)
    assert world.folder.rebuild(repair=False).differences == ()


def test_webhooks_follow_from_the_log(world: World) -> None:
    first, _ = world.add("alias.*", texts=True)
    second, _ = world.add(namespace=None)
    webhooks = world.folder.system.subjects.webhooks
    world.write(lambda tx: webhooks.pause(tx, OWNER, first.name))
    world.write(lambda tx: webhooks.remove(tx, OWNER, second.name))
    assert world.folder.rebuild(repair=False).differences == ()


def test_of_two_processes_one_delivers(world: World) -> None:
    world.add("version.register")
    other = world.open()
    gate, entered = threading.Event(), threading.Event()

    def slow(url: str, headers: Mapping[str, str], body: bytes, /) -> Answer:
        entered.set()
        assert gate.wait(10)
        return world.receiver(url, headers, body)

    world.register("first")
    first = threading.Thread(target=lambda: run(world.folder.system, ["webhooks"], sender=slow))
    first.start()
    assert entered.wait(10)
    assert run(other.system, ["webhooks"], sender=world.receiver) == ()
    gate.set()
    first.join()
    assert world.receiver.types == ["version.register"]
    other.close()


def test_who_was_killed_gives_way_when_the_lease_has_run_out(world: World) -> None:
    world.add("version.register")
    world.register("first")
    executor = world.folder.system.executor
    executor.write(
        lambda tx: tx.upkeep.claim("job webhooks", "a process that was killed", tx.now, tx.now + 60 * SECOND)
    )
    assert run(world.folder.system, ["webhooks"], sender=world.receiver) == ()
    world.clock.advance(61 * SECOND)
    world.deliver()
    assert world.receiver.types == ["version.register"]


def test_an_attempt_that_somebody_else_settled_is_not_settled_twice(world: World) -> None:
    """What a process does whose lease ran out while it was sending."""
    webhook, _ = world.add("model.create")
    world.register("first")

    def overtaken(_url: str, _headers: Mapping[str, str], _body: bytes, /) -> Answer:
        world.clock.advance(120 * SECOND)
        assert len(run(world.folder.system, ["webhooks"], sender=world.receiver)) == 1
        return Answer(500, "too late")

    runner = Runner(
        world.folder.system, [job for job in jobs_of(world.folder.system, overtaken) if job.name == "webhooks"]
    )
    other = Runner(world.folder.system, [])
    assert runner.holder != other.holder
    runner.run_once()
    (done,) = world.deliveries(webhook.name)
    assert (done.state, done.attempts, done.status) == ("delivered", 1, 204)


def test_rules_of_an_operator_are_those_of_the_folder(tmp_path: Path) -> None:
    create_folder(tmp_path)
    folder = open_folder(tmp_path, webhook_rules=Rules.parse("10.0.0.0/8", ""))
    subjects = folder.system.subjects
    folder.system.executor.write(lambda tx: subjects.webhooks.add(tx, OWNER, None, "https://10.0.0.1/", ["*"]))
    folder.close()
