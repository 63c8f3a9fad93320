"""Bytes over several processes of one repository: whichever takes a request, what is sent arrives once and whole."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from stemma.app import open_folder
from stemma.client import Repository
from stemma.client.progress import SILENCE
from stemma.client.remote.transfer import RemoteTransfer
from stemma.client.remote.transport import Transport
from stemma.errors import UnavailableError
from stemma.jobs import run
from stemma.operations.files.uploads import lease_of
from stemma.wire.native import uploads
from tests.http.test_serve import started
from tests.serving import serving
from tests.wire.native.test_transfer import TREE, read_tree, verify, write_tree

if TYPE_CHECKING:
    from tests.postgresql import Databases

SIZE = 12 << 20
CLIENTS = 4


@dataclass
class Scattered:
    """A transport that sends each request to whichever server comes up."""

    transports: list[Transport]
    generator: random.Random

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # of any kind
        return getattr(self.generator.choice(self.transports), name)


def wire(repository: Repository) -> RemoteTransfer:
    found: RemoteTransfer = repository._calls.files._wire  # type: ignore[attr-defined]  # noqa: SLF001  # past the cache
    return found


@pytest.mark.parametrize("seed", range(2))
def test_a_commit_is_made_once_whoever_is_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(uploads, "WAIT", 0.01)  # so that it is asked for again and again
    root = tmp_path / "root"
    Repository.init(root).close()
    source = write_tree(tmp_path / "source", {"large": random.Random(seed).randbytes(SIZE), "a/b": b"text"})
    with ExitStack() as stack:
        opened = [stack.enter_context(Repository.open(stack.enter_context(serving(root)))) for _ in range(2)]
        scattered = Scattered([wire(each).transport for each in opened], random.Random(seed))
        both = replace(wire(opened[0]), transport=cast("Transport", scattered))
        for number in range(2):
            (source / "new").write_bytes(random.Random(number).randbytes(SIZE))
            assert both.store("bank", source, follow_links=False, progress=SILENCE).files == 3
    with closing(open_folder(root)) as folder:
        assert not [
            each for each in folder.system.executor.read(lambda tx: tx.upkeep.leases()) if "commit" in each.name
        ]
    verify(root)


def test_a_commit_whose_process_was_killed_keeps_nobody_for_long(tmp_path: Path) -> None:
    """Its lease runs out, and is forgotten with the upload."""
    Repository.init(tmp_path).close()
    with closing(open_folder(tmp_path)) as folder:
        system, lease = folder.system, lease_of("0" * 32)
        system.executor.write(lambda tx: tx.upkeep.claim(lease, "who was killed", tx.now, tx.now), frozenset())
        run(system, ["uploads"])
        assert system.executor.read(lambda tx: tx.upkeep.lease(lease)) is None


@dataclass
class Breaking:
    """A transport whose server cannot be reached any more after so many requests."""

    transport: Transport
    left: int

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # of any kind
        self.left -= 1
        if self.left < 0:
            raise UnavailableError("somebody pulled the plug")
        return getattr(self.transport, name)


def test_transfer_by_two_workers_on_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: "Databases"
) -> None:
    database = postgresql.empty()
    for name, text in (("CONFIG_HOME", "home"), ("CACHE_HOME", "cache")):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / text))
    monkeypatch.setenv("STEMMA_DATABASE_URL", database)
    root = tmp_path / "root"
    Repository.init(root, database=database).close()
    sources = [
        write_tree(tmp_path / f"{n}", TREE | {"own": random.Random(n).randbytes(SIZE + n)}) for n in range(CLIENTS)
    ]
    sources.append(sources[0])  # the very same push twice at once
    with Repository.init(tmp_path / "mine") as mine:
        mine.push("team/cards", sources[0], message="from a folder")
        keys = mine.audit.verify().fingerprints

    with started(root, "--workers", "2", "--log-requests", "no") as server:

        def push(number: int) -> str:
            with Repository.open(server.url) as repository:
                if number % 2:
                    broken = cast("Transport", Breaking(wire(repository).transport, 6))
                    with pytest.raises(UnavailableError, match="plug"):
                        replace(wire(repository), transport=broken).store(
                            "bank", sources[number], follow_links=False, progress=SILENCE
                        )
                return repository.push(f"bank/m{number}", sources[number], message="x").version.reference

        with ThreadPoolExecutor(len(sources)) as pool:
            references = list(pool.map(push, range(len(sources))))
        with Repository.open(server.url) as repository, Repository.open(tmp_path / "mine") as mine:
            for number, reference in enumerate(references):
                repository.pull(reference, tmp_path / f"out-{number}")
                assert read_tree(tmp_path / f"out-{number}") == read_tree(sources[number])
            assert mine.sync_to(repository, trust_keys=keys).conflicts == ()
            assert repository.show("team/cards@latest").digest == mine.show("team/cards@latest").digest
        assert server.end()[0] == 0
    with Repository.open(root) as repository:
        assert len(list(repository.models())) == len(sources) + 1
        assert repository.verify(deep=True).sound
        assert repository.database.check() == ()
        repository.audit.verify()
    assert not any((root / ".stemma" / "uploads").glob("*/*.part*"))
