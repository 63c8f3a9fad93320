"""What comes before a request is understood is bounded in size and in time, and told as a problem where it can be."""

import gzip
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import StreamingResponse

from stemma.app import create_folder
from stemma.http.routes import ASGIApp, Exchange, Route
from stemma.http.running import Limits
from stemma.wire.native.door import NativeDoor
from tests.faults import SOON
from tests.http.asking import PATIENCE, ask, connect, read_all, send_raw
from tests.serving import serving
from tests.wire.native.conftest import MODEL, Served

HOST = b"Host: localhost\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def problem_of(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem: dict[str, object] = json.loads(body)
    return problem


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET \xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_request_is_a_400(served: Served, data: bytes) -> None:
    answer = send_raw(served.url, data)
    assert status_of(answer) == 400
    assert problem_of(answer)["code"] == "invalid"


def test_a_request_that_could_be_two_is_refused(served: Served) -> None:
    both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
    answer = send_raw(
        served.url, b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + both + b"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    )
    assert status_of(answer) == 400


def test_headers_without_end_are_a_431(served: Served) -> None:
    begun = time.monotonic()
    answer = send_raw(served.url, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 50_000_000)
    assert status_of(answer) in {431, 0}, "the answer may be lost when the connection is cut"
    assert time.monotonic() - begun < SOON
    answer = send_raw(served.url, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000)
    assert (status_of(answer), problem_of(answer)["code"]) == (431, "too_large")
    answer = send_raw(served.url, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST)
    assert status_of(answer) == 431


@pytest.mark.parametrize("beside", [b"0\r\nX: ", b"1;x="])
def test_trailers_and_extensions_without_end_are_cut_off(served: Served, beside: bytes) -> None:
    head = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    sent = 0
    with connect(served.url) as peer:
        peer.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + beside)
        try:
            while sent < 1 << 28:
                peer.sendall(b"a" * 0x10000)
                sent += 0x10000
        except OSError:
            pass
        answer = read_all(peer)
    assert sent < 1 << 25
    assert status_of(answer) in {431, 0}, "the answer may be lost when the connection is cut"


@pytest.mark.parametrize("trailer", [HOST, b"Authorization: Bearer x\r\n", b"Origin: https://evil.example\r\n"])
def test_what_trails_a_body_is_no_header(served: Served, trailer: bytes) -> None:
    head = b"POST /api/v1/branches HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Type: application/json\r\n"
    answers = [
        send_raw(served.url, head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailing + b"\r\n")
        for trailing in (b"", trailer)
    ]
    told = [{**problem_of(answer), "request": None} for answer in answers]
    assert told[0] == told[1]


def test_too_many_headers_are_refused(served: Served) -> None:
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(2000))
    assert status_of(send_raw(served.url, b"GET / HTTP/1.1\r\n" + HOST + many + b"\r\n")) == 400


def test_headers_that_are_sent_twice_are_refused_where_one_counts(served: Served) -> None:
    for line in (
        b"Authorization: Bearer x\r\n",
        b"Content-Type: application/json\r\n",
        b"Idempotency-Key: k\r\n",
        HOST,
    ):
        head = b"GET /api/v1/whoami HTTP/1.1\r\n" + HOST + (b"" if line is HOST else line) + line
        answer = send_raw(served.url, head + b"Connection: close\r\n\r\n")
        assert status_of(answer) == 400, line


def test_a_client_that_says_nothing_is_cut_off(served: Served) -> None:
    begun = time.monotonic()
    assert status_of(send_raw(served.url, b"")) == 408
    assert status_of(send_raw(served.url, b"GET / HTTP/1.1\r\nHost: loc")) == 408
    assert time.monotonic() - begun < SOON


