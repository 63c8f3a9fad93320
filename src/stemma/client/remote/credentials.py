"""Credentials: the tokens that `stemma login` keeps, by the address of their server.

    <user's configuration>/credentials.json    {"servers": {"https://stemma.example": {"token": "stm_…"}}}

The file is readable by its owner alone, and is not read where it is not. It is written beside its place and renamed,
and one process at a time changes it.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stemma.errors import ForbiddenError, InvalidError, UnavailableError
from stemma.settings import user_folder

FILE = "credentials.json"
_OTHERS = 0o077
_MAX_SIZE = 1 << 20


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown to one server."""

    token: str


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    servers: dict[str, Credential] = {}


def credentials_file() -> Path:
    """Return the file, which need not exist."""
    return user_folder() / FILE


def find_token(address: str) -> str | None:
    """Return the token for a server, None where none was kept."""
    found = _read(credentials_file()).get(address)
    return None if found is None else found.token


def kept_servers() -> tuple[str, ...]:
    """Return the addresses of the servers that a token is kept for."""
    return tuple(sorted(_read(credentials_file())))


def keep_token(address: str, token: str) -> None:
    """Keep a token for a server, instead of the one before."""
    with _alone() as path:
        _write(path, {**_read(path), address: Credential(token=token)})


def forget_token(address: str) -> bool:
    """Forget the token for a server; return whether there was one."""
    with _alone() as path:
        known = dict(_read(path))
        if known.pop(address, None) is None:
            return False
        _write(path, known)
    return True


def _read(path: Path) -> Mapping[str, Credential]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # what was looked at is what is read
            mode = os.fstat(descriptor).st_mode
            data = file.read(_MAX_SIZE)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", place=str(path)) from error
    if mode & _OTHERS:
        raise ForbiddenError(
            f"others can read these tokens (mode {mode & 0o777:03o})",
            place=str(path),
            hint="Run chmod 600 on it, and revoke the tokens if somebody else uses this machine.",
        )
    try:
        return msgspec.json.decode(data, type=_Kept).servers
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = "Remove it, and run 'stemma login' again."
        raise InvalidError(f"not a file of credentials: {error}", place=str(path), hint=hint) from error


def _write(path: Path, servers: Mapping[str, Credential]) -> None:
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    data = msgspec.json.format(msgspec.json.encode(_Kept(servers=dict(sorted(servers.items())))), indent=2) + b"\n"
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  # created above, for its owner alone
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(f"cannot be written: {error.strerror}", place=str(path)) from error


@contextmanager
def _alone() -> Iterator[Path]:
    """Give the file to one process at a time."""
    path = credentials_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"cannot be written: {error.strerror}", place=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)
