"""Proofs whose signatures hold, by whoever made keys for it, over what no repository would have entered."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stemma.client import Repository
from stemma.errors import CorruptError, InvalidError
from stemma.ledger import Actor, Draft, Entry, Fact, Thing
from stemma.ledger.evidence.checkpoint import Checkpoint, sign_checkpoint
from stemma.ledger.evidence.note import Algorithm, SignatureLine, SignedNote, VerifierKey
from stemma.ledger.tree import hash_leaf
from stemma.operations.exchange.importing import IMPORT
from stemma.operations.exchange.values import ImportVersion
from stemma.records import Digest
from tests.ledger.logs import keys, signers
from tests.sync.support import Author, calls, read

ELSEWHERE = f"stemma/{'e' * 32}"
TIME = 10**15


@dataclass(frozen=True)
class Forger:
    """Knows a version's record, and signs whatever log it is said to stand in."""

    repository: Repository
    record: str

    def take(self, facts: dict[str, Fact], name: str = ELSEWHERE, branch: str = "main") -> Any:  # noqa: ANN401  # a view
        """Have the version taken from a log called `name`, by an entry with these facts."""
        digest = Digest.of(self.record.encode())
        draft = Draft(
            "team",
            Actor("user", "u_" + "9" * 32),
            "version.register",
            Thing("version", "team/x", digest),
            after=digest,
            facts=facts,
        )
        entry = Entry.at(draft, sequence=0, time=TIME, skewed=False).encode()
        asked = ImportVersion(
            namespace="team",
            note=_sign(f"{name}/team", entry),
            keys=tuple(str(VerifierKey(name, key)) for key in keys()) if len(name) < 250 else _long(name),
            entry=entry.decode(),
            path=(),
            records=(self.record,),
            texts=(),
            people=(),
            manifests=(),
            branch=branch,
        )
        return calls(self.repository).run(IMPORT, asked)


def _sign(origin: str, entry: bytes) -> str:
    if len(origin) <= 255:
        return sign_checkpoint(Checkpoint(origin, 1, hash_leaf(entry)), signers(), TIME).decode()
    text = Checkpoint("short/team", 1, hash_leaf(entry)).text
    lines = []
    for signer in signers():
        prefix = bytes(8) if signer.public_key.algorithm is Algorithm.ML_DSA_44 else b""
        lines.append(SignatureLine(origin, bytes(4), prefix + signer.sign(text.encode())))
    return SignedNote(text, tuple(lines)).encode().decode()


def _long(name: str) -> tuple[str, ...]:
    """Return keys as printed under a name that is too long for one."""
    return tuple(str(VerifierKey("a", key)).replace("a+", f"{name}+", 1) for key in keys())


@pytest.fixture
def forger(tmp_path: Path) -> Forger:
    """Make a repository with a version, and somebody who forges where it came from."""
    repository = Repository.init(tmp_path / "target")
    digest = Digest(repository.show(Author(repository, tmp_path / "files").push("team/churn", "message 001")).digest)
    record = read(repository, lambda tx: tx.records.read(digest))
    assert record is not None
    return Forger(repository, record.decode())


def size(forger: Forger) -> int:
    return read(forger.repository, lambda tx: tx.ledger.head("team").size + tx.ledger.head("_system").size)


@pytest.mark.parametrize("facts", [{}, {"model": 1}, {"model": None}, {"model": ["x"]}, {"model": {"a": "x"}}])
def test_an_entry_that_names_no_model_is_corrupt(forger: Forger, facts: dict[str, Fact]) -> None:
    before = size(forger)
    with pytest.raises(CorruptError, match="names no model"):
        forger.take(facts)
    assert size(forger) == before


@pytest.mark.parametrize("model", ["../x", "", "X", "a/b", "a\nb", "x" * 64])
def test_an_entry_that_names_what_is_no_model_is_refused(forger: Forger, model: str) -> None:
    before = size(forger)
    with pytest.raises(InvalidError):
        forger.take({"model": model})
    assert size(forger) == before


@pytest.mark.parametrize("length", [251, 255, 300, 5000])
def test_keys_under_a_name_that_is_too_long_are_corrupt(forger: Forger, length: int) -> None:
    before = size(forger)
    with pytest.raises(CorruptError):
        forger.take({"model": "x"}, name="s" * length)
    assert size(forger) == before
