"""`stemma webhook` and `stemma jobs`, against a receiver on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stemma.client.answers import JobsDone
from stemma.client.repository import Repository
from stemma.client.upkeep.webhooks import verify_webhook
from stemma.errors import RefusedError, UnauthenticatedError
from stemma.operations.upkeep.webhooks import DeliveryList, DeliveryView, Retried, WebhookList, WebhookMade
from stemma.operations.views import Done
from tests.cli.running import stemma
from tests.jobs.receivers import OK, Receiver, answering, receiving
from tests.serving import serving


@pytest.fixture
def place() -> str:
    """Stay in a folder, whose settings allow receivers on this machine."""
    return "folder"


AWAY = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Run a receiver that is allowed by name, as an operator would."""
    monkeypatch.setenv("STEMMA_WEBHOOKS_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("STEMMA_WEBHOOKS_HTTP", "127.0.0.1")
    with receiving(answering(OK)) as running:
        yield running


def add(receiver: Receiver, *options: str) -> WebhookMade:
    return stemma("webhook", "add", f"http://127.0.0.1:{receiver.port}/in", *options, "--json").read(WebhookMade)


@pytest.mark.usefixtures("model")
def test_a_webhook_from_its_beginning_to_its_end(receiver: Receiver) -> None:
    made = add(receiver, "--namespace", "bank", "--event", "alias.*")
    name, secret = made.webhook.webhook, made.secret
    assert secret is not None
    assert stemma("webhook", "test", name, "--json").read(DeliveryView).state == "delivered"
    assert stemma("alias", "set", "bank/loans", "production", "1.0.0").code == 0
    jobs = stemma("jobs", "run", "webhooks", "--json").read(JobsDone)
    assert [(job.name, job.failure, job.detail) for job in jobs.jobs] == [("webhooks", None, "1 sent")]
    first, second = receiver.heard
    assert b'"type":"webhook.test"' in first.body
    assert b'"type":"alias.set"' in second.body
    attempt = verify_webhook(second.body, second.headers, secret)
    assert attempt.id == second.headers["webhook-id"]
    with pytest.raises(UnauthenticatedError):
        verify_webhook(second.body, second.headers, secret, clock=lambda: attempt.timestamp + 301)
    with pytest.raises(UnauthenticatedError):
        verify_webhook(second.body + b" ", second.headers, [secret])
    found = stemma("webhook", "deliveries", name, "--json").read(DeliveryList).deliveries
    assert sorted((each.type, each.state, each.status) for each in found) == [
        ("alias.set", "delivered", 204),
        ("webhook.test", "delivered", 204),
    ]
    assert stemma("webhook", "pause", name, "--json").read(Done).changed
    assert not stemma("webhook", "pause", name, "--json").read(Done).changed
    assert "paused" in stemma("webhook", "list", "--namespace", "bank").out
    assert stemma("webhook", "test", name).code == 5
    assert stemma("webhook", "resume", name, "--json").read(Done).changed
    assert stemma("webhook", "remove", name).code == 0
    assert stemma("webhook", "list", "--namespace", "bank", "--json").read(WebhookList).webhooks == ()
    assert stemma("webhook", "deliveries", name).code == 3


@pytest.mark.usefixtures("model")
def test_what_is_not_delivered_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_WEBHOOKS_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("STEMMA_WEBHOOKS_HTTP", "127.0.0.1")
    with receiving(answering(AWAY)) as receiver:
        name = add(receiver, "--namespace", "bank").webhook.webhook
        failed = stemma("webhook", "test", name)
        assert failed.code == 8
        assert "it answered 503" in failed.err
        assert stemma("alias", "set", "bank/loans", "production", "1.0.0").code == 0
        assert stemma("jobs", "run").code == 0
        shown = stemma("webhook", "deliveries", name, "--state", "pending").out
        assert "alias.set" in shown
        assert "it answered 503" in shown
        assert stemma("webhook", "retry", name, "--json").read(Retried).deliveries == 1
        assert "1 delivery" in stemma("webhook", "retry", name).out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://127.0.0.1/", 6),
        ("https://169.254.169.254/latest/meta-data/", 6),
        ("http://hooks.example.com/", 6),
        ("ftp://hooks.example.com/", 2),
        ("https://2130706433/", 2),
        ("https://user:secret@hooks.example.com/", 2),
    ],
)
def test_addresses_that_are_refused(url: str, code: int) -> None:
    refused = stemma("webhook", "add", url)
    assert refused.code == code
    assert refused.err.startswith("error: ")
    assert "Traceback" not in refused.err


@pytest.mark.usefixtures("folder")
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stemma("webhook", "remove", "bank/x").code == 2
    assert stemma("webhook", "remove", f"bank/{'0' * 16}").code == 3
    assert stemma("webhook", "add", "https://hooks.example.com/", "--namespace", "nowhere").code == 3
    assert stemma("webhook", "add", "https://hooks.example.com/", "--event", "A").code == 2
    assert stemma("jobs", "run", "nothing").code == 3
    monkeypatch.setenv("STEMMA_WEBHOOKS_NETWORKS", "everything")
    wrong = stemma("webhook", "list")
    assert wrong.code == 2
    assert "webhooks.networks" in wrong.err


def test_the_secret_is_shown_once(folder: Path) -> None:
    made = stemma("webhook", "add", "https://hooks.example.com/?key=1")
    assert made.code == 0
    name, secret = made.out.splitlines()
    assert secret.startswith("whsec_")
    for shown in (stemma("webhook", "list"), stemma("audit", "log", "--json")):
        assert secret not in shown.out
    assert "key=1" not in stemma("audit", "log", "--json").out
    assert name.startswith("_system/")
    assert folder.is_dir()


def test_the_same_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Repository.init(tmp_path / "served") as repository:
        repository.people.add("Ada", role="admin", namespace="*")
        monkeypatch.setenv("STEMMA_TOKEN", repository.tokens.create("Ada").secret)
    with serving(tmp_path / "served") as url, Repository.open(url) as server:
        made = server.webhooks.add("https://hooks.example.com/in", ["alias.*"])
        assert (made.secret or "").startswith("whsec_")
        name = made.webhook.webhook
        assert server.webhooks.pause(name)
        assert [hook.active for hook in server.webhooks.all()] == [False]
        assert server.webhooks.resume(name)
        assert server.webhooks.test(name).state == "pending"
        assert [each.type for each in server.webhooks.deliveries(name)] == ["webhook.test"]
        with pytest.raises(RefusedError, match="loopback"):
            server.webhooks.add("https://127.0.0.1/", ["*"])
        server.webhooks.remove(name)
        assert server.webhooks.all() == []
        assert [hook.webhook for hook in server.upkeep.health().webhooks] == []
