"""`stemma login` and `logout`: what is kept where, and what is asked of the server."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stemma.cli.answers import LoggedIn, LoggedOut
from stemma.client.repository import Repository
from stemma.operations.people.values import Identity
from tests.cli.running import stemma
from tests.serving import serving


class Guarded:
    """A server with one admin, and what would be kept of a login to it."""

    def __init__(self, url: str, token: str, home: Path) -> None:
        self.url = url
        self.token = token
        self.kept = home / "stemma" / "credentials.json"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STEMMA_TOKEN", raising=False)
    with Repository.init(tmp_path / "served") as repository:
        repository.people.add("Ada", role="admin", namespace="*")
        token = repository.tokens.create("Ada").secret
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path / "served") as url:
        yield Guarded(url, token, home)


def test_a_token_is_kept_where_only_its_owner_reads_and_is_shown_from_then_on(server: Guarded) -> None:
    assert stemma("whoami", "--repo", server.url).code == 4
    ran = stemma("login", server.url, "--json", given=server.token + "\n")
    answer = ran.read(LoggedIn)
    assert (answer.identity.name, answer.identity.authentication) == ("Ada", "token")
    assert server.token not in ran.out + ran.err
    assert server.kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(server.kept.read_text()) == {"servers": {server.url: {"token": server.token}}}
    identity = stemma("whoami", "--repo", server.url + "/", "--json").read(Identity)
    assert identity.name == "Ada"
    assert identity.token is not None
    assert sorted(path.name for path in server.kept.parent.iterdir()) == ["credentials.json", "credentials.lock"]


def test_the_environment_comes_before_what_is_kept(server: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    stemma("login", server.url, given=server.token)
    monkeypatch.setenv("STEMMA_TOKEN", "stm_" + "0" * 24 + "_" + "0" * 64)
    assert stemma("whoami", "--repo", server.url).code == 4


def test_a_token_from_a_file(server: Guarded, tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text(f"\n{server.token}\n")
    assert stemma("login", server.url, "--token-file", tmp_path / "token.txt").code == 0
    assert server.kept.exists()
    assert stemma("login", server.url, "--token-file", tmp_path / "nothing.txt").code == 8


@pytest.mark.parametrize("given", ["", "hello", "stm_" + "0" * 24 + "_" + "0" * 63, "x" * 10_000])
def test_what_is_no_token_is_sent_nowhere_and_not_kept(server: Guarded, given: str) -> None:
    ran = stemma("login", "https://127.0.0.1:1", given=given)
    assert (ran.code, ran.out) == (2, "")
    assert "this is not a token" in ran.err
    assert not server.kept.exists()


def test_what_the_server_refuses_is_not_kept(server: Guarded) -> None:
    ran = stemma("login", server.url, given="stm_" + "0" * 24 + "_" + "0" * 64)
    assert (ran.code, ran.out) == (4, "")
    assert not server.kept.exists()


def test_a_token_is_forgotten_and_revoked(server: Guarded) -> None:
    stemma("login", server.url, given=server.token)
    assert stemma("logout", "--json").read(LoggedOut) == LoggedOut(server=server.url, revoked=False)
    assert stemma("whoami", "--repo", server.url).code == 4
    assert stemma("logout", server.url).code == 3
    assert stemma("logout").code == 2
    stemma("login", server.url, given=server.token)
    assert stemma("logout", server.url, "--revoke", "--json").read(LoggedOut).revoked
    assert stemma("login", server.url, given=server.token).code == 4


def test_each_server_has_its_own_token(server: Guarded) -> None:
    stemma("login", server.url, given=server.token)
    kept = json.loads(server.kept.read_text())
    kept["servers"]["https://stemma.example"] = {"token": "stm_" + "1" * 24 + "_" + "1" * 64}
    server.kept.write_text(json.dumps(kept))
    assert stemma("whoami", "--repo", server.url).code == 0
    ran = stemma("logout")
    assert ran.code == 2
    assert "https://stemma.example" in ran.err
    assert stemma("logout", "https://stemma.example").code == 0
    assert list(json.loads(server.kept.read_text())["servers"]) == [server.url]


def test_a_file_that_others_can_read_is_not_used(server: Guarded) -> None:
    stemma("login", server.url, given=server.token)
    os.chmod(server.kept, 0o644)  # noqa: PTH101  # as somebody would
    ran = stemma("whoami", "--repo", server.url)
    assert (ran.code, ran.out) == (4, "")
    assert "others can read these tokens (mode 644)" in ran.err
    assert server.token not in ran.err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"servers": 1}', '{"servers": {"x": {"token": 1}}}', "[" * 100_000])
def test_a_file_that_is_damaged_is_said_to_be(server: Guarded, text: str) -> None:
    server.kept.parent.mkdir(parents=True, exist_ok=True)
    server.kept.write_text(text)
    server.kept.chmod(0o600)
    ran = stemma("whoami", "--repo", server.url)
    assert (ran.code, ran.out) == (2, "")
    assert "not a file of credentials" in ran.err
