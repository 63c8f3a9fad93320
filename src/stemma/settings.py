"""Settings: the only reader of environment variables and configuration files.

A value comes from the first place that has it: flag, environment, repository (`.stemma/config.toml`), user
(`~/.config/stemma/config.toml`), default. Every value remembers its origin. Secrets are never read from a
repository's file, which is shared, and never printed.
"""

import getpass
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import platformdirs

from stemma.errors import InvalidError, NotFoundError, UnavailableError

REPOSITORY_FOLDER = ".stemma"
CONFIG_FILE = "config.toml"


class Origin(StrEnum):
    """Where a value came from, strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    REPOSITORY = "repository"
    USER = "user"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set: its key in files, its environment variable, how text is read."""

    key: str
    variable: str
    help: str
    read: Callable[[str], object] = str
    default: object = None
    secret: bool = False
    shared: bool = True
    others: tuple[str, ...] = ()
    """Variables of other programs that mean the same, used where its own is not set."""


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from."""

    setting: Setting
    value: object
    origin: Origin
    place: str = ""


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            msg = f"is {text!r}, not one of {', '.join(allowed)}"
            raise ValueError(msg)
        return text

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            msg = f"is {text!r}, not a whole number from {least} to {most}"
            raise ValueError(msg)
        return int(text)

    return read


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "repo", "STEMMA_REPO", "The repository to use: a folder that holds `.stemma`, or a server's URL.", shared=False
    ),
    Setting(
        "token",
        "STEMMA_TOKEN",
        "The token that authenticates you to a server; a folder asks for none.",
        secret=True,
        shared=False,
    ),
    Setting(
        "key.passphrase",
        "STEMMA_KEY_PASSPHRASE",
        "Opens the encrypted keys that sign the log; without it keys are stored unencrypted, readable by you only.",
        secret=True,
        shared=False,
    ),
    Setting(
        "user.name",
        "STEMMA_USER",
        "The name under which your changes are recorded; by default that of your account.",
        shared=False,
    ),
    Setting(
        "color",
        "STEMMA_COLOR",
        "Colours: `auto` (on a terminal), `always` or `never`.",
        _choice("auto", "always", "never"),
        "auto",
    ),
    Setting(
        "database.url",
        "STEMMA_DATABASE_URL",
        "The PostgreSQL database of a repository that was made with `stemma init --database`.",
        secret=True,
        shared=False,
    ),
    Setting(
        "lock.timeout",
        "STEMMA_LOCK_TIMEOUT",
        "Seconds to wait for another process that writes to the repository.",
        _whole(1, 3600),
        30,
    ),
    Setting(
        "server.timeout",
        "STEMMA_SERVER_TIMEOUT",
        "Seconds in which a server must say something.",
        _whole(1, 3600),
        30,
        shared=False,
    ),
    Setting(
        "server.patience",
        "STEMMA_SERVER_PATIENCE",
        "Seconds for which a call that failed on the way to a server is tried again.",
        _whole(0, 86_400),
        30,
        shared=False,
    ),
    Setting(
        "server.insecure",
        "STEMMA_SERVER_INSECURE",
        "Whether a token may travel where others can read it: `yes` allows http:// to other machines.",
        _choice("no", "yes"),
        "no",
        shared=False,
    ),
    Setting(
        "ca.bundle",
        "STEMMA_CA_BUNDLE",
        "A file of certificates in PEM, or a folder of them, that servers are trusted by instead of the system's; "
        "`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `SSL_CERT_FILE` are heeded too.",
        shared=False,
        others=("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    ),
    Setting(
        "cache.folder",
        "STEMMA_CACHE_FOLDER",
        "Where files and answers of servers are kept for when they are out of reach; by default your cache folder.",
        shared=False,
    ),
    Setting(
        "cache.limit",
        "STEMMA_CACHE_LIMIT",
        "MiB of files that are kept there, the least recently used go first; `0` keeps none.",
        _whole(0, 1 << 30),
        20_480,
        shared=False,
    ),
    Setting("serve.host", "STEMMA_SERVE_HOST", "The address that `stemma serve` listens on.", default="127.0.0.1"),
    Setting(
        "serve.port",
        "STEMMA_SERVE_PORT",
        "The port that `stemma serve` listens on; 0 takes one that is free.",
        _whole(0, 65535),
        8470,
    ),
    Setting(
        "serve.workers",
        "STEMMA_SERVE_WORKERS",
        "How many processes `stemma serve` uses; more than one pays off on PostgreSQL.",
        _whole(1, 64),
        1,
    ),
    Setting(
        "serve.origins",
        "STEMMA_SERVE_ORIGINS",
        "Origins under which people know the server, with commas between them, such as `https://models.example`.",
    ),
    Setting(
        "log.level",
        "STEMMA_LOG_LEVEL",
        "What the server logs: `debug`, `info`, `warning` or `error`, and all that is worse.",
        _choice("debug", "info", "warning", "error"),
        "info",
    ),
    Setting(
        "log.requests", "STEMMA_LOG_REQUESTS", "Whether the server logs each request.", _choice("yes", "no"), "yes"
    ),
    Setting(
        "webhooks.networks",
        "STEMMA_WEBHOOKS_NETWORKS",
        "Inside networks that webhooks may deliver to, such as `10.1.0.0/16`, with commas between them.",
        shared=False,
    ),
    Setting(
        "webhooks.http",
        "STEMMA_WEBHOOKS_HTTP",
        "Hosts that webhooks may deliver to by http, with commas between them; by default all get https only.",
        shared=False,
    ),
)
BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in SETTINGS}


def find_setting(key: str) -> Setting:
    """Return the setting called `key`, or raise a NotFoundError that lists what there is."""
    if key not in BY_KEY:
        msg = f"there is no setting {key!r}"
        raise NotFoundError(msg, hint=f"Settings are {', '.join(BY_KEY)}.")
    return BY_KEY[key]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its value and origin."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """Return a setting that is text, or None where it is not set."""
        value = self.values[key].value
        return None if value is None else str(value)

    def number(self, key: str) -> int:
        """Return a setting that is a whole number."""
        return int(str(self.values[key].value))


def load_settings(
    *,
    repository: Path | None = None,
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read all settings; `repository` is the folder that holds `.stemma`, if one is in use.

    A value that cannot be read is an InvalidError that names the variable or the file and key.
    """
    environment = os.environ if environment is None else environment
    files = [(Origin.USER, user_file(environment), read_file(user_file(environment)))]
    if repository is not None:
        path = repository_file(repository)
        files.insert(0, (Origin.REPOSITORY, path, read_file(path)))
    given = {key: text for key, text in (flags or {}).items() if text is not None}
    return Settings({setting.key: _value(setting, given, environment, files) for setting in SETTINGS})


