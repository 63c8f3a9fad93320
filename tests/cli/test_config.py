"""Settings by command: what is written, what stays, what is refused."""

from pathlib import Path

import pytest

from stemma.cli.answers import Config, ConfigChanged, ConfigValue
from tests.cli.running import stemma


@pytest.fixture
def place() -> str:
    """Stay in a folder: that is where a repository's settings are."""
    return "folder"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make what passes for a repository as far as settings go, and a home for the user's own."""
    (tmp_path / "work/.stemma").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "work/.stemma/config.toml"


@pytest.fixture
def own(repository: Path) -> Path:
    return repository.parents[2] / "home/stemma/config.toml"


def test_a_setting_is_written_read_and_removed(repository: Path) -> None:
    changed = stemma("config", "set", "lock.timeout", "60", "--json").read(ConfigChanged)
    assert changed == ConfigChanged(key="lock.timeout", file=str(repository), changed=True)
    assert repository.read_text() == "[lock]\ntimeout = 60\n"
    value = stemma("config", "get", "lock.timeout", "--json").read(ConfigValue)
    assert (value.value, value.origin, value.place) == ("60", "repository", str(repository))
    assert stemma("config", "get", "lock.timeout").out == "60\n"
    assert not stemma("config", "set", "lock.timeout", "60", "--json").read(ConfigChanged).changed
    assert stemma("config", "unset", "lock.timeout", "--json").read(ConfigChanged).changed
    assert repository.read_text() == ""
    assert not stemma("config", "unset", "lock.timeout", "--json").read(ConfigChanged).changed


def test_comments_order_and_other_tables_stay(repository: Path) -> None:
    repository.write_text('# ours\ncolor = "never"  # dull terminals\n\n[lock]\n# patience\ntimeout = 5\n')
    stemma("config", "set", "lock.timeout", "7")
    stemma("config", "set", "color", "always")
    text = repository.read_text()
    assert '# ours\ncolor = "always"  # dull terminals\n' in text
    assert "[lock]\n# patience\ntimeout = 7\n" in text
    settings = stemma("config", "list", "--json").read(Config).settings
    assert {s.key: s.value for s in settings if s.origin == "repository"} == {"color": "always", "lock.timeout": "7"}


def test_a_secret_is_the_users_and_never_printed(repository: Path, own: Path) -> None:
    refused = stemma("config", "set", "token", "s3cret")
    assert refused.code == 2
    assert "--user" in refused.err
    assert not repository.exists()
    assert stemma("config", "set", "token", "-", "--user", given="s3cret\nmore\n").code == 0
    assert own.read_text() == 'token = "s3cret"\n'
    assert own.stat().st_mode & 0o077 == 0
    for line in (["list"], ["list", "--json"], ["get", "token"], ["get", "token", "--json"]):
        ran = stemma("config", *line)
        assert ran.code == 0
        assert "s3cret" not in ran.out + ran.err
    assert stemma("config", "get", "token", "--json").read(ConfigValue).set


def test_a_link_to_a_file_of_settings_stays_a_link(repository: Path, own: Path) -> None:
    kept = own.parents[2] / "dotfiles.toml"
    kept.write_text("# kept elsewhere\n")
    kept.chmod(0o640)
    own.parent.mkdir(parents=True)
    own.symlink_to(kept)
    assert stemma("config", "set", "color", "never", "--user").code == 0
    assert own.is_symlink()
    assert kept.read_text() == '# kept elsewhere\ncolor = "never"\n'
    assert kept.stat().st_mode & 0o777 == 0o640
    assert not repository.exists()


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["set", "lock.timeout", "0"], 2, "'0'"),
        (["set", "lock.timeout", "ten"], 2, "'ten'"),
        (["set", "color", "blue"], 2, "auto, always, never"),
        (["set", "colour", "never"], 3, "colour"),
        (["get", "colour"], 3, "colour"),
        (["unset", "colour"], 3, "colour"),
        (["set", "repo", "elsewhere"], 2, "--user"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_written(
    repository: Path, own: Path, line: list[str], code: int, said: str
) -> None:
    ran = stemma("config", *line)
    assert ran.code == code
    assert said in ran.err
    assert not repository.exists()
    assert not own.exists()


def test_a_file_that_is_no_toml_is_left_alone(repository: Path) -> None:
    repository.write_text("color = never\n")
    for line in (["set", "lock.timeout", "2"], ["unset", "color"], ["list"]):
        ran = stemma("config", *line)
        assert ran.code == 2
        assert str(repository) in ran.err
    assert repository.read_text() == "color = never\n"


def test_a_key_that_is_unknown_can_be_removed(repository: Path) -> None:
    repository.write_text('[old]\nname = "x"\n')
    assert stemma("config", "list").code == 2
    assert stemma("config", "unset", "old.name").code == 0
    assert stemma("config", "list").code == 0


def test_a_value_where_a_table_is_needed_is_refused(repository: Path) -> None:
    repository.write_text("lock = 3\n")
    assert stemma("config", "set", "lock.timeout", "4").code == 2
    assert repository.read_text() == "lock = 3\n"


def test_without_a_repository_the_users_file_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = stemma("config", "set", "lock.timeout", "2")
    assert ran.code == 3
    assert "--user" in ran.err


def test_a_folder_that_cannot_be_written_is_unavailable(own: Path) -> None:
    own.parent.parent.mkdir()
    own.parent.write_text("a file where the folder should be")
    assert stemma("config", "set", "lock.timeout", "2", "--user").code == 8


@pytest.mark.parametrize(
    ("options", "environment", "colored"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        ([], {"STEMMA_COLOR": "always"}, True),
        (["--color", "never"], {"STEMMA_COLOR": "always"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_are_for_terminals_or_on_request(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    environment: dict[str, str],
    colored: bool,
) -> None:
    del repository
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in stemma("config", "list", *options).out) is colored
    assert "\x1b[" not in stemma("config", "list", "--json", *options).out
