"""`stemma config`."""

import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stemma import cli
from stemma.cli.answers import Config, ConfigChanged, ConfigValue
from stemma.cli.grouping import family
from stemma.cli.session import Session, pass_session
from stemma.cli.text import path_text, safe
from stemma.cli.toml import remove_value, set_value
from stemma.errors import InvalidError, NotFoundError
from stemma.settings import SETTINGS, Setting, Value, find_setting, repository_file, user_file


def _suggest_keys(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    return [CompletionItem(setting.key, help=setting.help) for setting in SETTINGS if setting.key.startswith(typed)]


key_argument = click.argument("key", metavar="KEY", shell_complete=_suggest_keys)
user_option = click.option("--user", is_flag=True, help="Your own settings, not the repository's.")


@family("config", "stemma config list", "stemma config set lock.timeout 60", "stemma config set color never --user")
def config() -> None:
    """Read and change settings.

    A setting comes from the first place that has it: the command line, the environment, the repository's
    .stemma/config.toml, your own config.toml, the default. Your own alone may hold secrets.
    """


@config.command("list", examples=("stemma config list", "stemma config list --json"), prints=Config)
@pass_session
def list_settings(session: Session) -> None:
    """List all settings with where they come from."""
    values = tuple(_view(value) for value in session.settings.values.values())
    session.answer(Config(settings=values), lambda: cli.drawing.sheets.settings(values))


@config.command("get", examples=("stemma config get lock.timeout",), prints=ConfigValue)
@key_argument
@pass_session
def show(session: Session, key: str) -> None:
    """Print the value of one setting; nothing where it is not set. Secrets are not printed."""
    view = _view(session.settings.values[find_setting(key).key])
    if session.json:
        session.emit(view)
        return
    session.line("" if view.value is None else safe(view.value))
    if view.secret:
        session.note(f"  {'set' if view.set else 'not set'}; secrets are not printed")
    session.note(f"  {view.help}")
    session.note(f"  from {view.origin} {safe(view.place)}".rstrip())


@config.command(
    "set",
    examples=("stemma config set lock.timeout 60", "stemma config set token - --user < token.txt"),
    prints=ConfigChanged,
)
@key_argument
@click.argument("value", metavar="VALUE")
@user_option
@pass_session
def change(session: Session, key: str, value: str, *, user: bool) -> None:
    """Write a setting to the repository's file, or with --user to your own.

    VALUE '-' is read from standard input, so that a secret does not stay in the shell's history. What a file holds
    beside it, comments too, stays.
    """
    setting = find_setting(key)
    path = _file(session, setting, user=user)
    text = sys.stdin.readline().rstrip("\r\n") if value == "-" else value
    try:
        read = setting.read(text)
    except ValueError as error:
        raise InvalidError(f"{key} {error}", hint=setting.help) from error
    _tell(session, key, path, changed=set_value(path, key, read if isinstance(read, int) else text))


@config.command("unset", examples=("stemma config unset color --user",), prints=ConfigChanged)
@key_argument
@user_option
@pass_session
def unset(session: Session, key: str, *, user: bool) -> None:
    """Remove a setting from the repository's file, or with --user from your own.

    A key that this release does not know is removed as well.
    """
    path = _place(session, user=user)
    changed = remove_value(path, key)
    if not changed:
        find_setting(key)
    _tell(session, key, path, changed=changed)


def _view(value: Value) -> ConfigValue:
    setting = value.setting
    shown = None if setting.secret or value.value is None else str(value.value)
    return ConfigValue(
        key=setting.key,
        value=shown,
        origin=value.origin.value,
        place=value.place,
        set=value.value is not None,
        secret=setting.secret,
        variable=setting.variable,
        help=setting.help,
    )


def _file(session: Session, setting: Setting, *, user: bool) -> Path:
    if not user and not setting.shared:
        raise InvalidError(
            f"{setting.key} is yours and not the repository's, whose file others read", hint="Add --user."
        )
    return _place(session, user=user)


def _place(session: Session, *, user: bool) -> Path:
    if user:
        return user_file()
    root = session.root
    if root is None:
        raise NotFoundError(
            "there is no repository here whose settings could be changed", hint="Add --user, or --repo."
        )
    return repository_file(root)


def _tell(session: Session, key: str, path: Path, *, changed: bool) -> None:
    if session.json:
        session.emit(ConfigChanged(key=key, file=path_text(path), changed=changed))
    else:
        session.note(f"{'Changed' if changed else 'Nothing to change in'} {safe(path_text(path))}")
