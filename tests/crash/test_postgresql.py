"""PostgreSQL killed at any moment while two processes write: nothing acknowledged is lost, nothing is half-done."""

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from stemma.access import Access
from stemma.backends.database.executor import Executor
from stemma.backends.database.postgresql.check import check
from stemma.backends.database.postgresql.rebuild import rebuild
from stemma.backends.database.postgresql.server import PostgresqlServer
from stemma.backends.database.transaction import Transaction
from stemma.names import ModelName, Reference
from stemma.records import Digest
from stemma.registry import ProtectedNames, Registry
from tests.postgresql import IDENTITY, running
from tests.registry.support import OWNER

MOMENTS = 50
ROOT = Path(__file__).parents[2]
REGISTRY = Registry(ProtectedNames())


def start(url: str, seed: int, output: Path) -> "subprocess.Popen[str]":
    """Start a process that writes; what it acknowledges goes to a file, since a full pipe would hold it up."""
    with output.open("w") as stdout:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.crash.registering", url, str(seed)],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )


@pytest.mark.slow
def test_a_killed_server_loses_nothing_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(7)
    with running(durable=True) as server, ExitStack() as ending:
        database = PostgresqlServer(server.create("crash"))
        database.create(IDENTITY)
        executor = Executor(database)
        for name in ("space0", "space1"):
            executor.write(lambda tx, n=name: REGISTRY.create_namespace(tx, OWNER, n))  # type: ignore[misc]  # a loop's own value
        executor.close()
        outputs = [tmp_path / f"output-{seed}" for seed in range(2)]
        writers = [ending.enter_context(start(database.url, seed, output)) for seed, output in enumerate(outputs)]
        for writer in writers:
            ending.callback(writer.kill)
        for _ in range(MOMENTS):
            time.sleep(chance.uniform(0.05, 0.3))  # a moment is what this is about
            server.kill()
            server.start()
        time.sleep(0.3)
        for writer in writers:
            _, errors = writer.communicate("", timeout=60)
            assert writer.returncode == 0, errors
        acknowledged = [line.split() for output in outputs for line in output.read_text().splitlines()]
        assert len(acknowledged) > MOMENTS
        assert len({model for model, _ in acknowledged}) == 8
        executor = Executor(PostgresqlServer(database.url))
        held = {model: manifests(executor, ModelName.parse(model)) for model in {model for model, _ in acknowledged}}
        executor.close()
        assert all(Digest.of(what.encode()) in held[model] for model, what in acknowledged)
        assert check(database) == ()
        assert rebuild(database, [Access().project, REGISTRY.project]).differences == ()


def manifests(executor: Executor, model: ModelName) -> set[Digest]:
    """Return the manifests of a model's versions, one for each; its alias must point at the last."""

    def read(tx: Transaction) -> set[Digest]:
        found: set[Digest] = set()
        before: int | None = None
        more = True
        while more:
            page, more = REGISTRY.versions.page(tx, OWNER, model, before=before, limit=1000)
            before = page[-1].sequence
            found |= {version.manifest for version in page}
        newest = REGISTRY.resolve(tx, OWNER, Reference.parse(f"{model}@newest"))
        assert newest.sequence == len(found) == REGISTRY.model(tx, OWNER, model).last
        return found

    return executor.read(read)
