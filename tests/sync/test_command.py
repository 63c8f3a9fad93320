"""`stemma sync` and `stemma.sync`, as people run them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import stemma
from stemma.client import Repository
from stemma.client.syncing.answers import Synced
from stemma.errors import NotFoundError, RefusedError
from tests.cli.running import Ran
from tests.cli.running import stemma as run
from tests.sync.support import Author, past


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Make a repository with two versions, and an empty one."""
    with Repository.init(tmp_path / "here") as first:
        for number in range(2):
            Author(first, tmp_path / "files", seed=number).push("team/churn", f"message {number:03}")
    Repository.init(tmp_path / "there").close()
    return tmp_path / "here", tmp_path / "there"


def trusted(folder: Path) -> list[str]:
    """Return the options that vouch for the keys of a repository."""
    keys = json.loads(run("--repo", folder, "audit", "verify", "--json").out)["fingerprints"]
    return [option for key in keys for option in ("--trust-key", key)]


def test_the_way_over(folders: tuple[Path, Path]) -> None:
    here, there = folders
    plan = run("sync", here, there, "--plan")
    assert (plan.code, plan.err) == (0, "")
    assert plan.out.splitlines()[1].split() == ["team", "is", "new", "there", "11", "2", "4.0", "kB"]
    refused = run("sync", here, there, "--json")
    assert refused.code == 6
    assert "--trust-key sha256:" in refused.err
    done = run("sync", here, there, *trusted(here), "--json").read(Synced)
    assert [(each.namespace, each.relation, each.versions) for each in done.namespaces] == [("team", "new", 2)]
    again = run("sync", here, there)
    assert again.code == 0
    assert "is the same there" in again.out
    with Repository.open(here) as first, Repository.open(there) as second:
        assert past(first) == past(second)


def test_a_folder_that_is_new_becomes_a_repository(folders: tuple[Path, Path], tmp_path: Path) -> None:
    here, new = folders[0], tmp_path / "a" / "new"
    assert run("sync", here, new, "--plan", "--json").read(Synced).target == str(new)
    assert not new.exists()
    assert run("sync", here, new).code == 6  # nobody vouched for the keys
    assert not new.exists()
    assert run("sync", here, new, "--namespace", "nowhere").code == 3
    assert not new.exists()
    assert run("sync", here, new, *trusted(here)).code == 0
    with Repository.open(here) as first, Repository.open(new) as second:
        assert past(first) == past(second)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert run("sync", here, tmp_path / "full").code == 3
    (tmp_path / "empty").mkdir()
    assert run("sync", here, tmp_path / "empty", "--namespace", "nowhere").code == 3
    assert list((tmp_path / "empty").iterdir()) == []


def test_conflicts_are_told_and_end_with_5(folders: tuple[Path, Path], tmp_path: Path) -> None:
    here, there = folders
    keys = trusted(here)
    assert run("sync", here, there, *keys).code == 0
    for folder, seed in ((here, 5), (there, 6)):
        with Repository.open(folder) as repository:
            Author(repository, tmp_path / "files", seed=seed).push("team/churn", "apart 003")
    for options in (["--plan"], []):
        ran = run("sync", here, there, *options)
        assert ran.code == 5
        assert "conflict branch main of team/churn" in ran.out
        assert "conflict number 1.2.0 of team/churn" in ran.out
        assert "2 conflicts" in ran.err
    listed = run("sync", here, there, "--json")
    assert listed.code == 5
    assert [each["kind"] for each in json.loads(listed.out)["namespaces"][0]["conflicts"]] == ["branch", "number"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("sync", "here"), 2, "Missing argument 'DST'"),
        (("sync", "nowhere", "here"), 3, "nowhere"),
        (("sync", "here", "here"), 2, "same repository"),
        (("sync", "here", "there", "--namespace", "other"), 3, "there is no namespace 'other'"),
        (("sync", "here", "there", "--namespace", "_system"), 2, "belongs to one repository"),
        (("sync", "here", "there", "--trust-key", "sha256:1"), 6, "is signed by other keys"),
    ],
)
def test_what_makes_no_sense_is_told(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, told: str
) -> None:
    monkeypatch.chdir(folders[0].parent)
    ran: Ran = run(*arguments)
    assert ran.code == code
    assert told in ran.err


def test_a_person_at_a_terminal_is_asked(folders: tuple[Path, Path]) -> None:
    for answer, code in (("n", 6), ("y", 0)):
        master, slave = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "stemma", "sync", *map(str, folders), "--quiet"],
            stdin=slave,
            stdout=subprocess.DEVNULL,
            stderr=slave,
        ) as program:
            os.close(slave)
            os.write(master, f"{answer}\n".encode())
            told = drained(master)
            assert program.wait(60) == code, told
        assert "keys that were not seen before" in told
        assert "Are they its owner's?" in told
        os.close(master)


def drained(terminal: int) -> str:
    """Return all that is written to a terminal until nobody has it open any more."""
    told = b""
    try:
        while data := os.read(terminal, 4096):
            told += data
    except OSError:  # Linux ends a pseudo-terminal so
        pass
    return told.decode()


def test_from_python(folders: tuple[Path, Path]) -> None:
    here, there = folders
    with pytest.raises(RefusedError, match="nobody has confirmed"):
        stemma.sync(here, there)
    plan = stemma.sync(here, there, plan=True)
    assert plan.planned
    done = stemma.sync(here, there, trust_keys=plan.fingerprints, namespaces=["team"])
    assert done.conflicts == ()
    with stemma.open(there) as repository:
        assert repository.show("team/churn@latest").message.what == "message 001"
    assert stemma.sync(here, there.parent / "new", trust_keys=plan.fingerprints).conflicts == ()
    with pytest.raises(NotFoundError):
        stemma.sync(there.parent / "nowhere", there)
