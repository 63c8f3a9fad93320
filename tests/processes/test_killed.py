"""A server killed at any moment, with writers at it: what it acknowledged is there, once, and nothing is half-done."""

import http.client
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stemma.client import Repository
from tests.http.asking import ask
from tests.http.test_serve import started
from tests.serving import free_port

MOMENTS, WRITERS = 50, 4
MODEL = "bank/loans"
PAUSE = 0.03


@dataclass
class Writer(threading.Thread):
    """Registers versions and moves an alias, one after the other, and repeats each request until it is answered."""

    url: str
    manifest: str
    number: int
    ends: threading.Event
    acknowledged: list[str] = field(default_factory=list)
    repeated: int = 0
    failed: Exception | None = None

    def __post_init__(self) -> None:
        super().__init__(name=f"writer-{self.number}")

    def __hash__(self) -> int:
        return self.number

    def run(self) -> None:
        try:
            while not self.ends.is_set():
                what = f"writer {self.number}, version {len(self.acknowledged)}"
                body = {"model": MODEL, "manifest": self.manifest, "what": what, "metrics": [{"name": "m", "value": 1}]}
                digest = self.until_answered("POST", "/api/v1/versions", body)["version"]["digest"]
                self.acknowledged.append(digest)
                alias = {"model": MODEL, "alias": f"of-{self.number}", "selector": digest}
                self.until_answered("PUT", "/api/v1/alias", alias)
        except Exception as error:  # noqa: BLE001  # told by the test
            self.failed = error

    def until_answered(self, method: str, path: str, body: object) -> dict[str, dict[str, str]]:
        """Ask until there is an answer; the key makes sure that it is done once."""
        key = f"{self.name}-{time.monotonic_ns()}"
        while True:
            try:
                got = ask(self.url, path, method=method, body=body, headers={"Idempotency-Key": key})
            except (OSError, http.client.HTTPException):
                self.repeated += 1
                time.sleep(PAUSE)
                continue
            assert got.status == 200, got
            answer: dict[str, dict[str, str]] = got.json
            return answer


@pytest.mark.slow
def test_a_server_killed_at_random_moments(tmp_path: Path) -> None:
    root, source = tmp_path / "repository", tmp_path / "source"
    source.mkdir()
    (source / "weights.bin").write_bytes(b"weights")
    with Repository.init(root) as made:
        manifest = made.push(MODEL, source, message="the first").version.manifest
    generator, ends = random.Random(20261124), threading.Event()
    writers: list[Writer] = []
    port = str(free_port())
    for _ in range(MOMENTS):
        with started(root, "--log-requests", "no", "--port", port) as server:
            if not writers:
                writers = [Writer(server.url, manifest, number, ends) for number in range(WRITERS)]
                for writer in writers:
                    writer.start()
            time.sleep(generator.uniform(0.0, 0.3))
            server.process.kill()
    with started(root, "--log-requests", "no", "--port", port):
        time.sleep(0.5)
        ends.set()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
            assert writer.failed is None, writer.failed
    check(root, writers)


def check(root: Path, writers: list[Writer]) -> None:
    """Assert that the repository is whole and holds what was acknowledged, once."""
    assert sum(writer.repeated for writer in writers) > MOMENTS
    with Repository.open(root) as repository:
        assert repository.database.check() == ()
        assert repository.database.rebuild().differences == ()
        assert repository.verify(deep=True).sound
        repository.audit.verify()
        versions = list(repository.versions(MODEL))
        assert [version.sequence for version in versions] == list(range(len(versions), 0, -1))
        messages = Counter(version.message.what for version in versions)
        assert max(messages.values()) == 1, messages.most_common(3)
        digests = {version.digest for version in versions}
        assert len(versions) == 1 + sum(len(writer.acknowledged) for writer in writers)
        for writer in writers:
            assert set(writer.acknowledged) <= digests
            assert len(writer.acknowledged) > MOMENTS / WRITERS
            assert all(version.metrics for version in versions if version.digest in writer.acknowledged)
            held = repository.show(f"{MODEL}@of-{writer.number}").digest
            assert held == writer.acknowledged[-1]
            moves = list(repository.aliases.history(MODEL, f"of-{writer.number}"))
            assert len(moves) == len(writer.acknowledged)
