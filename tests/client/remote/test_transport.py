"""One request and its answer, against servers that answer anything."""

import json
import os
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from stemma.client.address import Address
from stemma.client.remote.network import Trust, proxy_of
from stemma.client.remote.patience import Patience
from stemma.client.remote.transport import Transport
from stemma.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from tests.faults import SOON, Listening, answer, scripted

PROBLEM = "application/problem+json"
CONFLICT = json.dumps({"code": "conflict", "detail": "moved", "hint": "Look again.", "place": "production"}).encode()


def transport(url: str, token: str | None = None, *, patience: float = 5.0, timeout: float = 5.0) -> Transport:
    return Transport(Address.parse(url), token, Trust(), Patience(patience, jitter=lambda: 0.0), timeout)


def test_a_request_is_what_the_server_expects() -> None:
    with scripted(answer(200, b'{"a": 1}')) as (url, script):
        talk = transport(f"{url}/models/", "stm_1_secret")
        reply = talk.ask(
            "POST", "/versions", query=[("a", "x&y"), ("a", "ü")], body=b"{}", headers={"Idempotency-Key": "k"}
        )
        assert reply.data == b'{"a": 1}'
        assert talk.ask("GET", "/resolve").status == 200
        talk.close()
    first = script.requests[0].decode()
    head, _, body = first.partition("\r\n\r\n")
    assert head.startswith("POST /models/api/v1/versions?a=x%26y&a=%C3%BC HTTP/1.1\r\n")
    lines = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head.split("\r\n")[1:]}
    assert lines["authorization"] == "Bearer stm_1_secret"
    assert lines["idempotency-key"] == "k"
    assert lines["content-type"] == "application/json"
    assert lines["accept-encoding"] == "identity"
    assert lines["user-agent"].startswith("stemma/")
    assert body == "{}"


def test_connections_are_used_again() -> None:
    with scripted(answer(200)) as (url, _):
        talk = transport(url)
        for _ in range(5):
            talk.ask("GET", "/x")
        talk.close()
    with scripted(answer(200)) as (url, script):
        talk = transport(url)
        with ThreadPoolExecutor(8) as pool:
            assert all(reply.status == 200 for reply in pool.map(lambda _: talk.ask("GET", "/x"), range(64)))
        talk.close()
        assert len(script.requests) == 64


def test_a_problem_is_raised_as_the_error_that_it_was() -> None:
    with scripted(answer(409, CONFLICT, PROBLEM)) as (url, script):
        with pytest.raises(ConflictError) as raised:
            transport(url).ask("PUT", "/alias", body=b"{}")
        assert len(script.requests) == 1
    assert (raised.value.message, raised.value.hint, raised.value.place) == ("moved", "Look again.", "production")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("kind", ["text/html", PROBLEM])
def test_what_may_pass_is_tried_again(status: int, kind: str) -> None:
    failed = answer(status, b'{"code": "unavailable", "detail": "busy"}', kind)
    with scripted(failed, failed, answer(200)) as (url, script):
        assert transport(url).ask("POST", "/x", body=b"{}", headers={"Idempotency-Key": "k"}).status == 200
    assert len(script.requests) == 3
    assert len(set(script.requests)) == 1


