"""The logs of a server, verified by who does not trust it."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from stemma.client import Repository
from stemma.client.audit import verify_export
from stemma.errors import ConflictError, CorruptError
from tests.faults import Fault, weather
from tests.serving import serving


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test pins and a cache of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a repository with a log of some length."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.bin").write_bytes(b"weights")
    with Repository.init(tmp_path / "work") as repository:
        repository.push("bank/loans", tmp_path / "m", message="one")
        for number in range(300):
            repository.set_labels("bank/loans", {"turn": f"v{number}"})
    return tmp_path / "work"


def test_what_a_server_tells_is_what_its_folder_tells(root: Path) -> None:
    with Repository.open(root) as folder:
        here = folder.audit.verify()
    with serving(root) as url, Repository.open(url) as repository:
        there = repository.audit.verify()
        assert there.place == url
        assert not there.first_use, "the folder's keys are the server's keys"
        assert there.fingerprints == here.fingerprints
        assert {log.origin for log in there.logs} == {log.origin for log in here.logs}
        assert {(log.size, log.root) for log in there.logs} >= {
            (log.size, log.root) for log in here.logs if not log.origin.endswith("_system")
        }


def test_the_first_use_pins_and_the_next_compares(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        assert repository.audit.verify().first_use
        repository.set_labels("bank/loans", {"more": "v"})
        assert not repository.audit.verify().first_use


CHANGES = {
    "an entry is gone": "DELETE FROM entries WHERE namespace = 'bank' AND sequence > 300",
    "an entry is changed": "UPDATE entries SET data = CAST(data || ' ' AS BLOB) WHERE sequence = 3",
    "a signature is gone": "UPDATE checkpoints SET note = substr(note, 1, length(note) - 200)",
    "all logs are gone": "DELETE FROM entries",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # such a server signs no more
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_log_that_was_changed_on_the_server_is_refused(root: Path, change: str) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        repository.audit.verify()
    database = sqlite3.connect(root / ".stemma" / "stemma.db")
    with database:
        database.execute(change)
    database.close()
    with serving(root) as url, Repository.open(url) as repository, pytest.raises(CorruptError) as refused:
        repository.audit.verify()
    assert refused.value.place


def test_a_log_that_was_rewritten_and_signed_again_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "before")
    with serving(root) as url, Repository.open(url) as repository:
        repository.set_labels("bank/loans", {"seen": "v"})
        repository.audit.verify()
    with Repository.open(tmp_path / "before") as forged:
        for number in range(5):
            forged.set_labels("bank/loans", {f"other{number}": "v"})
    with (
        serving(tmp_path / "before") as url,
        Repository.open(url) as repository,
        pytest.raises(CorruptError, match="seen before"),
    ):
        repository.audit.verify()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # such a server signs no more
def test_other_keys_are_refused(root: Path, tmp_path: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        repository.audit.verify()
    Repository.init(tmp_path / "other").close()
    shutil.rmtree(root / ".stemma" / "keys")
    shutil.copytree(tmp_path / "other" / ".stemma" / "keys", root / ".stemma" / "keys")
    with serving(root) as url, Repository.open(url) as repository, pytest.raises(CorruptError, match="other keys"):
        repository.audit.verify()


def test_an_export_over_http_verifies_offline(root: Path, tmp_path: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        found = repository.audit.export(tmp_path / "evidence")
        assert all(log.unsigned == 0 for log in found.logs)
        assert found.records
        with pytest.raises(ConflictError):
            repository.audit.export(tmp_path / "evidence")
    again = verify_export(tmp_path / "evidence")
    assert not again.first_use
    assert again.logs == found.logs


def test_an_export_survives_a_bad_network(root: Path, tmp_path: Path) -> None:
    faults = [Fault.LOST_ANSWER, Fault.CUT_ANSWER, Fault.OVERLOADED]
    with serving(root) as url, weather(url, faults) as (there, sky), Repository.open(there) as repository:
        repository.audit.export(tmp_path / "evidence")
        assert [fault for fault, line in sky.seen if b"/export" in line].count(Fault.NONE) == 1
    verify_export(tmp_path / "evidence")