def test_a_client_that_drips_its_headers_is_cut_off(served: Served) -> None:
    begun = time.monotonic()
    with connect(served.url) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n" + HOST)
        try:
            while time.monotonic() - begun < PATIENCE:
                peer.sendall(b"X: y\r\n")
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize(
    "rest", [b'Content-Length: 1000\r\n\r\n{"na', b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"na\r\n']
)
def test_a_client_that_stalls_in_its_body_is_told_so(served: Served, rest: bytes) -> None:
    head = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    begun = time.monotonic()
    answer = send_raw(served.url, head + rest)
    assert status_of(answer) == 408
    assert time.monotonic() - begun < SOON


def test_a_body_without_end_is_refused_at_its_limit(served: Served) -> None:
    head = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    sent = 0
    with connect(served.url) as peer:
        peer.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        part = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            while sent < 1 << 30:
                peer.sendall(part)
                sent += 0x10000
        except OSError:
            pass
        answer = read_all(peer)
    assert sent < 1 << 28, "it is cut off long before it has sent all"
    assert status_of(answer) in {413, 0}


def test_a_body_that_says_that_it_is_too_long_is_refused_before_it_comes(served: Served) -> None:
    head = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    answer = send_raw(served.url, head + b"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n")
    assert (status_of(answer), problem_of(answer)["code"]) == (413, "too_large")


def test_large_bodies_have_room_for_so_many_bytes_together(tmp_path: Path) -> None:
    create_folder(tmp_path)
    head = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    with serving(tmp_path, limits=Limits(bodies=300_000, shutdown=2)) as url:
        with connect(url) as first, connect(url) as second:
            for peer in (first, second):
                peer.sendall(head + b"Content-Length: 500000\r\n\r\n" + b" " * 300_000)
            answers = [_said(peer) for peer in (first, second)]
            assert sorted(map(status_of, answers)) == [0, 503], "one has room, and waits for the rest"
            assert ask(url, "/api/v1/namespaces", method="POST", body={"namespace": "small"}).status == 200
        until = time.monotonic() + SOON
        body = b'{"namespace": "large"' + b" " * 300_000 + b"}"
        while (got := ask(url, "/api/v1/namespaces", method="POST", body=body)).status == 503:
            assert time.monotonic() < until, "there is room again when they went away"
        assert got.status == 200


def _said(peer: socket.socket) -> bytes:
    """Return what a server says within a second."""
    peer.settimeout(1)
    try:
        return peer.recv(65536)
    except TimeoutError:
        return b""


def test_a_compressed_body_is_refused_unread(served: Served) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
        got = ask(served.url, "/api/v1/namespaces", method="POST", body=bomb, headers={"Content-Encoding": coding})
        assert (got.status, got.code) == (415, "invalid")
    got = ask(
        served.url,
        "/api/v1/namespaces",
        method="POST",
        body=b'{"namespace": "plain"}',
        headers={"Content-Encoding": "identity"},
    )
    assert got.status == 200


def test_other_types_of_body_are_refused(served: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"):
        got = ask(served.url, "/api/v1/namespaces", method="POST", body=b"{}", headers={"Content-Type": kind})
        assert (got.status, got.code) == (415, "invalid"), kind


def test_ten_thousand_ranges_change_nothing(served: Served) -> None:
    ranges = "bytes=" + ",".join(f"{number}-{number}" for number in range(4000))
    got = ask(served.url, f"/api/v1/resolve?reference={MODEL}", headers={"Range": ranges})
    assert got.status == 200


def test_requests_may_follow_each_other_on_one_connection(served: Served) -> None:
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert send_raw(served.url, one * 50 + last).count(b"HTTP/1.1 200 OK") == 51


def test_others_are_answered_while_slow_clients_wait(served: Served) -> None:
    slow = [threading.Thread(target=send_raw, args=(served.url, b"POST /")) for _ in range(50)]
    for thread in slow:
        thread.start()
    assert ask(served.url, "/healthz").status == 200
    assert any(thread.is_alive() for thread in slow), "it was answered before they were cut off"
    for thread in slow:
        thread.join()


def test_websockets_are_not_spoken(served: Served) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    with connect(served.url) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + upgrade + b"\r\n")
        assert status_of(peer.recv(65536)) == 200


def test_hosts_and_origins_are_checked_at_the_door(served: Served) -> None:
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:80"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ):
        got = ask(served.url, f"/api/v1/resolve?reference={MODEL}", headers=headers)
        assert (got.status, got.code) == (status, "invalid"), headers
        assert not any(name.startswith("access-control") for name in got.headers)
        before = ask(served.url, "/api/v1/namespaces").body
        got = ask(served.url, "/api/v1/namespaces", method="POST", body={"namespace": "stolen"}, headers=headers)
        assert got.status == status
        assert ask(served.url, "/api/v1/namespaces").body == before
    assert send_raw(served.url, b"GET /healthz HTTP/1.0\r\n\r\n").split(b" ", 2)[1] == b"421"


async def endless(_exchange: Exchange) -> ASGIApp:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    return StreamingResponse(parts())


def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    create_folder(tmp_path)
    door = NativeDoor([Route("GET", "/endless", None, "endless", endless, public=True)], "endless")
    with serving(tmp_path, doors=[door], limits=Limits(read_stall=0.5, shutdown=2)) as url:
        with connect(url) as peer:
            peer.sendall(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
            time.sleep(2)
            begun = time.monotonic()
            assert read_all(peer).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begun < SOON
        text = ask(url, "/metrics").body.decode()
    assert 'stemma_http_requests_total{operation="endless",status="200"} 1.0' in text
