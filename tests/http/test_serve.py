"""`stemma serve` as people run it: a process, told to end by signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stemma.app import open_folder
from stemma.client.repository import Repository
from tests.cli.running import process
from tests.http.asking import Got, ask, connect, read_all
from tests.postgresql import Databases
from tests.wire.native.conftest import MODEL, add_admin, make

PATIENCE = 60.0


@dataclass(frozen=True)
class Started:
    """A server in a process of its own."""

    url: str
    process: "subprocess.Popen[str]"

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Tell it to end; return its exit code and its log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, log


@contextmanager
def started(root: Path, *arguments: str, **environment: str) -> Iterator[Started]:
    command = [sys.executable, "-m", "stemma", "serve", "--port", "0", *arguments]
    running = subprocess.Popen(
        # A shell that starts tests in the background lets them ignore SIGINT: env takes that back.
        ["/usr/bin/env", "--default-signal=INT", *(f"{name}={text}" for name, text in environment.items()), *command],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline().strip()
        assert line.startswith("http://"), running.communicate(timeout=PATIENCE)
        yield Started(line, running)
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository with a version."""
    folder = tmp_path_factory.mktemp("repository")
    make(folder)
    return folder


def unsigned(root: Path) -> int:
    folder = open_folder(root)
    try:
        ledger = folder.system.subjects.ledger
        return folder.system.executor.read(
            lambda tx: sum(ledger.unsigned_tail(tx, name) for name in tx.ledger.namespaces())
        )
    finally:
        folder.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_answers_and_ends_in_order(root: Path, number: int) -> None:
    with started(root) as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
        assert ask(server.url, "/healthz").status == 200
        body = {"namespace": f"signed-{int(number)}"}
        assert ask(server.url, "/api/v1/namespaces", method="POST", body=body).status == 200
        code, log = server.end(number)
    assert code == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["operation"] for line in lines if line["event"] == "request"] == ["health.alive", "namespace.create"]
    assert unsigned(root) == 0


def test_requests_in_flight_are_answered_at_the_end(root: Path) -> None:
    with started(root) as server:
        body = b'{"namespace": "in-flight"}'
        head = b"POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with connect(server.url) as peer:
            peer.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
            assert ask(server.url, "/healthz").status == 200  # what came before it was read
            server.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                try:
                    connect(server.url).close()
                except ConnectionRefusedError:
                    break
                time.sleep(0.02)
            peer.sendall(body[5:])
            answer = read_all(peer)
        assert answer.startswith(b"HTTP/1.1 200 ")
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0


def test_a_second_signal_ends_it_at_once(root: Path) -> None:
    with started(root) as server, connect(server.url) as peer:
        head = b"POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        peer.sendall(head + b"Content-Length: 10\r\n\r\n")
        assert ask(server.url, "/healthz").status == 200
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.process.poll() is None
        code, _ = server.end()
        assert code == 128 + signal.SIGTERM
        assert time.monotonic() - begun < 10


def workers_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_several_processes_serve_one_address(root: Path) -> None:
    with started(root, "--workers", "2") as server:
        for number in range(20):
            body = {"namespace": f"several-{number}"}
            assert ask(server.url, "/api/v1/namespaces", method="POST", body=body).status == 200
        text = ask(server.url, "/metrics").body.decode()
        assert 'operation="namespace.create",status="200"} 20.0' in text
        children = [
            int(pid)
            for pid in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        ]
        workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        assert ask(server.url, "/healthz").status == 200
        code, log = server.end(signal.SIGINT)
    assert code == 0, log
    assert unsigned(root) == 0


def test_workers_end_with_their_parent(root: Path) -> None:
    with started(root, "--workers", "2") as server:
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                ask(server.url, "/healthz")
            except OSError:
                return
            time.sleep(0.1)
    raise AssertionError("workers serve on without their parent")


def refused(root: Path, *arguments: str) -> tuple[int, str]:
    ran = process("serve", *arguments, cwd=root)
    assert ran.out == ""
    return ran.code, ran.err


def test_a_port_that_is_taken_is_said(root: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        code, said = refused(root, "--port", str(taken.getsockname()[1]))
    assert code == 8
    assert "something else listens" in said
    assert "--port" in said


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 4, "stemma user add"),  # noqa: S104  # it is refused
        (["--host", "192.0.2.1"], 4, "stemma user add"),
        (["--host", "::"], 4, "stemma user add"),
        (["--host", "999.1.1.1"], 4, "stemma user add"),
        (["--port", "70000"], 2, "65535"),
        (["--port", "x"], 2, "whole number"),
        (["--workers", "0"], 2, "whole number"),
        (["--origin", "models.example"], 2, "origin"),
    ],
)
def test_what_cannot_be_served_is_said(root: Path, arguments: Sequence[str], code: int, words: str) -> None:
    got, said = refused(root, *arguments)
    assert got == code, said
    assert words in said


def test_without_a_repository_it_says_how_to_begin(tmp_path: Path) -> None:
    code, said = refused(tmp_path)
    assert code == 3
    assert "stemma init" in said


def test_with_users_it_may_listen_everywhere(tmp_path: Path) -> None:
    make(tmp_path)
    token = add_admin(tmp_path)
    with started(tmp_path, "--host", "0.0.0.0") as server:  # noqa: S104  # it asks for a token
        resolve = f"/api/v1/resolve?reference={MODEL}"
        assert ask(server.url, resolve, headers={"Host": "models.example"}).status == 401
        assert ask(server.url, resolve, headers={"Authorization": f"Bearer {token}"}).status == 200
        _, log = server.end()
    assert token not in log
    assert token.rpartition("_")[2] not in log


@pytest.mark.alone
def test_it_answers_within_one_and_a_half_seconds(root: Path) -> None:
    times = []
    for _ in range(5):
        begun = time.monotonic()
        with started(root) as server:
            assert ask(server.url, "/readyz").status == 200
            times.append(time.monotonic() - begun)
    assert min(times) < 1.5, times  # what else the machine does only adds to it


def test_it_ends_while_clients_hold_idle_connections(root: Path) -> None:
    with started(root) as server:
        idle = [connect(server.url) for _ in range(20)]
        reading = threading.Thread(target=read_all, args=(idle[0],))
        reading.start()
        begun = time.monotonic()
        code, _ = server.end()
        assert (code, time.monotonic() - begun < 10) == (0, True)
        reading.join()
        for peer in idle:
            peer.close()


def test_several_processes_serve_one_postgresql(tmp_path: Path, postgresql: Databases) -> None:
    url = postgresql.empty()
    Repository.init(tmp_path, database=url).close()
    with started(tmp_path, "--workers", "3", STEMMA_DATABASE_URL=url) as server:

        def open_namespace(number: int) -> Got:
            headers = {"Idempotency-Key": f"k{number % 4}"}
            body = {"namespace": f"n{number % 4}"}
            return ask(server.url, "/api/v1/namespaces", method="POST", body=body, headers=headers)

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(open_namespace, range(48)))
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 4
        found = ask(server.url, "/api/v1/namespaces").json["namespaces"]
        assert found == ["n0", "n1", "n2", "n3"]
        assert ask(server.url, "/readyz").status == 200
        code, log = server.end()
    assert code == 0, log


def test_it_serves_this_folder_whatever_server_one_works_with(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_REPO", "https://models.example")
    with started(root) as server:
        assert ask(server.url, "/healthz").status == 200
    refused = process("--repo", "https://models.example", "serve", cwd=root)
    assert refused.code == 1
    assert "served already" in refused.err
