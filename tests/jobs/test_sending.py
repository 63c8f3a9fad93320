"""Deliveries reach who they are for, over TLS that names them, and never anybody inside."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stemma.jobs.sending import PinnedSender
from stemma.webhooks import Answer, Rules
from tests.faults import SOON
from tests.jobs.receivers import HOST, OK, Authority, Behaviour, Heard, answering, receiving

HERE = Rules.parse("127.0.0.1", "127.0.0.1, plain.example.com")
HEADERS = {"Content-Type": "application/json"}
BODY = b'{"a":1}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def send(sender: PinnedSender, url: str) -> Answer:
    return sender(url, HEADERS, BODY)


def test_a_delivery_over_tls_names_the_host_and_checks_it(authority: Authority) -> None:
    with receiving(answering(OK), authority.serving(HOST)) as receiver:
        sender = PinnedSender(HERE, here, authority.trusting())
        assert send(sender, f"https://{HOST}:{receiver.port}/in?x=1") == Answer(204)
        (heard,) = receiver.heard
        assert heard.line == "POST /in?x=1 HTTP/1.1"
        assert heard.body == BODY
        assert heard.headers["host"] == f"{HOST}:{receiver.port}"
        assert heard.headers["content-type"] == "application/json"
        assert receiver.names == [HOST]


def test_a_certificate_of_another_host_or_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    with receiving(answering(OK), authority.serving("other.example.com")) as receiver:
        answer = send(PinnedSender(HERE, here, authority.trusting()), f"https://{HOST}:{receiver.port}/")
        assert answer.status is None
        assert "certificate" in answer.detail
        assert receiver.heard == []
    with receiving(answering(OK), Authority(tmp_path).serving(HOST)) as receiver:
        for trust in (authority.trusting(), None):
            answer = send(PinnedSender(HERE, here, trust), f"https://{HOST}:{receiver.port}/")
            assert "certificate" in answer.detail
        assert receiver.heard == []


def test_plain_http_goes_only_where_it_is_allowed() -> None:
    with receiving(answering(OK)) as receiver:
        assert send(PinnedSender(HERE, here), f"http://plain.example.com:{receiver.port}/") == Answer(204)
        assert send(PinnedSender(HERE, here), f"http://127.0.0.1:{receiver.port}/") == Answer(204)
        assert "by http" in send(PinnedSender(HERE, here), f"http://{HOST}:{receiver.port}/").detail
        assert "by http" in send(PinnedSender(Rules(), here), f"http://127.0.0.1:{receiver.port}/").detail
        assert receiver.connections == 2


INSIDE = "127.0.0.1 10.0.0.7 169.254.169.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 fd00::1 0.0.0.0".split()


class Leading:
    """A name server that says always the same."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers

    def __call__(self, _host: str, _port: int) -> Sequence[str]:
        return self.answers


@pytest.mark.parametrize("inside", INSIDE)
def test_a_name_that_leads_inside_is_never_connected_to(inside: str) -> None:
    with receiving(answering(OK)) as receiver:
        for found in ([inside], ["93.184.216.34", inside], [inside, "93.184.216.34"]):
            sender = PinnedSender(Rules(), Leading(*found))
            answer = send(sender, f"https://{HOST}:{receiver.port}/")
            assert answer.status is None
            assert "deliveries go outside only" in answer.detail
        assert receiver.connections == 0