@pytest.mark.parametrize("wait", ["1", "a date", "soon", "-5", ""])
def test_the_time_to_wait_is_heeded(wait: str) -> None:
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=300)) if wait == "a date" else wait
    with scripted(answer(503, b"{}", "text/html", [f"Retry-After: {asked}"]), answer(200)) as (url, script):
        begun = time.monotonic()
        if wait == "a date":
            with pytest.raises(UnavailableError, match="503"):
                transport(url).ask("GET", "/x")
            assert len(script.requests) == 1
        else:
            assert transport(url).ask("GET", "/x").status == 200
            assert time.monotonic() - begun >= (1.0 if wait == "1" else 0.0)
        assert time.monotonic() - begun < SOON


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"\x16\x03\x01 nothing of HTTP\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=range(11),
)
def test_a_broken_answer_is_no_traceback_and_takes_no_time(broken: bytes) -> None:
    begun = time.monotonic()

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(broken)

    with Listening(serve) as listening, pytest.raises(UnavailableError) as raised:
        transport(listening.url, patience=0.2).ask("GET", "/x")
    assert raised.value.place == listening.url
    assert raised.value.hint
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer(200, b"<html>Sign in</html>", "text/html"), "no Stemma server"),
        (answer(404, b"<html>nginx</html>", "text/html"), "no Stemma server"),
        (answer(200, b"{}", "text/plain"), "no Stemma server"),
        (answer(204, b"", "text/plain"), "no Stemma server"),
        (answer(500, b"oops", "text/plain"), "500"),
        (answer(200, b"\x1f\x8b", headers=["Content-Encoding: gzip"]), "encoded"),
        (answer(302, b"", "text/html", ["Location: https://elsewhere.example/"]), "elsewhere.example"),
        (answer(307, b"", "text/html"), "redirects"),
        (answer(200, b"{}", "application/problem+json"), "200"),
    ],
    ids=range(9),
)
def test_what_is_no_stemma_server_is_told_so_at_once(said: bytes, told: str) -> None:
    with scripted(said) as (url, script):
        with pytest.raises(UnavailableError, match=told) as raised:
            transport(url, "stm_1_secret").ask("GET", "/x")
        assert len(script.requests) == 1
    assert raised.value.place == url
    assert raised.value.hint


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere() -> None:
    with (
        scripted(answer(200)) as (elsewhere, other),
        scripted(answer(301, b"", "text/html", [f"Location: {elsewhere}/api/v1/x"])) as (url, _),
    ):
        with pytest.raises(UnavailableError, match="redirects"):
            transport(url, "stm_1_secret").ask("GET", "/x")
        assert other.requests == []


def test_an_answer_is_bounded_in_size() -> None:
    with scripted(answer(200, b"x" * 2000)) as (url, _), pytest.raises(TooLargeError):
        transport(url).ask("GET", "/x", largest=1000)


def _ignore(_: object) -> None:
    """Take what somebody returned."""


def test_a_server_that_says_nothing_is_given_up() -> None:
    silent = threading.Event()
    with Listening(lambda _: _ignore(silent.wait(60))) as listening:
        begun = time.monotonic()
        with pytest.raises(UnavailableError, match="in time"):
            transport(listening.url, patience=0.0, timeout=0.3).ask("GET", "/x")
        assert time.monotonic() - begun < SOON
        silent.set()