def _value(
    setting: Setting,
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    files: list[tuple[Origin, Path, Mapping[str, str]]],
) -> Value:
    if setting.key in flags:
        return _read(setting, flags[setting.key], Origin.FLAG, f"--{setting.key}")
    if environment.get(setting.variable):
        return _read(setting, environment[setting.variable], Origin.ENVIRONMENT, setting.variable)
    for variable in setting.others:
        if environment.get(variable):
            return _read(setting, environment[variable], Origin.ENVIRONMENT, variable)
    if setting.key == "color" and environment.get("NO_COLOR"):  # https://no-color.org
        return Value(setting, "never", Origin.ENVIRONMENT, "NO_COLOR")
    for origin, path, texts in files:
        if setting.key in texts and (setting.shared or origin is Origin.USER):
            return _read(setting, texts[setting.key], origin, str(path))
    return Value(setting, setting.default, Origin.DEFAULT)


def _read(setting: Setting, text: str, origin: Origin, place: str) -> Value:
    try:
        return Value(setting, setting.read(text), origin, place)
    except ValueError as error:
        message = f"{setting.key} {error}"
        raise InvalidError(message, place=place, hint=setting.help) from error


def user_file(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's configuration file, which need not exist."""
    return user_folder(environment) / CONFIG_FILE


def user_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the user's configuration and pinned keys (`XDG_CONFIG_HOME`, else the platform's)."""
    home = (os.environ if environment is None else environment).get("XDG_CONFIG_HOME")
    return Path(home) / "stemma" if home else Path(platformdirs.user_config_dir("stemma"))


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what can be fetched again (`XDG_CACHE_HOME`, else the platform's)."""
    home = (os.environ if environment is None else environment).get("XDG_CACHE_HOME")
    return Path(home) / "stemma" if home else Path(platformdirs.user_cache_dir("stemma"))


def repository_file(repository: Path) -> Path:
    """Return the configuration file of a repository folder, which need not exist."""
    return repository / REPOSITORY_FOLDER / CONFIG_FILE


def read_file(path: Path) -> Mapping[str, str]:
    """Return the settings in a configuration file as dotted keys and texts; unknown keys are an InvalidError."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"not valid TOML: {error}"
        raise InvalidError(message, place=str(path)) from error
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise UnavailableError(message, place=str(path)) from error
    texts = dict(_flatten(tables, ""))
    for key in texts:
        if key not in BY_KEY:
            message = f"there is no setting {key!r}"
            raise InvalidError(message, place=str(path), hint=f"Settings are {', '.join(BY_KEY)}.")
    return texts


def _flatten(tables: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in tables.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows


def share_with_processes(variable: str, text: str) -> None:
    """Set a variable of the environment for the processes that this one starts from now on."""
    os.environ[variable] = text


def account_name() -> str:
    """Return the name of the operating system's account, or `unknown` where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def find_repository(start: Path) -> Path | None:
    """Return the nearest folder at or above `start` that holds `.stemma`, or None."""
    for folder in (start, *start.parents):
        if (folder / REPOSITORY_FOLDER).is_dir():
            return folder
    return None