class Rebinding:
    """A name server that says something else each time."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return [self.answers[min(self.asked, len(self.answers)) - 1]]


def test_a_name_that_changes_its_mind_is_asked_once() -> None:
    """The first answer is checked and is where the connection goes, so that the second has no say."""
    names = Rebinding("127.0.0.1", "127.0.0.2")
    with receiving(answering(OK)) as receiver:
        assert send(PinnedSender(HERE, names), f"http://plain.example.com:{receiver.port}/") == Answer(204)
        assert names.asked == 1
        refused = send(PinnedSender(HERE, names), f"http://plain.example.com:{receiver.port}/")
        assert "127.0.0.2 is loopback" in refused.detail
        assert receiver.connections == 1


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Answer(200)),
        (b"HTTP/1.1 500 No\r\nRetry-After: 120\r\n\r\n", Answer(500, "it answered 500", 120)),
        (b"HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n", Answer(503, "it answered 503")),
        (b"HTTP/1.1 410 Gone\r\n\r\n", Answer(410, "it answered 410")),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
            Answer(302, "it redirects, which is not followed: change the URL"),
        ),
        (b"HTTP/1.1 999 \x1b[31m\r\n\r\n", Answer(999, "it answered 999")),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Answer(None, "no answer: what came is not HTTP")),
        (b"", Answer(None, "no answer: Remote end closed connection without response")),
        (
            b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 70000 + b"\r\n\r\n",
            Answer(None, "no answer: what came is not HTTP"),
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n", Answer(None, "no answer: what came is not HTTP")),
    ],
)
def test_only_the_status_counts(status: bytes, detail: Answer) -> None:
    with receiving(answering(status)) as receiver:
        assert send(PinnedSender(HERE, here), f"http://127.0.0.1:{receiver.port}/") == detail
        assert receiver.connections == 1


def dripping(parts: Iterator[bytes]) -> Behaviour:
    def drip(_heard: Heard, wire: socket.socket) -> None:
        for part in parts:
            wire.sendall(part)
            time.sleep(0.02)

    return drip


def forever(head: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield b"a"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "])
def test_an_answer_that_never_ends_is_cut(head: bytes) -> None:
    with receiving(dripping(forever(head))) as receiver:
        start = time.monotonic()
        answer = send(PinnedSender(HERE, here, seconds=0.4), f"http://127.0.0.1:{receiver.port}/")
        assert answer == Answer(None, "it did not answer in time")
        assert time.monotonic() - start < SOON


def test_a_body_that_never_ends_is_not_read() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"
    with receiving(dripping(forever(body))) as receiver:
        start = time.monotonic()
        assert send(PinnedSender(HERE, here, seconds=60), f"http://127.0.0.1:{receiver.port}/") == Answer(200)
        assert time.monotonic() - start < SOON


def test_a_handshake_that_never_ends_is_cut(authority: Authority) -> None:
    """The other side takes the greeting and then says one byte after the other of a record that has no end."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, PinnedHandshake(listener):
        start = time.monotonic()
        sender = PinnedSender(HERE, here, authority.trusting(), seconds=0.4)
        answer = send(sender, f"https://{HOST}:{listener.getsockname()[1]}/")
        assert answer.status is None
        assert "no connection" in answer.detail
        assert time.monotonic() - start < SOON


class PinnedHandshake:
    """Drips the beginning of a TLS handshake."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.thread.join(5)

    def _serve(self) -> None:
        wire, _ = self.listener.accept()
        with wire:
            try:
                wire.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb")
                while True:
                    wire.sendall(b"\x03")
                    time.sleep(0.02)
            except OSError:
                return


def test_a_look_up_that_hangs_is_given_up() -> None:
    def slow(_host: str, _port: int) -> Sequence[str]:
        time.sleep(1)
        return ["127.0.0.1"]

    answer = send(PinnedSender(HERE, slow, seconds=0.2), f"https://{HOST}/")
    assert answer == Answer(None, f"{HOST} could not be looked up: not in time")


def test_names_and_ports_that_are_not_there() -> None:
    def missing(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    assert "no such name" in send(PinnedSender(HERE, missing), f"https://{HOST}/").detail
    assert "no address" in send(PinnedSender(HERE, lambda _host, _port: []), f"https://{HOST}/").detail
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    assert send(PinnedSender(HERE, here), f"http://127.0.0.1:{port}/") == Answer(
        None, "no connection: Connection refused"
    )


def test_the_next_address_is_tried_where_one_does_not_connect() -> None:
    rules = Rules.parse("127.0.0.0/8", "plain.example.com")
    with receiving(answering(OK)) as receiver:
        sender = PinnedSender(rules, lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
        assert send(sender, f"http://plain.example.com:{receiver.port}/") == Answer(204)


@pytest.mark.parametrize(
    "url", ["https://a\r\nX: y/", "https://example.com/\r\nX-Evil: 1", "http://[::1", "file:///etc/passwd"]
)
def test_what_is_no_url_is_not_sent(url: str) -> None:
    answer = send(PinnedSender(HERE, here), url)
    assert answer.status is None
    assert "URL" in answer.detail or "https" in answer.detail


def test_headers_cannot_be_injected() -> None:
    with receiving(answering(OK)) as receiver:
        answer = PinnedSender(HERE, here)(f"http://127.0.0.1:{receiver.port}/", {"webhook-id": "a\r\nX-Evil: 1"}, BODY)
        assert answer.status is None
        assert receiver.heard == []


def test_tls_is_checked_by_default() -> None:
    context = PinnedSender(HERE)._context  # noqa: SLF001  # nothing else shows it
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