def test_a_server_that_says_a_byte_at_a_time_is_given_up() -> None:
    slow = answer(200, b"x" * 900)
    with scripted(slow, pause=0.05) as (url, _):
        begun = time.monotonic()
        with pytest.raises(UnavailableError, match="does not end"):
            transport(url, patience=0.0, timeout=1.0).ask("GET", "/x", largest=1000)
        assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("token", ["stm_1 secret", "stm\r\nX: y", "ü", "stm_\x00"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with scripted(answer(200)) as (url, script):
        with pytest.raises(UnauthenticatedError) as raised:
            transport(url, token).ask("GET", "/x")
        assert script.requests == []
    assert token not in str(raised.value)


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(transport("https://models.example", "stm_1_secret"))


def test_nobody_there_is_told_with_the_reason() -> None:
    with Listening(lambda _: None) as listening:
        url = listening.url
    with pytest.raises(UnavailableError, match="refused") as raised:
        transport(url, patience=0.3).ask("GET", "/x")
    assert raised.value.place == url


def test_a_stream_is_read_piece_by_piece_and_a_break_is_told() -> None:
    whole = os.urandom(300_000)
    with scripted(answer(200, whole, "application/octet-stream")) as (url, script):
        talk = transport(url)
        for _ in range(3):
            with talk.stream("GET", "/content", headers={"Range": "bytes=0-"}) as stream:
                read = b"".join(iter(stream.read, b""))
            assert read == whole
        with talk.stream("GET", "/content") as stream:
            assert stream.read(10) == whole[:10]
        with talk.stream("GET", "/content") as stream:
            assert stream.read(10) == whole[:10], "what the last one left unread is not taken for this answer"
        talk.close()
        assert len(script.requests) == 5
    with scripted(answer(200, whole)[:-1000] + b"") as (url, script):
        script.answers[0] = script.answers[0].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        with transport(url).stream("GET", "/content") as stream, pytest.raises(UnavailableError, match="cut short"):
            list(iter(stream.read, b""))
    missing = answer(404, b'{"code": "not_found", "detail": "no such file"}', PROBLEM)
    with scripted(missing) as (url, _), pytest.raises(NotFoundError), transport(url).stream("GET", "/content"):
        raise AssertionError("there is nothing to read")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of threads, which the child does not use
def test_a_fork_opens_connections_of_its_own() -> None:
    with scripted(answer(200)) as (url, script):
        talk = transport(url)
        talk.ask("GET", "/x")
        child = os.fork()
        if child == 0:
            os._exit(0 if talk.ask("GET", "/y").status == 200 else 1)
        assert os.waitpid(child, 0)[1] == 0
        talk.ask("GET", "/z")
        talk.close()
        assert len(script.connections) == 2
        assert [request.split()[1][-1:] for request in script.requests] == [b"x", b"y", b"z"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key and a certificate for this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("certificate")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(private + made.public_bytes(Encoding.PEM))
    (folder / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return folder


@pytest.fixture
def secure(certificate: Path) -> ssl.SSLContext:
    """Give what the server side of TLS needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "both.pem")
    return context


def test_a_certificate_of_ones_own_is_trusted_when_it_is_named(secure: ssl.SSLContext, certificate: Path) -> None:
    with scripted(answer(200), context=secure) as (url, script):
        talk = Transport(Address.parse(url), "stm_1_secret", Trust(str(certificate / "ca.pem")), Patience(1))
        assert talk.ask("GET", "/x").status == 200
        talk.close()
        assert len(script.requests) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(secure: ssl.SSLContext) -> None:
    with scripted(answer(200), context=secure) as (url, script):
        begun = time.monotonic()
        with pytest.raises(UnavailableError, match="not trusted") as raised:
            transport(url, "stm_1_secret", patience=60.0).ask("GET", "/x")
        assert "STEMMA_CA_BUNDLE" in raised.value.hint
        assert time.monotonic() - begun < SOON
        assert script.requests == []


def test_a_certificate_for_another_name_is_refused(secure: ssl.SSLContext, certificate: Path) -> None:
    with scripted(answer(200), context=secure) as (url, _):
        other = Address("https", "localhost", Address.parse(url).port)
        talk = Transport(other, None, Trust(str(certificate / "ca.pem")), Patience(0.2))
        with pytest.raises(UnavailableError, match="not trusted"):
            talk.ask("GET", "/x")


def test_tls_with_a_server_that_has_none_is_told(certificate: Path) -> None:
    said = answer(400, b"", "text/plain")
    with Listening(lambda connection: _ignore((connection.recv(4096), connection.sendall(said)))) as listening:  # type: ignore[func-returns-value]  # it is ignored
        plain = Address("https", "127.0.0.1", listening.port)
        with pytest.raises(UnavailableError) as raised:
            Transport(plain, None, Trust(str(certificate / "ca.pem")), Patience(0.2), 2).ask("GET", "/x")
    assert "http://" in raised.value.hint or "broke" in raised.value.message


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_certificates_that_cannot_be_read_are_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidError) as raised:
        Transport(Address.parse("https://127.0.0.1:1"), None, Trust(str(path)), Patience(0)).ask("GET", "/x")
    assert raised.value.place == str(path)


def test_proxies_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    far = Address.parse("https://models.example")
    assert proxy_of(far) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert proxy_of(far) == "http://proxy.example:3128"
    assert proxy_of(Address.parse("http://models.example")) is None
    assert proxy_of(Address.parse("https://localhost:1")) is None
    monkeypatch.setenv("NO_PROXY", "models.example,other.example")
    assert proxy_of(far) is None
    assert proxy_of(Address.parse("https://a.models.example")) is None
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    assert proxy_of(far) == "http://proxy.example:3128"
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example")
    with pytest.raises(InvalidError, match="proxy"):
        proxy_of(far)


def test_a_request_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200)) as (url, script):
        monkeypatch.setenv("http_proxy", url.replace("//", "//ada:secret@"))
        monkeypatch.setenv("no_proxy", "")
        talk = Transport(Address.parse("http://models.example/base"), None, Trust(), Patience(0.2))
        assert talk.ask("GET", "/x").status == 200
        talk.close()
    assert script.requests[0].startswith(b"GET http://models.example/base/api/v1/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic" in script.requests[0] or b"proxy-authorization: Basic" in script.requests[0]
