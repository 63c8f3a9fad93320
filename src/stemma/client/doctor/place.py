"""Where a repository is: the disk and the keys of a folder, the way to a server, and who one is there."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from stemma.client.answers import Finding
from stemma.client.doctor.finding import fail, ok, warn
from stemma.client.doctor.machine import OTHERS
from stemma.client.remote.calls import RemoteCalls
from stemma.operations.people.values import Identity
from stemma.operations.server import SERVER

_LITTLE_BYTES = 1 << 30
_LITTLE_SHARE = 0.02
_SLACK = 60.0
_SLOW = 1.0
_SOON = timedelta(days=14)


def disk(root: Path) -> Iterator[Finding]:
    """Yield how much room is left, in bytes and in files."""
    free = shutil.disk_usage(root).free
    if free < _LITTLE_BYTES:
        yield fail("disk", f"{free / 1e9:.2f} GB free", "A push that finds the disk full stores nothing: make room.")
    else:
        yield ok("disk", f"{free / 1e9:,.1f} GB free")
    system = os.statvfs(root)
    if system.f_files and system.f_favail < system.f_files * _LITTLE_SHARE:
        yield warn("inodes", f"{system.f_favail:,} of {system.f_files:,} free", "Delete small files on this disk.")
    elif system.f_files:
        yield ok("inodes", f"{system.f_favail:,} free")


def permissions(folder: Path) -> Iterator[Finding]:
    """Yield whether the folder can be used, and whether its keys are its owner's alone."""
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield fail("permissions", f"{folder} cannot be written by you", "See who owns it.")
    keys = folder / "keys"
    files = sorted(keys.iterdir()) if os.access(keys, os.R_OK | os.X_OK) else []
    opened = [key for key in (keys, *files) if key.exists() and key.stat().st_mode & OTHERS]
    for key in opened:
        yield fail("keys", f"{key} can be read by others", f"chmod go= {key}")
    if not files:
        yield warn("keys", "there are none", "Restore them from where you keep them: see 'stemma restore --help'.")
    elif not opened:
        yield ok("keys", f"{len(files)} files, readable by you alone")


def leftovers(folder: Path) -> Iterator[Finding]:
    """Yield what killed processes left in a folder, which nobody will use again."""
    left = [path.name for path in folder.parent.glob(f"{folder.name}-*.tmp")]
    left += [path.name for path in folder.glob("rebuild-*")]
    if left:
        yield warn("leftovers", ", ".join(sorted(left)), "Delete them when no process uses the repository.")


def way(calls: RemoteCalls) -> Iterator[Finding]:
    """Yield whether a server answers, how fast, and how far its clock is from this one."""
    begin = time.time()
    reply = calls.transport.ask("GET", SERVER.path)
    seconds = time.time() - begin
    said = f"{calls.place} answers in {seconds * 1000:.0f} ms"
    if seconds > _SLOW:
        yield warn("server", said, "The way there is slow: see the network, or the server's load.")
    else:
        yield ok("server", said)
    yield from skew(reply.headers, begin + seconds / 2)


def skew(headers: Mapping[str, str], now: float) -> Iterator[Finding]:
    """Yield how far the clock that wrote a `Date` header is from `now`; nothing where there is no such header."""
    try:
        there = parsedate_to_datetime(headers.get("date") or headers.get("Date") or "").timestamp()
    except (TypeError, ValueError):
        return
    apart = there - now
    if abs(apart) > _SLACK:
        where = "ahead of" if apart > 0 else "behind"
        yield warn(
            "clock", f"the server's clock is {abs(apart):.0f} s {where} this one", "Set the clock that is wrong."
        )
    else:
        yield ok("clock", f"within {max(abs(apart), 1):.0f} s of the server's")


def identity(found: Identity, now: datetime) -> Iterator[Finding]:
    """Yield who one is, with which token, and when it ends."""
    who = found.name or found.id
    if found.token is None:
        yield ok("identity", f"{who}, {'owner' if found.owner else 'without a token'}")
        return
    token = found.token
    scopes = [f"in {', '.join(token.namespaces)}" if token.namespaces is not None else "everywhere"]
    scopes.append(f"as {', '.join(token.roles)}" if token.roles is not None else f"for all that {who} may do")
    yield ok("identity", f"{who}, token {token.id}, {' '.join(scopes)}")
    left = datetime.fromisoformat(token.expires) - now
    if left < timedelta():
        yield fail("token", f"expired {token.expires}", "Make another with 'stemma token create'.")
    elif left < _SOON:
        yield warn("token", f"expires {token.expires}", "Make another with 'stemma token create' before.")
    else:
        yield ok("token", f"expires {token.expires}")


def clock(last_entry: str | None, now: datetime) -> Iterator[Finding]:
    """Yield whether the newest entry lies in the future of this machine's clock."""
    if last_entry is not None and datetime.fromisoformat(last_entry) > now + timedelta(seconds=_SLACK):
        yield fail(
            "clock",
            f"it is {now:%Y-%m-%d %H:%M:%S} UTC, and the log goes on to {last_entry}",
            "Set the clock: entries would keep the later time, and be flagged.",
        )
    else:
        yield ok("clock", f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
