"""What is known of a server that cannot be reached: what it said before, to whom, and when."""

import shutil
import time
from pathlib import Path

import pytest
from msgspec import json

from stemma.client import Repository
from stemma.client.remote.calls import OfflineWarning, moves
from stemma.errors import CorruptError, NotFoundError, StemmaError, UnavailableError, UnsupportedError
from stemma.operations.requests import OfReference, Resolve
from tests.faults import SOON, answer, scripted
from tests.serving import free_port, serving


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository with two versions and an alias."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STEMMA_SERVER_PATIENCE", "0")
    (tmp_path / "m").mkdir()
    with Repository.init(tmp_path / "work") as repository:
        for number in range(2):
            (tmp_path / "m" / "weights.bin").write_bytes(bytes([number]) * 1000)
            repository.push("bank/loans", tmp_path / "m", message=f"push {number}")
        repository.aliases.set("bank/loans", "production", "1.0.0")
    return tmp_path / "work"


def test_exact_references_are_answered_silently_from_before(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        shown = repository.show("bank/loans@production")
        files = repository.files(f"bank/loans@{shown.digest}")
    warned: list[str] = []
    with Repository.open(url, warn=warned.append) as repository:
        for selector in (shown.digest, "1.0.0", "v1"):
            assert repository.show(f"bank/loans@{selector}") == shown
        assert repository.files(f"bank/loans@{shown.digest}") == files
        with pytest.raises(UnavailableError):
            repository.show("bank/loans@1.1.0")
    assert warned == []


def test_names_that_move_are_answered_with_a_warning_that_says_from_when(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        shown = [
            repository.show(f"bank/loans{selector}") for selector in ("@production", "@latest", "@main", "@^1.0", "")
        ]
    warned: list[str] = []
    with Repository.open(url, warn=warned.append) as repository:
        again = [
            repository.show(f"bank/loans{selector}") for selector in ("@production", "@latest", "@main", "@^1.0", "")
        ]
    assert again == shown
    assert len(warned) == 5
    assert all(url in each and "bank/loans" in each and " UTC" in each for each in warned)
    with Repository.open(url) as repository, pytest.warns(OfflineWarning, match="production"):
        repository.show("bank/loans@production")


def test_changes_and_other_questions_fail(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        repository.show("bank/loans@production")
        list(repository.models())
    with Repository.open(url) as repository:
        for ask in (
            lambda: repository.aliases.set("bank/loans", "production", "1.1.0"),
            lambda: list(repository.models()),
            lambda: repository.withdraw("bank/loans@1.1.0", "no"),
            lambda: repository.tree("bank/loans"),
        ):
            with pytest.raises(UnavailableError) as raised:
                ask()
            assert raised.value.place == url


def test_nobody_is_answered_what_another_token_was_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        repository.show("bank/loans@1.0.0")
    monkeypatch.setenv("STEMMA_TOKEN", "stm_other")
    with Repository.open(url) as repository, pytest.raises(UnavailableError):
        repository.show("bank/loans@1.0.0")


def test_what_the_server_refuses_is_refused_whatever_was_kept(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        repository.show("bank/loans@production")
        with Repository.open(root) as folder:
            folder.aliases.delete("bank/loans", "production")
        with pytest.raises(NotFoundError):
            repository.show("bank/loans@production")


def test_another_repository_at_the_same_address_is_not_confused(root: Path, tmp_path: Path) -> None:
    port = free_port()
    with serving(root, port=port) as url, Repository.open(url) as repository:
        mine = repository.show("bank/loans@1.0.0")
    other = tmp_path / "other"
    with Repository.init(other) as repository:
        (tmp_path / "m" / "weights.bin").write_bytes(b"other")
        theirs = repository.push("bank/loans", tmp_path / "m", message="other").version
    with serving(other, port=port), Repository.open(url) as repository:
        assert repository.show("bank/loans@1.0.0") == theirs
    with Repository.open(url) as repository:
        assert repository.show("bank/loans@1.0.0") == theirs
        assert theirs.digest != mine.digest
        with pytest.raises(UnavailableError):
            repository.show(f"bank/loans@{mine.digest}")


def test_a_server_that_claims_to_be_another_is_not_believed_without_it(root: Path, tmp_path: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        mine = repository.show("bank/loans@1.0.0")
    evil = tmp_path / "evil"
    shutil.copytree(root, evil)
    with Repository.open(evil) as repository:
        repository.set_labels("bank/loans@1.0.0", {"owner": "evil"})
    with serving(evil) as elsewhere, Repository.open(elsewhere) as repository:
        assert repository.show("bank/loans@1.0.0") != mine
    with Repository.open(url) as repository:
        assert repository.show("bank/loans@1.0.0") == mine


@pytest.mark.parametrize("identity", ["../../../outside", "/{}", "", "a\\u0000b", "A" * 32])
def test_an_identity_that_is_none_names_no_folder(root: Path, tmp_path: Path, identity: str) -> None:
    identity = identity.format(f"{tmp_path}/outside")
    with serving(root) as url, Repository.open(url) as repository:
        shown = repository.show("bank/loans@1.0.0")
    before = {path for path in tmp_path.rglob("*") if "addresses" not in path.parts}
    server = f'{{"repository": "{identity}", "release": "1"}}'.encode()
    with scripted(answer(200, json.encode(shown)), answer(200, server)) as (url, _), Repository.open(url) as repository:
        assert repository.show("bank/loans@1.0.0") == shown
        with pytest.raises(UnsupportedError):
            repository._calls.identity()  # type: ignore[attr-defined]  # noqa: SLF001  # what names the folders
    assert {path for path in tmp_path.rglob("*") if "addresses" not in path.parts} == before


def test_what_was_fetched_is_there_at_once_whatever_the_patience(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        repository.pull("bank/loans@1.0.0", tmp_path / "before")
    monkeypatch.setenv("STEMMA_SERVER_PATIENCE", "600")
    begun = time.monotonic()
    with Repository.open(url) as repository:
        repository.pull("bank/loans@1.0.0", tmp_path / "after")
    assert time.monotonic() - begun < SOON
    assert (tmp_path / "after" / "weights.bin").read_bytes() == (tmp_path / "before" / "weights.bin").read_bytes()


def test_a_digest_is_answered_with_the_version_that_has_it(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        shown = repository.show("bank/loans@1.0.0")
    with scripted(answer(200, json.encode(shown))) as (url, _), Repository.open(url) as repository:
        for reference in (f"bank/loans@sha256:{'0' * 64}", "bank/loans@sha256:00000000", f"bank/other@{shown.digest}"):
            with pytest.raises(CorruptError, match="the answer is"):
                repository.show(reference)
        assert repository.show(f"bank/loans@{shown.digest}") == shown
        assert repository.show(f"bank/loans@{shown.digest[:20]}") == shown


def test_a_server_that_comes_back_is_asked_again(root: Path) -> None:
    port = free_port()
    with serving(root, port=port) as url, Repository.open(url) as repository:
        repository.show("bank/loans@production")
    warned: list[str] = []
    with Repository.open(url, warn=warned.append) as repository:
        repository.show("bank/loans@production")
        assert len(warned) == 1
        with Repository.open(root) as folder:
            folder.aliases.set("bank/loans", "production", "1.1.0")
        with serving(root, port=port):
            with pytest.raises(StemmaError) as refused:
                repository.show("bank/loans@nobody")
            assert not isinstance(refused.value, UnavailableError)
            assert repository.show("bank/loans@production").number == "1.1.0"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("a/b", True),
        ("a/b@latest", True),
        ("a/b@main", True),
        ("a/b@^1.2", True),
        ("a/b@1.2.0", False),
        ("a/b@v7", False),
        ("a/b@7", False),
        (f"a/b@sha256:{'0' * 64}", False),
        ("a/b@sha256:00000000", False),
    ],
)
def test_it_is_known_what_can_move(reference: str, expected: bool) -> None:
    assert moves(OfReference(reference=reference)) is expected
    assert not moves(Resolve(reference=reference, at="2026-01-01T00:00:00Z"))


def test_what_is_for_folders_says_what_to_do_instead(root: Path) -> None:
    with serving(root) as url, Repository.open(url) as repository:
        for ask in (
            repository.database.check,
            repository.database.rebuild,
            repository.database.migrate,
            repository.verify,
        ):
            with pytest.raises(UnsupportedError) as refused:
                ask()
            assert refused.value.place == url
            assert "folder" in refused.value.hint
        with pytest.raises(UnsupportedError):
            str(repository.root)
        with pytest.raises(UnsupportedError):
            Repository.init(url)
        assert repository.place == url
